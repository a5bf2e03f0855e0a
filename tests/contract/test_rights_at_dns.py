"""What the key of a zone may do, on BIND and PowerDNS: good, wrong, without the right; and no zone changes."""

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, Secret
from providers.examiners import examine
from providers.ovhcloud_rules import zone_rules
from providers.rights import Examination, State, Subject
from providers.simulator.ovh_dns import EVERYTHING, OvhDns
from tests.dns_hosts import Host, dns_host
from tests.dns_servers import API_KEY, KEY, KEY_NAME, VISITOR, ZONE, Server, bind, free_port, powerdns

OTHER_KEY = base64.b64encode(b"another key, also of 32 bytes...").decode()
Start = Callable[[Path], AbstractContextManager[Server]]


@pytest.fixture(params=[bind, powerdns], ids=["bind", "powerdns"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    start: Start = request.param
    with start(tmp_path) as running:
        yield running


def examined(server: Server, tmp_path: Path, secret: str = KEY, zone: str = ZONE, **more: Any) -> Examination:
    """By the driver that `more` names; the zone on the server is the same afterwards."""
    block = {"driver": "rfc2136", "servers": [server.address], "key_name": KEY_NAME, "key": "secret://key", **more}
    scope = {"networks": ["127.0.0.0/8"], "dns": {"zones": {zone: block}}}
    before, serial = server.records(), server.serial()
    context = Context(scope, lambda _: Secret(secret), tmp_path / "work", tmp_path, deadline=5.0)
    found = examine(context, Subject("dns", zone, block["driver"]))
    assert (server.records(), server.serial()) == (before, serial)
    assert secret not in str(found.as_json())
    return found


def states(found: Examination) -> dict[str, State]:
    return {right.name: right.state for right in found.rights}


def test_a_key_that_may_update(server: Server, tmp_path: Path) -> None:
    found = examined(server, tmp_path)
    assert found.ok
    assert states(found) == {f"answer for {ZONE}: {server.address}": State.HELD, f"update {ZONE}": State.HELD}


@pytest.mark.every_day("bind")
def test_a_key_that_is_wrong(server: Server, tmp_path: Path) -> None:
    found = examined(server, tmp_path, OTHER_KEY)
    assert not found.ok
    assert "TSIG" in found.message


@pytest.mark.every_day("bind")
def test_a_key_of_an_unknown_name(server: Server, tmp_path: Path) -> None:
    found = examined(server, tmp_path, key_name="nobody")
    assert not found.ok
    assert "TSIG key" in found.message


@pytest.mark.every_day("bind")
def test_a_key_that_is_known_and_may_update_nothing(server: Server, tmp_path: Path) -> None:
    found = examined(server, tmp_path, key_name=VISITOR)
    assert not found.ok
    assert states(found)[f"update {ZONE}"] is State.MISSING
    assert "let the key update the zone" in found.rights[-1].advice


@pytest.mark.parametrize(
    ("policy", "state"),
    [("zonesub A AAAA CAA CNAME MX NS SRV TXT", State.HELD), (f"name portal.{ZONE}. A AAAA CNAME", State.UNKNOWN)],
)
def test_a_policy_for_some_types_or_some_names(tmp_path: Path, policy: str, state: State) -> None:
    with bind(tmp_path, updates=f"update-policy {{ grant {KEY_NAME} {policy}; }};") as server:
        found = examined(server, tmp_path)
    assert found.ok
    assert states(found)[f"update {ZONE}"] is state


@pytest.mark.every_day("bind")
def test_a_zone_that_the_server_does_not_have(server: Server, tmp_path: Path) -> None:
    found = examined(server, tmp_path, zone="elsewhere.example")
    assert not found.ok
    assert states(found)[f"answer for elsewhere.example: {server.address}"] is State.MISSING


@pytest.mark.every_day("bind")
def test_a_secondary_that_is_not_there(server: Server, tmp_path: Path) -> None:
    gone = f"127.0.0.1:{free_port()}"
    found = examined(server, tmp_path, servers=[server.address, gone])
    assert not found.ok
    assert states(found) == {
        f"answer for {ZONE}: {server.address}": State.HELD,
        f"answer for {ZONE}: {gone}": State.MISSING,
        f"update {ZONE}": State.HELD,
    }


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Server]:
    with powerdns(tmp_path) as running:
        yield running


def at_api(api: Server, tmp_path: Path, secret: str = API_KEY, zone: str = ZONE, **more: Any) -> Examination:
    url = f"http://127.0.0.1:{api.api}"
    return examined(api, tmp_path, secret, zone, driver="powerdns", url=url, api_key="secret://key", **more)


def test_an_api_key_of_powerdns(api: Server, tmp_path: Path) -> None:
    found = at_api(api, tmp_path)
    assert found.ok
    assert states(found)[f"read {ZONE}"] is State.HELD


@pytest.mark.parametrize("secret", ["wrong", "wröng\n"])
def test_an_api_key_that_is_wrong(api: Server, tmp_path: Path, secret: str) -> None:
    found = at_api(api, tmp_path, secret)
    assert not found.ok
    assert "check `api_key`" in found.message or "store it again" in found.message


def test_a_zone_that_powerdns_does_not_have(api: Server, tmp_path: Path) -> None:
    found = at_api(api, tmp_path, zone="elsewhere.example")
    assert not found.ok
    assert "elsewhere.example" in found.message


def test_an_address_outside_the_networks_is_never_asked(api: Server, tmp_path: Path) -> None:
    scope = {"networks": ["192.0.2.0/24"], "dns": {"resolvers": [api.address]}}
    found = examine(Context(scope, Secret, tmp_path, tmp_path, deadline=5.0), Subject("dns", "resolvers", "resolvers"))
    assert not found.ok
    assert "outside the networks" in found.rights[0].advice


def test_resolvers_answer_or_do_not(api: Server, tmp_path: Path) -> None:
    gone = f"127.0.0.1:{free_port()}"
    scope = {"networks": ["127.0.0.0/8"], "dns": {"resolvers": [api.address, gone]}}
    found = examine(Context(scope, Secret, tmp_path, tmp_path, deadline=2.0), Subject("dns", "resolvers", "resolvers"))
    assert not found.ok
    assert [right.state for right in found.rights] == [State.HELD, State.MISSING]


def test_a_zone_of_a_driver_that_is_not_examined(api: Server, tmp_path: Path) -> None:
    found = examined(api, tmp_path, driver="another")
    assert found.ok
    assert states(found)["change records"] is State.UNKNOWN


# Hosts with an API


def at_host(host: Host) -> Examination:
    before = host.world()
    found = examine(host.context, Subject("dns", ZONE, host.block["driver"]))
    assert host.world() == before
    assert {request.split()[0] for request in host.requests} <= {"GET"}
    assert not any(secret in str(found.as_json()) for secret in host.secrets.values())
    return found


@pytest.mark.parametrize("name", ["ovh", "scaleway", "gandi"])
def test_a_zone_at_a_host(name: str, tmp_path: Path) -> None:
    with dns_host(name, tmp_path) as host:
        found = at_host(host)
    assert found.ok
    assert states(found)[f"read {ZONE}"] is State.HELD


@pytest.mark.parametrize("name", ["ovh", "scaleway", "gandi"])
def test_a_credential_that_a_host_does_not_know(name: str, tmp_path: Path) -> None:
    with dns_host(name, tmp_path) as host, host.wrong_credential():
        found = at_host(host)
    assert not found.ok
    assert "check `" in found.message


def test_a_consumer_key_for_one_zone(tmp_path: Path) -> None:
    with dns_host("ovh", tmp_path) as host:
        rules = ["GET /auth/currentCredential", *map(str, zone_rules(ZONE))]
        with_rules(host, rules)
        found = at_host(host)
        with_rules(host, [rule for rule in rules if "refresh" not in rule])
        lacking = at_host(host)
        with_rules(host, rules[1:])
        silent = at_host(host)
    assert found.ok
    assert State.NEEDLESS not in states(found).values()
    assert states(found)[f"POST /domain/zone/{ZONE}/refresh"] is State.HELD
    assert not lacking.ok
    assert states(lacking)[f"POST /domain/zone/{ZONE}/refresh"] is State.MISSING
    assert silent.ok
    assert states(silent)["what else it may do"] is State.UNKNOWN


def test_a_consumer_key_for_everything(tmp_path: Path) -> None:
    with dns_host("ovh", tmp_path) as host:
        found = at_host(host)
    assert found.ok
    assert [name for name, state in states(found).items() if state is State.NEEDLESS] == list(EVERYTHING)


def with_rules(host: Host, rules: list[str]) -> None:
    assert isinstance(host.service, OvhDns)
    host.service.rules = rules
