"""The mail recipe over generated zones: it moves what it should, takes it back exactly, and leaves others alone."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.plan import Seen, with_seen
from providers.base import JsonMap, Presence, ProviderError
from providers.dns.record_edits import is_spf, text_of
from providers.dns.record_sets import Key, RecordSet
from providers.wants import Records, Ttl
from tests.examples import slow_examples
from tests.mail_move import TARGETS, dns_wishes, mail_plan, mail_steps
from tests.mail_zones import mail_zones, txt
from tests.memory_zone import TAG, Done, MemoryRun, MemoryZone

HELD_BY_OTHERS = ["@", "_dmarc", "www", "_smtp._tls"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("steps")


def run_on(sets: dict[Key, RecordSet], workspace: Path) -> MemoryRun:
    return MemoryRun(MemoryZone(dict(sets)), workspace)


def texts(zone: MemoryZone, name: str = "@") -> list[str]:
    return [text_of(value) for value in zone.sets.get((name, "TXT"), RecordSet(name, "TXT")).values]


def spf_of(zone: MemoryZone) -> list[str]:
    return [term for text in texts(zone) if is_spf(text) for term in text.split()]


def foreign(place: tuple[str, int], zone: MemoryZone) -> tuple[str, str]:
    """Somebody else adds a text to a name, and keeps what is there."""
    name, number = place
    before = zone.sets.get((name, "TXT"), RecordSet(name, "TXT", 300))
    added = txt(name, before.ttl or 300, f"foreign {number}")
    zone.put((RecordSet(name, "TXT", before.ttl or 300, tuple(sorted({*before.values, *added.values}))),))
    return name, f"foreign {number}"


@given(sets=mail_zones(), target=st.sampled_from(sorted(TARGETS)))
def test_every_move_can_be_taken_back_exactly(workspace: Path, sets: dict[Key, RecordSet], target: str) -> None:
    run = run_on(sets, workspace)
    done = [run.do(want) for _, want in dns_wishes(target)]
    assert run.zone.is_legal()
    _moved(run.zone, sets, target)
    for one in reversed(done):
        assert run.take_back(one).presence is Presence.ABSENT
        assert run.zone.is_legal()
    assert run.zone.sets == sets


def _moved(zone: MemoryZone, before: dict[Key, RecordSet], target: str) -> None:
    """The new side is in, the old side is out, and what belongs to neither is as it was."""
    old = [text_of(value) for value in before.get(("@", "TXT"), RecordSet("@", "TXT")).values]
    assert {text for text in old if not is_spf(text)} <= set(texts(zone))
    terms = [term.lower() for term in spf_of(zone)]
    assert terms.count("v=spf1") == 1
    assert not [term for term in terms if "outlook.com" in term]
    assert {"mailo": "mailo.com", "postfix-dovecot": "_spf-mail"}.get(target, "") in " ".join(terms)
    kept = {term.lower() for text in old if is_spf(text) for term in text.split() if "include" not in term.lower()}
    assert kept <= set(terms)
    assert not any("outlook" in value for one in zone.sets.values() if one.type == "MX" for value in one.values)
    assert ("autodiscover", "CNAME") not in zone.sets
    assert ("autodiscover", "A") not in zone.sets
    assert not [text for text in texts(zone, "_dmarc") if "reject" in text.lower()]
    for key in [("_smtp._tls", "TXT"), ("www", "A"), ("unrelated", "A")]:
        assert zone.sets.get(key) == before.get(key)
    if target != "tutanota" and ("_mta-sts", "TXT") in before:
        assert zone.sets["_mta-sts", "TXT"] != before["_mta-sts", "TXT"]


@given(
    sets=mail_zones(),
    target=st.sampled_from(sorted(TARGETS)),
    plants=st.lists(st.tuples(st.integers(0, 15), st.sampled_from(HELD_BY_OTHERS)), min_size=1, max_size=4),
)
def test_what_others_add_meanwhile_stays(
    workspace: Path, sets: dict[Key, RecordSet], target: str, plants: list[tuple[int, str]]
) -> None:
    run = run_on(sets, workspace)
    planted: list[tuple[str, str]] = []
    done: list[Done] = []
    for at, (_, want) in enumerate(dns_wishes(target)):
        planted += [foreign((name, n), run.zone) for n, (place, name) in enumerate(plants) if place == at]
        done.append(run.do(want))
    _all_there(run.zone, planted)
    touched = {(name, "TXT") for name, _ in planted}
    for one in reversed(done):
        world = dict(run.zone.sets)
        found = run.take_back(one)
        _all_there(run.zone, planted)
        if found.presence is Presence.CONFLICT:
            assert one.keys & touched, found.message
            assert found.message
            assert run.zone.sets == world
            return  # the run pauses here, and a person decides
    untouched = [key for key in sets if key not in touched]
    assert {key: run.zone.sets.get(key) for key in untouched} == {key: sets[key] for key in untouched}


def _all_there(zone: MemoryZone, planted: Sequence[tuple[str, str]]) -> None:
    assert [one for one in planted if one[1] not in texts(zone, one[0])] == []


@given(sets=mail_zones(), target=st.sampled_from(sorted(TARGETS)), data=st.data())
def test_a_step_pauses_where_others_changed_the_same_set_since_it_looked(
    workspace: Path, sets: dict[Key, RecordSet], target: str, data: st.DataObject
) -> None:
    run = run_on(sets, workspace)
    wishes = [want for _, want in dns_wishes(target)]
    chosen = data.draw(st.integers(0, len(wishes) - 1))
    for want in wishes[:chosen]:
        run.do(want)
    want = wishes[chosen]
    seen = run.look(want).values
    name, text = foreign((data.draw(st.sampled_from(HELD_BY_OTHERS)), 0), run.zone)
    world = dict(run.zone.sets)
    if (name, "TXT") not in _concerned(want, seen):
        run.do(want, seen)
    else:
        assert run.provider(want).observe(want, TAG, seen).presence is Presence.CONFLICT
        with pytest.raises(ProviderError) as caught:
            run.do(want, seen)
        assert caught.value.permanent
        assert run.zone.sets == world
    assert text in texts(run.zone, name)


def _concerned(want: Records | Ttl, seen: JsonMap) -> set[Key]:
    """The sets that a step changes: those it names, or those whose TTL is not yet what it is to be."""
    if isinstance(want, Records):
        return {(one.name, one.type) for one in want.records}
    return {
        (one["name"], one["type"])
        for one in seen["records"]
        if one["values"] and (one["ttl"] > want.ttl if want.change == "lower" else one["ttl"] != want.ttl)
    }


@slow_examples(15, 100)
@given(sets=mail_zones(two_spf=True), target=st.sampled_from(sorted(TARGETS)))
def test_two_spf_records_stop_the_move_before_mail_is_led_elsewhere(
    workspace: Path, sets: dict[Key, RecordSet], target: str
) -> None:
    run = run_on(sets, workspace)
    names = [name for name, _ in dns_wishes(target)]
    for name, want in dns_wishes(target):
        if name == "prepare-spf":
            assert run.look(want).presence is Presence.CONFLICT
            with pytest.raises(ProviderError, match="2 SPF records"):
                run.do(want)
            break
        run.do(want)
    assert names.index("prepare-spf") < names.index("cutover-mx")
    assert run.zone.sets["@", "MX"].values == sets["@", "MX"].values


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_mail_is_led_to_a_side_only_after_it_took_the_canary(target: str) -> None:
    steps = {step.id.rpartition("/")[2]: step for step in mail_steps(target)}
    order = list(steps)
    chains = [
        ["prepare-spf-room", "prepare-spf", "prepare-policies-known", "cutover-takes-mail"],
        ["prepare-mta-sts-policy", "prepare-mta-sts", "prepare-policies-known"],
        ["prepare-takes-mail", "prepare-short-ttl", "cutover-takes-mail", "cutover-mx", "cutover-clients"],
        ["prepare-spf", "cutover-mx", "cutover-delivers", "settle-queues", "settle-old-spf", "settle-delivers"],
    ]
    for chain in chains:
        assert [order.index(name) for name in chain] == sorted(order.index(name) for name in chain)
    assert steps["cutover-mx"].needs == ("web-failover/moves/cutover-takes-mail",)
    waits = {f"web-failover/moves/prepare-{name}" for name in ("short-ttl", "policies-known")}
    assert set(steps["cutover-takes-mail"].needs) >= waits
    assert steps["settle-queues"].with_["duration"] in (432000.0, "5d")
    assert all(step.title and step.title["fr"] and step.title["en"] for step in steps.values())


def test_a_later_edit_of_the_same_set_starts_from_what_the_earlier_one_leaves() -> None:
    """Its state is not known at plan time; the digest covers what was seen of each set that no earlier step changes."""
    plan = mail_plan("mailo")
    mx = {"name": "@", "type": "MX", "ttl": 3600, "values": ["0 old.example."]}
    apex = {"name": "@", "type": "TXT", "ttl": 3600, "values": ['"v=spf1 -all"']}
    found = {
        step.id: Seen(presence="absent", values={"records": [mx if step.id.endswith("mx") else apex]})
        for step in plan.steps
        if step.uses == "dns.records"
    }
    steps = {step.id.rpartition("/")[2]: step for step in with_seen(plan, found).steps}
    assert steps["prepare-verification"].before == {"records": [apex]}
    assert str(steps["prepare-spf"].after).endswith("prepare-verification")
    assert str(steps["settle-old-spf"].after).endswith("prepare-spf")
    assert steps["settle-old-spf"].before is None
    assert steps["cutover-mx"].before == {"records": [{**mx, "ttl": 300}]}
