"""Edits of record sets on real servers: the effect contract, and whole mail moves over generated zones."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import Context, Finding, JsonMap, Presence, Provider, ProviderError, Secret, Tag
from providers.dns.record_edits import text_of
from providers.dns.record_sets import Key, RecordSet, owner, to_rdataset
from providers.registry import provider_for
from providers.wants import Record, Records, Ttl
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet
from tests.contract.test_dns import World, world
from tests.contract.test_dns_vendors import VENDORS
from tests.dns_hosts import dns_host
from tests.dns_servers import KEY, KEY_NAME, ZONE, Server, powerdns
from tests.examples import slow_examples
from tests.mail_move import TARGETS, dns_wishes
from tests.mail_zones import mail_zones

TAG = Tag("run-1", "move")
EDIT = Records(
    zone=ZONE,
    records=[
        Record.model_validate({"name": "@", "type": "TXT", "add": ["ours=1"], "spf": {"include": ["mailo.com"]}}),
        Record.model_validate({"name": "www", "type": "A", "add": ["198.51.100.8"], "remove": ["192.0.2.11"]}),
        Record.model_validate({"name": "_dmarc", "type": "TXT", "dmarc": {"at_most": "quarantine"}}),
        Record.model_validate({"name": "_mta-sts", "type": "TXT", "mta_sts": "renew"}),
    ],
)


def edited_case(stack: ExitStack, tmp_path: Path, kind: str) -> Case:
    at = world(stack, tmp_path, kind)
    at.server.change('add _mta-sts 300 TXT "v=STSv1; id=1;"', 'add _dmarc 300 TXT "v=DMARC1; p=reject"')
    return at.case(EDIT)


@pytest.mark.core
class TestBind(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[Case]:
        with ExitStack() as stack:
            yield edited_case(stack, tmp_path, "bind")


@pytest.mark.core
class TestPowerDns(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[Case]:
        with ExitStack() as stack:
            yield edited_case(stack, tmp_path, "powerdns-api")


@pytest.mark.parametrize("vendor", VENDORS)
def test_edits_go_there_and_back_at_vendors(tmp_path: Path, vendor: str) -> None:
    """Value by value at some, and cut off in the middle, the result is the one that the state before decides."""
    with dns_host(vendor, tmp_path) as host:
        start = host.world()
        before = host.make(host.context).observe(EDIT, TAG, None).values
        with host.losing_one_answer(), suppress(ProviderError):
            host.make(host.context).apply(EDIT, TAG, before, quiet)
        done = host.make(host.context).apply(EDIT, TAG, before, quiet)
        assert done.presence is Presence.OURS, done.message
        assert {text_of(value) for one in done.effect["after"] if one["type"] == "TXT" for value in one["values"]} == {
            "ours=1",
            "v=spf1 include:old.example include:mailo.com ~all",
        }
        assert host.make(host.context).undo(EDIT, TAG, done.effect, quiet).presence is Presence.ABSENT
        assert host.world() == start


def test_edits_of_several_zones_are_each_by_its_own_state(tmp_path: Path) -> None:
    other = "other.example"
    records = [Record.model_validate({"name": "@", "type": "TXT", "spf": {"include": ["mailo.com"]}})]
    want = Records(zones=[ZONE, other], records=records)
    with powerdns(tmp_path, zones=(ZONE, other)) as server:
        server.change("delete @ TXT", 'add @ 60 TXT "v=spf1 mx -all"', zone=other)
        block = {"driver": "rfc2136", "servers": [server.address], "key_name": KEY_NAME, "key": "secret://tsig"}
        scope = {"networks": ["127.0.0.0/8"], "dns": {"zones": {ZONE: block, other: block}}}
        context = Context(scope, lambda _: Secret(KEY), tmp_path / "workspace", tmp_path, 10.0)
        provider = provider_for("dns.records", want, context)
        start = [server.records(zone) for zone in want.zones]
        done = provider.apply(want, TAG, provider.observe(want, TAG, None).values, quiet)
        assert '@ 3600 TXT "v=spf1 include:old.example include:mailo.com ~all"' in server.records()
        assert '@ 60 TXT "v=spf1 mx include:mailo.com -all"' in server.records(other)
        assert provider.undo(want, TAG, done.effect, quiet).presence is Presence.ABSENT
        assert [server.records(zone) for zone in want.zones] == start


def test_the_same_edit_twice_is_already_so(tmp_path: Path) -> None:
    want = Records(zone=ZONE, records=EDIT.records[:3])
    with ExitStack() as stack:
        at = world(stack, tmp_path, "bind")
        _apply(at, want)
        assert at.provider().observe(want, TAG, None).presence is Presence.ALREADY


def test_two_edits_of_one_set_are_taken_back_in_turn(tmp_path: Path) -> None:
    first = Record.model_validate({"name": "@", "type": "TXT", "spf": {"include": ["mailo.com"]}})
    second = Record.model_validate({"name": "@", "type": "TXT", "spf": {"exclude": ["old.example"]}})
    with ExitStack() as stack:
        at = world(stack, tmp_path, "bind")
        start = at.server.records()
        effects = [_apply(at, Records(zone=ZONE, records=[record])) for record in (first, second)]
        assert '@ 3600 TXT "v=spf1 include:mailo.com ~all"' in at.server.records()
        for effect in reversed(effects):
            assert at.provider().undo(EDIT, TAG, effect, quiet).presence is Presence.ABSENT
        assert at.server.records() == start


def test_what_can_not_be_edited_is_a_conflict_in_the_plan(tmp_path: Path) -> None:
    with ExitStack() as stack:
        at = world(stack, tmp_path, "bind")
        at.server.change("add @ 3600 TXT v=spf1")
        found = at.provider().observe(EDIT, TAG, None)
    assert found.presence is Presence.CONFLICT
    assert "2 SPF records" in found.message
    assert len(found.values["records"]) == 4


def _apply(at: World, want: Records) -> JsonMap:
    before = at.provider().observe(want, TAG, None).values
    done = at.provider().apply(want, TAG, before, quiet)
    assert done.presence is Presence.OURS, done.message
    return done.effect


@pytest.fixture(scope="module", params=["bind", pytest.param("powerdns-api", marks=pytest.mark.faults)])
def kept_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that serves one example after the other."""
    with ExitStack() as stack:
        yield world(stack, tmp_path_factory.mktemp("dns"), request.param)


