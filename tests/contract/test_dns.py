"""DNS record sets on real servers: BIND by RFC 2136, PowerDNS by its API and by RFC 2136."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, JsonMap, Presence, Provider, ProviderError, Secret, Tag
from providers.dns.powerdns import PowerDnsRecords
from providers.dns.rfc2136 import Rfc2136Records
from providers.wants import Record, Records
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.dns_servers import (
    API_KEY,
    KEY,
    KEY_NAME,
    ZONE,
    IsWrite,
    Relay,
    Server,
    bind,
    is_patch,
    is_update,
    notify,
    powerdns,
    relayed,
)
from tests.sampling import sampled

TAG = Tag("run-1", "cutover")
SWAP = Records(
    zone=ZONE,
    records=[
        Record(name="@", type="MX", values=["20 mail", "10 MX.mailo.com."]),
        Record(name="mail", type="A", values=["198.51.100.7"]),
        Record(name="@", type="TXT", ttl=3600, values=["v=spf1 include:mailo.com ~all"]),
        Record(name="WWW", type="A", ttl=60, values=["198.51.100.8"]),
        Record(name="autodiscover", type="CNAME", state="absent"),
        Record(name="autodiscover", type="A", values=["198.51.100.9"]),
        Record(name="_imaps._tcp", type="SRV", values=["0 1 993 imap.mailo.com."]),
        Record(name="sel._domainkey", type="TXT", values=["v=DKIM1; k=rsa; p=" + "A" * 400]),
        Record(name="ns1", type="A", ttl=3600, values=["127.0.0.1"]),
    ],
)
"""Creates, replaces, deletes, leaves alone (`ns1`), and puts an address in a CNAME's place."""


@dataclass
class World:
    """A server, the relay in front of it, and secrets that a test may spoil."""

    server: Server
    relay: Relay
    context: Context
    make: Callable[[Context], Provider[Any]]
    secrets: dict[str, str]

    def provider(self, deadline: float = 10.0) -> Provider[Any]:
        return self.make(replace(self.context, deadline=deadline))

    @contextmanager
    def wrong_credentials(self) -> Iterator[None]:
        right = dict(self.secrets)
        self.secrets.update(tsig=base64.b64encode(b"another key, also of 32 bytes...").decode(), api="wrong")
        yield
        self.secrets.update(right)

    def case(self, want: Records = SWAP) -> Case:
        return Case(
            want=want,
            context=self.context,
            make=self.make,
            world=self.server.records,
            effects=self.server.serial,
            effects_once=1,
            crash_after_write=self.relay.losing_answers,
            break_permanently=self.wrong_credentials,
            break_briefly=self.relay.down,
            foreign_change=lambda: self.server.change("add www 60 A 203.0.113.99"),
            secrets=[KEY, API_KEY],
            tag=TAG,
        )


def world(stack: ExitStack, tmp_path: Path, kind: str, is_api_write: IsWrite = is_patch) -> World:
    server = stack.enter_context(bind(tmp_path) if kind == "bind" else powerdns(tmp_path))
    by_api = kind == "powerdns-api"
    relay = stack.enter_context(relayed(server.api, is_api_write) if by_api else relayed(server.port, is_update))
    secrets = {"tsig": KEY, "api": API_KEY}
    settings = {"key_name": KEY_NAME, "key": "secret://tsig", "servers": [f"127.0.0.1:{relay.port}"]}
    if by_api:
        url = f"http://127.0.0.1:{relay.port}"
        settings = {"url": url, "api_key": "secret://api", "servers": [server.address]}
    context = Context(
        scope={"networks": ["127.0.0.0/8"], "dns": {"zones": {ZONE: settings}}},
        reveal=lambda reference: Secret(secrets[reference.removeprefix("secret://")]),
        workspace=tmp_path,
        estate=tmp_path,
        deadline=10.0,
    )
    return World(server, relay, context, PowerDnsRecords if by_api else Rfc2136Records, secrets)


@pytest.fixture(params=sampled(["bind", "powerdns-update", "powerdns-api"], lambda kind: kind == "bind"))
def dns_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield world(stack, tmp_path, request.param)


