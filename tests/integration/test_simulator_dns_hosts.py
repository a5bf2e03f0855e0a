"""The simulator's DNS hosts: one zone changed through each vendor's API, read back from the one DNS server."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, Presence, ProviderError, Secret, Tag
from providers.registry import provider_for
from providers.wants import Record, Records
from tests.loopback import within
from tests.simulator_fixture import Simulator

pytest_plugins = ["tests.simulator_fixture"]

ZONE = "valbourg.example"
WANT = Records(
    zone=ZONE,
    records=[
        Record(name="@", type="MX", values=["10 mx.mailo.com."]),
        Record(name="www", type="CNAME", values=["elsewhere.example."]),
        Record(name="portal", type="A", values=["198.18.0.10"]),
    ],
)
TAG = Tag("run-1", "step-1")


def blocks(simulator: Simulator) -> dict[str, dict[str, Any]]:
    at = {"servers": [simulator.addresses["dns"]]}
    keys = {name: f"secret://ovh-{name.replace('_', '-')}" for name in ("application_key", "application_secret")}
    return {
        "ovh-dns": at | keys | {"driver": "ovhcloud", "consumer_key": "secret://ovh-consumer-key"},
        "scaleway-dns": at | {"driver": "scaleway", "project": simulator.project, "token": "secret://scaleway-token"},
        "gandi-dns": at | {"driver": "gandi", "token": "secret://gandi-token"},
    }


def revealing(simulator: Simulator) -> Callable[[str], Secret]:
    """The simulator's own credentials."""
    return lambda reference: Secret(simulator.secret(reference.removeprefix("secret://")))


@pytest.mark.parametrize("host", ["ovh-dns", "scaleway-dns", "gandi-dns"])
def test_records_change_at_each_host_and_come_back(fresh_simulator: Simulator, tmp_path: Path, host: str) -> None:
    simulator = fresh_simulator
    block = blocks(simulator)[host] | {"url": simulator.addresses[host]}
    scope: Mapping[str, Any] = {"networks": ["127.0.0.0/8"], "dns": {"zones": {ZONE: block}}}
    context = Context(scope, revealing(simulator), tmp_path, tmp_path, 20.0)
    world = simulator.state()
    before = provider_for("dns.records", WANT, context).observe(WANT, TAG, None).values
    done = provider_for("dns.records", WANT, context).apply(WANT, TAG, before, lambda _: None)
    assert done.presence is Presence.OURS
    assert "portal.valbourg.example. 300 A 198.18.0.10" in simulator.state()["zones"][ZONE]
    assert {effect["service"] for effect in simulator.effects()} == {host}
    provider = provider_for("dns.records", WANT, context)
    assert provider.undo(WANT, TAG, done.effect, lambda _: None).presence is Presence.ABSENT
    assert simulator.state() == world


def test_a_reset_forgets_what_was_written_and_not_published(fresh_simulator: Simulator, tmp_path: Path) -> None:
    simulator = fresh_simulator
    block = blocks(simulator)["ovh-dns"] | {"url": simulator.addresses["ovh-dns"]}
    context = Context(within({"dns": {"zones": {ZONE: block}}}), revealing(simulator), tmp_path, tmp_path, 3.0)
    before = provider_for("dns.records", WANT, context).observe(WANT, TAG, None).values
    simulator.faults({"service": "ovh-dns", "route": "POST */refresh", "kind": "status", "status": 403, "times": None})
    with pytest.raises(ProviderError, match="403"):
        provider_for("dns.records", WANT, context).apply(WANT, TAG, before, lambda _: None)
    assert provider_for("dns.records", WANT, context).observe(WANT, TAG, before).effect
    simulator.reset()
    found = provider_for("dns.records", WANT, context).observe(WANT, TAG, before)
    assert (found.presence, found.effect) == (Presence.ABSENT, {})