@slow_examples(5, 20)
@given(sets=mail_zones(), target=st.sampled_from(sorted(TARGETS)))
def test_a_mail_move_at_a_real_server_is_taken_back_exactly(
    kept_world: World, sets: dict[Key, RecordSet], target: str
) -> None:
    _load(kept_world.server, sets)
    start = kept_world.server.records()
    done = [(want, _carry_out(kept_world, want).effect) for _, want in dns_wishes(target)]
    assert kept_world.server.records() != start
    for want, effect in reversed(done):
        found = _provider(kept_world, want, 0.0).undo(want.at(ZONE), TAG, effect, quiet)
        assert found.presence is Presence.ABSENT, found.message
    assert kept_world.server.records() == start


@slow_examples(3, 12)
@given(sets=mail_zones(), target=st.sampled_from(sorted(TARGETS)), data=st.data())
def test_what_others_add_during_a_move_at_a_real_server_stays(
    kept_world: World, sets: dict[Key, RecordSet], target: str, data: st.DataObject
) -> None:
    _load(kept_world.server, sets)
    wishes = [want for _, want in dns_wishes(target)]
    at = data.draw(st.integers(0, len(wishes)))
    name = data.draw(st.sampled_from(["@", "www", "_dmarc"]))
    ttl = sets[name, "TXT"].ttl if (name, "TXT") in sets else 300
    done = [(want, _carry_out(kept_world, want).effect) for want in wishes[:at]]
    kept_world.server.change(f'add {name} {ttl} TXT "foreign text"')
    done += [(want, _carry_out(kept_world, want).effect) for want in wishes[at:]]
    for want, effect in reversed(done):
        found = _provider(kept_world, want, 0.0).undo(want.at(ZONE), TAG, effect, quiet)
        assert any("foreign text" in line for line in kept_world.server.records())
        if found.presence is Presence.CONFLICT:
            assert (name, "TXT") in {(one["name"], one["type"]) for one in effect["after"]}
            return
        assert found.presence is Presence.ABSENT, found.message


def _carry_out(at: World, want: Records | Ttl) -> Finding:
    """As the engine does: look, apply, and look again when the time has come."""
    now = 1_000_000.0
    wish = want.at(ZONE)
    before = _provider(at, want, now).observe(wish, TAG, None).values
    found = _provider(at, want, now).apply(wish, TAG, before, quiet)
    while found.presence is Presence.PENDING:
        now += found.again_after
        found = _provider(at, want, now).observe(wish, TAG, before)
    assert found.presence in (Presence.OURS, Presence.ALREADY), found.message
    return found


def _provider(at: World, want: Records | Ttl, now: float) -> Provider[Any]:
    scope = at.context.scope
    block = scope["dns"]["zones"][ZONE]
    driver = "powerdns" if "url" in block else "rfc2136"
    placed = {**scope, "dns": {"zones": {ZONE: {**block, "driver": driver}}}}
    context = replace(at.context, scope=placed, deadline=600_000.0, clock=lambda: now)
    kind = "dns.records" if isinstance(want, Records) else "dns.ttl"
    return provider_for(kind, want.at(ZONE), context)


def _load(server: Server, sets: dict[Key, RecordSet]) -> None:
    """The zone becomes these record sets, besides its SOA, its NS and that one's address."""
    message = dns.update.UpdateMessage(ZONE)
    for name, node in server.transfer().nodes.items():
        for rdataset in node.rdatasets:
            if rdataset.rdtype.name != "SOA" and (str(name), rdataset.rdtype.name) not in {("@", "NS"), ("ns1", "A")}:
                message.delete(name, rdataset.rdtype)
    for one in sets.values():
        message.add(owner(one.name, ZONE), to_rdataset(one, one.ttl or 300))
    message.use_tsig(dns.tsig.Key(KEY_NAME, KEY, "hmac-sha256"))
    answer = dns.query.tcp(message, "127.0.0.1", timeout=5, port=server.port)
    assert answer.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(answer.rcode())
