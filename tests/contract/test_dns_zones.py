"""One `dns.records` step over zones at PowerDNS (its API) and at BIND (RFC 2136): each zone is a change of its own."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, JsonMap, Presence, Provider, ProviderError, Secret
from providers.dns.many_zones import ManyZones
from providers.registry import provider_for
from providers.wants import Record, RecordName, Records, Ttl
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.contract.test_dns import TAG
from tests.dns_servers import API_KEY, KEY, KEY_NAME, Relay, Server, bind, is_patch, is_update, powerdns, relayed

AT_POWERDNS = ["a.example", "b.example", "c.example"]
AT_BIND = "d.example"
ZONES = [*AT_POWERDNS, AT_BIND]
SWAP = Records(
    zones=ZONES,
    records=[
        Record(name="@", type="MX", ttl=60, values=["10 mx.mailo.com."]),
        Record(name="@", type="TXT", ttl=60, values=["v=spf1 include:mailo.com ~all"]),
        Record(name="autodiscover", type="CNAME", state="absent"),
        Record(name="www", type="A", ttl=60, values=["198.51.100.7"]),
        Record(name="ns1", type="A", ttl=3600, values=["127.0.0.1"]),
    ],
)
FOREIGN_MX = ("delete @ MX", "add @ 60 MX 5 mx.third.example.")
OLD_MX = ("delete @ MX", "add @ 3600 MX 10 mx.old.example.")


@dataclass
class World:
    """Two servers, a relay in front of each, and one scope that names them all."""

    servers: dict[str, Server]
    relays: list[Relay]
    context: Context
    secrets: dict[str, str]

    def provider(self, want: Records | Ttl = SWAP) -> Provider[Any]:
        kind = "dns.ttl" if isinstance(want, Ttl) else "dns.records"
        return provider_for(kind, want, self.context)

    def before(self, want: Records = SWAP) -> JsonMap:
        return self.provider(want).observe(want, TAG, None).values

    def change(self, zone: str, *changes: str) -> None:
        self.servers[zone].change(*changes, zone=zone)

    def change_everywhere(self, change: str) -> None:
        for zone in ZONES:
            self.change(zone, change)

    def records(self) -> dict[str, list[str]]:
        return {zone: server.records(zone) for zone, server in self.servers.items()}

    def serials(self) -> dict[str, int]:
        return {zone: server.serial(zone) for zone, server in self.servers.items()}

    @contextmanager
    def wrong_credentials(self) -> Iterator[None]:
        right = dict(self.secrets)
        self.secrets.update(tsig="YW5vdGhlciBrZXk=", api="wrong")
        yield
        self.secrets.update(right)

    @contextmanager
    def down(self) -> Iterator[None]:
        with ExitStack() as stack:
            for relay in self.relays:
                stack.enter_context(relay.down())
            yield

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        with ExitStack() as stack:
            for relay in self.relays:
                stack.enter_context(relay.losing_answers())
            yield


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        (at_powerdns := tmp_path / "powerdns").mkdir()
        (at_bind := tmp_path / "bind").mkdir()
        pdns = stack.enter_context(powerdns(at_powerdns, AT_POWERDNS))
        named = stack.enter_context(bind(at_bind, name=AT_BIND))
        api = stack.enter_context(relayed(pdns.api, is_patch))
        updates = stack.enter_context(relayed(named.port, is_update))
        by_api = {"driver": "powerdns", "url": f"http://127.0.0.1:{api.port}", "api_key": "secret://api"}
        by_update = {"driver": "rfc2136", "key_name": KEY_NAME, "key": "secret://tsig"}
        zones: dict[str, Any] = {zone: {**by_api, "servers": [pdns.address]} for zone in AT_POWERDNS}
        zones[AT_BIND] = {**by_update, "servers": [f"127.0.0.1:{updates.port}"]}
        secrets = {"tsig": KEY, "api": API_KEY}
        context = Context(
            scope={"networks": ["127.0.0.0/8"], "dns": {"zones": zones}},
            reveal=lambda reference: Secret(secrets[reference.removeprefix("secret://")]),
            workspace=tmp_path / "workspace",
            estate=tmp_path,
            deadline=20.0,
        )
        servers = {**dict.fromkeys(AT_POWERDNS, pdns), AT_BIND: named}
        yield World(servers, [api, updates], context, secrets)


@pytest.mark.core
class TestManyZones(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, world: World) -> Case:
        return Case(
            want=SWAP,
            context=world.context,
            make=partial(provider_for, "dns.records", SWAP),
            world=world.records,
            effects=lambda: sum(world.serials().values()),
            effects_once=len(ZONES),
            atomic=False,
            crash_after_write=world.losing_answers,
            break_permanently=world.wrong_credentials,
            break_briefly=world.down,
            foreign_change=partial(world.change_everywhere, "add www 60 A 203.0.113.99"),
            secrets=[KEY, API_KEY],
            tag=TAG,
        )


def test_values_effect_and_reports_are_per_zone(world: World) -> None:
    said: list[str] = []
    planned = world.before()
    assert list(planned["zones"]) == ZONES
    assert planned["zones"]["a.example"] == planned["zones"][AT_BIND]
    done = world.provider().apply(SWAP, TAG, planned, said.append)
    assert done.presence is Presence.OURS
    assert list(done.effect["zones"]) == ZONES
    assert "ns1" not in {record["name"] for record in done.effect["zones"][AT_BIND]["after"]}
    for zone in ZONES:
        assert any(line.startswith("Changing ") and line.endswith(f"in {zone}.") for line in said)
        assert f"{zone}: {zone} has what is wanted." in said


def test_foreign_edits_in_any_zone_are_kept_and_a_retry_finishes_only_the_rest(world: World) -> None:
    """In a and d the record sets themselves moved; in b somebody added another record."""
    original, planned = world.records(), world.before()
    world.change("a.example", *FOREIGN_MX)
    world.change(AT_BIND, *FOREIGN_MX)
    world.change("b.example", "add proof 300 TXT owner=b")
    foreign, serials, said = world.records(), world.serials(), list[str]()
    with refused() as caught:
        world.provider().apply(SWAP, TAG, planned, said.append)
    error = caught.value
    assert (error.permanent, error.effect_possible) == (True, True)
    assert error.message.startswith("Done in 2 of 4 zones, not in a.example: Nothing was changed: a.example. MX was ")
    assert "d.example: Nothing was changed: d.example. MX was expected to be 10 mx.old.example. " in error.message
    assert [line for line in said if line.startswith("! ")] != []
    assert {line.split(":")[0] for line in said if line.startswith("! ")} == {"! a.example", "! d.example"}
    now = world.records()
    assert {zone: now[zone] for zone in ("a.example", AT_BIND)} == {z: foreign[z] for z in ("a.example", AT_BIND)}
    assert 'proof 300 TXT "owner=b"' in now["b.example"]
    assert world.serials() == {**serials, **{zone: serials[zone] + 1 for zone in ("b.example", "c.example")}}

    left = world.provider().observe(SWAP, TAG, planned)
    assert (left.presence, list(left.effect["zones"])) == (Presence.ABSENT, ["b.example", "c.example"])
    assert left.parts == {
        "a.example": Presence.CONFLICT,
        "b.example": Presence.OURS,
        "c.example": Presence.OURS,
        "d.example": Presence.CONFLICT,
    }

    world.change("a.example", *OLD_MX)
    world.change(AT_BIND, *OLD_MX)
    serials = world.serials()
    done = world.provider().apply(SWAP, TAG, planned, quiet)
    assert (done.presence, list(done.effect["zones"])) == (Presence.OURS, ZONES)
    assert world.serials() == {**serials, **{zone: serials[zone] + 1 for zone in ("a.example", AT_BIND)}}
    assert world.provider().undo(SWAP, TAG, done.effect, quiet).presence is Presence.ABSENT
    back = world.records()
    assert {**back, "b.example": [one for one in back["b.example"] if not one.startswith("proof")]} == original


def test_what_was_done_before_a_refusal_is_taken_back_exactly(world: World) -> None:
    planned = world.before()
    world.change("a.example", *FOREIGN_MX)
    foreign = world.records()
    with refused():
        world.provider().apply(SWAP, TAG, planned, quiet)
    left = world.provider().observe(SWAP, TAG, planned)
    assert world.provider().undo(SWAP, TAG, left.effect, quiet).presence is Presence.ABSENT
    assert world.records() == foreign


def test_undo_leaves_a_zone_that_others_changed_alone_and_takes_back_the_others(world: World) -> None:
    original, planned = world.records(), world.before()
    done = world.provider().apply(SWAP, TAG, planned, quiet)
    world.change("c.example", *FOREIGN_MX)
    foreign = world.records()["c.example"]
    found = world.provider().undo(SWAP, TAG, done.effect, quiet)
    assert found.presence is Presence.CONFLICT
    assert found.message.startswith("Taken back in 3 of 4 zones, not in c.example: Left alone, as others changed it")
    assert world.records() == {**original, "c.example": foreign}


def test_zones_of_a_server_that_is_away_wait_for_a_retry_and_the_others_are_done(world: World) -> None:
    planned, serials = world.before(), world.serials()
    with world.relays[0].down(), refused() as caught:
        world.provider().apply(SWAP, TAG, planned, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
    assert caught.value.message.startswith("Done in 1 of 4 zones, not in a.example: The API of PowerDNS")
    assert world.serials() == {**serials, AT_BIND: serials[AT_BIND] + 1}
    assert world.provider().apply(SWAP, TAG, planned, quiet).presence is Presence.OURS
    assert world.serials() == {zone: serial + 1 for zone, serial in serials.items()}


def test_a_zone_that_has_what_is_wanted_already_is_not_ours(world: World) -> None:
    one = replace(world.context, workspace=world.context.workspace)
    hand = SWAP.at("b.example")
    provider_for("dns.records", hand, one).apply(hand, TAG, world.before()["zones"]["b.example"], quiet)
    done = world.provider().apply(SWAP, TAG, world.before(), quiet)
    assert (done.presence, list(done.effect["zones"])) == (Presence.OURS, ["a.example", "c.example", AT_BIND])


def test_a_zone_without_settings_is_named_and_the_others_are_read(world: World) -> None:
    want = SWAP.model_copy(update={"zones": [*ZONES, "e.example"]})
    with pytest.raises(
        ProviderError, match=r"Not every zone can be read: e\.example: .*`dns\.zones\.e\.example`"
    ) as it:
        world.provider(want).observe(want, TAG, None)
    assert it.value.permanent


def test_once_halted_no_further_zone_is_begun_and_a_retry_finishes_the_rest(world: World) -> None:
    before, engaged = world.before(), threading.Event()
    first = replace(world.context, halted=engaged.is_set)

    def halt_at_the_first(line: str) -> None:
        if line.startswith("Changing"):
            engaged.set()

    many = ManyZones(first, lambda want, context: provider_for("dns.records", want, context))
    many._side_by_side = lambda want, zones: 1  # type: ignore[method-assign]
    with pytest.raises(ProviderError, match=r"Done in 1 of 4 zones, not in .*the kill switch was engaged") as caught:
        many.apply(SWAP, TAG, before, halt_at_the_first)
    assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
    found = world.provider().observe(SWAP, TAG, before)
    assert sorted(found.parts.values()) == [*[Presence.ABSENT] * 3, Presence.OURS]
    done = world.provider().apply(SWAP, TAG, before, quiet)
    assert done.presence is Presence.OURS


def test_ttls_of_several_zones_wait_for_the_longest(world: World) -> None:
    want = Ttl(zones=ZONES, ttl=60, records=[RecordName(name="www", type="A")])
    now = [1_800_000_000.0]
    world.context = replace(world.context, clock=lambda: now[0], deadline=4000.0)
    world.change("c.example", "delete www A", "add www 900 A 192.0.2.10")
    planned = world.provider(want).observe(want, TAG, None).values
    done = world.provider(want).apply(want, TAG, planned, quiet)
    assert (done.presence, done.again_after) == (Presence.PENDING, 300.0)
    now[0] += 300
    found = world.provider(want).observe(want, TAG, planned)
    assert (found.presence, found.again_after) == (Presence.PENDING, 600.0)
    assert found.parts == {**dict.fromkeys(ZONES, Presence.OURS), "c.example": Presence.PENDING}
    now[0] += 600
    found = world.provider(want).observe(want, TAG, planned)
    assert (found.presence, found.effect) == (Presence.OURS, done.effect)
    assert found.outputs == {"effective_at": "2027-01-15T08:15:00Z", "ttl": 60, "old_ttl": 900}