class TestBind(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[Case]:
        with ExitStack() as stack:
            yield world(stack, tmp_path, "bind").case()


@pytest.mark.core
class TestPowerDns(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[Case]:
        with ExitStack() as stack:
            yield world(stack, tmp_path, "powerdns-api").case()


def before(world: World, want: Records) -> JsonMap:
    return world.provider().observe(want, TAG, None).values


def one(name: str, kind: Any, *values: str, ttl: int = 300) -> Records:
    state: Any = "present" if values else "absent"
    return Records(zone=ZONE, records=[Record(name=name, type=kind, ttl=ttl, values=list(values), state=state)])


def test_values_are_canonical_and_in_stable_order(dns_world: World) -> None:
    found = dns_world.provider().observe(SWAP, TAG, None)
    assert found.presence is Presence.ABSENT
    assert [(r["name"], r["type"], r["ttl"], r["values"]) for r in found.values["records"]] == [
        ("@", "MX", 3600, ["10 mx.old.example."]),
        ("@", "TXT", 3600, ['"v=spf1 include:old.example ~all"']),
        ("_imaps._tcp", "SRV", 300, ["0 1 993 imap.old.example."]),
        ("autodiscover", "A", None, []),
        ("autodiscover", "CNAME", 300, ["autodiscover.old.example."]),
        ("mail", "A", None, []),
        ("ns1", "A", 3600, ["127.0.0.1"]),
        ("sel._domainkey", "TXT", None, []),
        ("www", "A", 300, ["192.0.2.10", "192.0.2.11"]),
    ]


def test_what_was_already_so_is_not_ours_and_never_undone(dns_world: World) -> None:
    want = one("www", "A", "192.0.2.11", "192.0.2.10")
    planned = before(dns_world, want)
    serial = dns_world.server.serial()
    done = dns_world.provider().apply(want, TAG, planned, quiet)
    assert (done.presence, done.effect) == (Presence.ALREADY, {})
    assert dns_world.server.serial() == serial


def test_the_effect_names_only_what_changed(dns_world: World) -> None:
    done = dns_world.provider().apply(SWAP, TAG, before(dns_world, SWAP), quiet)
    assert "ns1" not in {record["name"] for record in done.effect["after"]}
    dns_world.server.change("add ns1 3600 A 127.0.0.2")
    assert dns_world.provider().undo(SWAP, TAG, done.effect, quiet).presence is Presence.ABSENT
    assert "ns1 3600 A 127.0.0.2" in dns_world.server.records()


def test_a_ttl_alone_is_a_change(dns_world: World) -> None:
    want = one("www", "A", "192.0.2.10", "192.0.2.11", ttl=30)
    planned = before(dns_world, want)
    done = dns_world.provider().apply(want, TAG, planned, quiet)
    assert done.presence is Presence.OURS
    assert "www 30 A 192.0.2.10" in dns_world.server.records()
    dns_world.provider().undo(want, TAG, done.effect, quiet)
    assert before(dns_world, want) == planned


def test_name_servers_of_the_zone_change_without_ever_being_empty(dns_world: World) -> None:
    want = one("@", "NS", "ns1", "ns.other.example.", ttl=600)
    world = dns_world.server.records()
    done = dns_world.provider().apply(want, TAG, before(dns_world, want), quiet)
    assert done.presence is Presence.OURS
    assert "@ 600 NS ns.other.example." in dns_world.server.records()
    dns_world.provider().undo(want, TAG, done.effect, quiet)
    assert dns_world.server.records() == world


def test_strings_of_a_text_survive_change_and_undo(dns_world: World) -> None:
    odd = ['"a" "b"', 'say "hi"; \\ é', '"ends with quote\\" "', "x" * 300]
    first = one("odd", "TXT", *odd)
    dns_world.provider().apply(first, TAG, before(dns_world, first), quiet)
    world = dns_world.server.records()
    second = one("odd", "TXT", "plain")
    done = dns_world.provider().apply(second, TAG, before(dns_world, second), quiet)
    assert 'odd 300 TXT "plain"' in dns_world.server.records()
    dns_world.provider().undo(second, TAG, done.effect, quiet)
    assert dns_world.server.records() == world
    assert dns_world.provider().observe(first, TAG, None).presence is Presence.ALREADY


def test_a_foreign_change_before_apply_is_named_and_nothing_is_lost(dns_world: World) -> None:
    planned = before(dns_world, SWAP)
    dns_world.server.change("delete @ MX", "add @ 60 MX 5 mx.third.example.")
    world = dns_world.server.records()
    assert dns_world.provider().observe(SWAP, TAG, planned).presence is Presence.CONFLICT
    with refused() as caught:
        dns_world.provider().apply(SWAP, TAG, planned, quiet)
    assert caught.value.permanent
    for told in ("valbourg.example. MX", "10 mx.old.example.", "5 mx.third.example."):
        assert told in caught.value.message
    assert dns_world.server.records() == world


@pytest.mark.parametrize(
    "want", [one("portal", "A", "198.51.100.7"), one("www", "CNAME", "portal.other.example.")], ids=["A", "CNAME"]
)
def test_what_excludes_the_wanted_records_is_named_and_nothing_is_half_done(dns_world: World, want: Records) -> None:
    """Servers drop only the excluded addition from an update; the rest of the step would happen."""
    both = Records(zone=ZONE, records=[*want.records, Record(name="@", type="MX", values=["10 mx.mailo.com."])])
    world = dns_world.server.records()
    found = dns_world.provider().observe(both, TAG, None)
    assert found.presence is Presence.CONFLICT
    with refused() as caught:
        dns_world.provider().apply(both, TAG, found.values, quiet)
    assert caught.value.permanent
    for message in (found.message, caught.value.message):
        assert "A CNAME stands alone" in message
    assert dns_world.server.records() == world


def test_undo_finishes_what_others_have_begun_to_restore(dns_world: World) -> None:
    world = dns_world.server.records()
    done = dns_world.provider().apply(SWAP, TAG, before(dns_world, SWAP), quiet)
    dns_world.server.change("delete @ MX", "add @ 3600 MX 10 mx.old.example.")
    assert dns_world.provider().undo(SWAP, TAG, done.effect, quiet).presence is Presence.ABSENT
    assert dns_world.server.records() == world


def test_several_lost_answers_change_once(dns_world: World) -> None:
    planned, serial = before(dns_world, SWAP), dns_world.server.serial()
    with dns_world.relay.losing_answers(3):
        done = dns_world.provider().apply(SWAP, TAG, planned, quiet)
    assert done.presence is Presence.OURS
    assert dns_world.server.serial() == serial + 1


def test_a_server_out_of_the_scopes_networks_is_never_asked(dns_world: World) -> None:
    dns_world.context = replace(dns_world.context, scope={**dns_world.context.scope, "networks": ["198.18.0.0/16"]})
    with refused() as caught:
        dns_world.provider().observe(SWAP, TAG, None)
    assert caught.value.permanent
    assert "outside the networks" in caught.value.message


@pytest.mark.parametrize(
    ("kind", "value"),
    [("A", "192.0.2.300"), ("MX", "mx.example."), ("AAAA", "::g"), ("CAA", "0 issue"), ("SRV", "1 2")],
)
def test_a_value_out_of_form_is_refused_before_anything_is_asked(tmp_path: Path, kind: str, value: str) -> None:
    context = Context(scope={}, reveal=Secret, workspace=tmp_path, estate=tmp_path)
    with refused() as caught:
        Rfc2136Records(context).observe(one("www", kind, value), TAG, None)
    assert caught.value.permanent
    assert f"www {kind}" in caught.value.message


def test_bind_refuses_an_mx_without_address_and_the_message_says_so(tmp_path: Path) -> None:
    with ExitStack() as stack:
        at = world(stack, tmp_path, "bind")
        want = one("@", "MX", "10 nowhere")
        with refused() as caught:
            at.provider().apply(want, TAG, before(at, want), quiet)
    assert caught.value.permanent
    assert "has an address" in caught.value.message


def test_a_refusal_without_a_signature_is_no_lost_answer(tmp_path: Path) -> None:
    """PowerDNS says REFUSED to a signature that is wrong, and does not sign that."""
    with ExitStack() as stack:
        powerdns_world = world(stack, tmp_path, "powerdns-update")
        planned, held = before(powerdns_world, SWAP), powerdns_world.server.records()
        with powerdns_world.wrong_credentials(), refused() as caught:
            powerdns_world.provider().apply(SWAP, TAG, planned, quiet)
        assert caught.value.permanent
        assert "REFUSED without a signature" in caught.value.message
        assert "`key`" in caught.value.message
        found = powerdns_world.provider().observe(SWAP, TAG, planned)
        assert (found.presence, found.effect) == (Presence.ABSENT, {})
        assert powerdns_world.server.records() == held


@pytest.mark.faults
def test_a_secondary_that_lags_leaves_the_step_pending(tmp_path: Path) -> None:
    (first := tmp_path / "first").mkdir()
    (second := tmp_path / "second").mkdir()
    with ExitStack() as stack:
        at = world(stack, first, "bind")
        behind = stack.enter_context(bind(second, at.server))
        at.context.scope["dns"]["zones"][ZONE]["servers"].append(behind.address)
        planned = before(at, SWAP)
        assert at.provider(deadline=3).apply(SWAP, TAG, planned, quiet).presence is Presence.PENDING
        assert at.provider().observe(SWAP, TAG, planned).presence is Presence.PENDING
        with pytest.raises(ProviderError, match="disagree"):
            at.provider().observe(SWAP, TAG, None)
        notify(behind)
        serial = at.server.serial()
        assert at.provider().apply(SWAP, TAG, planned, quiet).presence is Presence.OURS
        assert at.server.serial() == serial
