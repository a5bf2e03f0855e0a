"""Changes at DNS hosts cut off in the middle, or arriving later: known for what they are, finished or taken back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.base import Finding, JsonMap, Presence
from providers.dns import swap_records
from providers.wants import Record, Records
from tests.contract.suite import quiet, refused
from tests.contract.test_dns_vendors import SWAP, TAG, VENDORS, WRITES, apply, before, driver, one
from tests.dns_hosts import Host, dns_host, lagging
from tests.dns_servers import ZONE
from tests.sampling import sampled

STEPWISE = ["ovh", "gandi"]
EVERY_DAY = {"ovh": (6,), "gandi": (1,)}
"""After how many writes a change is cut off in the default suite: one in the middle, and the first."""
EVERY_CUT = sampled(
    [(name, writes) for name in STEPWISE for writes in range(1, WRITES[name])], lambda cut: cut[1] in EVERY_DAY[cut[0]]
)
EVERY_LOSS = sampled(
    [(name, lost) for name in VENDORS for lost in range(WRITES[name])],
    lambda loss: loss in (("ovh", 0), ("scaleway", 0), ("gandi", WRITES["gandi"] - 1)),
)


@pytest.fixture(params=VENDORS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    with dns_host(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=STEPWISE)
def stepwise(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    with dns_host(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that follow later are not waited for within a call, so that no test waits for them either."""
    monkeypatch.setattr(swap_records, "TAKE_OVER_SECONDS", 0.2)


# Cut off in the middle


def cut_off(host: Host, planned: JsonMap, writes: int) -> Finding:
    """An apply whose process and network are gone after so many writes; what is found afterwards."""
    with host.dying(writes), refused() as caught:
        driver(host, deadline=3).apply(SWAP, TAG, planned, quiet)
    assert caught.value.effect_possible
    return driver(host).observe(SWAP, TAG, planned)


@pytest.mark.parametrize("go_on", ["apply", "undo"])
@pytest.mark.parametrize(("stepwise", "writes"), EVERY_CUT, indirect=["stepwise"])
def test_a_change_cut_off_after_any_write_is_known_and_goes_on(stepwise: Host, writes: int, go_on: str) -> None:
    planned, world = before(stepwise), stepwise.world()
    sent = len(stepwise.effects.listed())
    found = cut_off(stepwise, planned, writes)
    assert (found.presence, bool(found.effect)) == (Presence.ABSENT, True)
    assert "cut off" in found.message
    if go_on == "apply":
        assert apply(stepwise, planned=planned).presence is Presence.OURS
        assert len(stepwise.effects.listed()) - sent == WRITES[stepwise.name], "nothing is written twice"
    assert driver(stepwise).undo(SWAP, TAG, found.effect, quiet).presence is Presence.ABSENT
    assert stepwise.world() == world


@pytest.mark.parametrize(("stepwise", "writes"), EVERY_CUT, indirect=["stepwise"])
def test_an_undo_cut_off_after_any_write_goes_on(stepwise: Host, writes: int) -> None:
    planned, world = before(stepwise), stepwise.world()
    effect = apply(stepwise, planned=planned).effect
    with stepwise.dying(writes), refused():
        driver(stepwise, deadline=3).undo(SWAP, TAG, effect, quiet)
    assert driver(stepwise).undo(SWAP, TAG, effect, quiet).presence is Presence.ABSENT
    assert stepwise.world() == world


def test_an_undo_cut_off_can_be_applied_again(stepwise: Host) -> None:
    planned = before(stepwise)
    effect = apply(stepwise, planned=planned).effect
    there = stepwise.world()[0] if stepwise.name == "ovh" else stepwise.world()
    with stepwise.dying(3), refused():
        driver(stepwise, deadline=3).undo(SWAP, TAG, effect, quiet)
    assert apply(stepwise, planned=planned).presence is Presence.OURS
    assert (stepwise.world()[0] if stepwise.name == "ovh" else stepwise.world()) == there


@pytest.mark.parametrize(("host", "lost"), EVERY_LOSS, indirect=["host"])
def test_any_lost_answer_is_found_out_by_reading(host: Host, lost: int) -> None:
    with host.faulty({"kind": "lose_answer", "route": "[PD][UOAE]*", "skip": lost}):
        done = apply(host)
    assert done.presence is Presence.OURS
    assert len(host.effects.listed()) == WRITES[host.name]


def test_a_failure_in_the_middle_says_that_a_part_may_be_there(stepwise: Host) -> None:
    planned = before(stepwise)
    with stepwise.faulty({"kind": "status", "route": "[PD][UOE]*", "skip": 3, "times": None}), refused() as caught:
        apply(stepwise, planned=planned)
    assert not caught.value.permanent
    assert caught.value.effect_possible
    assert apply(stepwise, planned=planned).presence is Presence.OURS


def test_a_foreign_edit_amid_a_change_cut_off_is_kept_and_ours_is_taken_back(stepwise: Host) -> None:
    theirs = Record(name="ns1", type="A", ttl=600, values=["203.0.113.9"])
    want = SWAP.model_copy(
        update={"records": [*SWAP.records[:-1], Record(name="ns1", type="A", values=["198.51.100.1"])]}
    )
    planned, world = before(stepwise, want), stepwise.records()
    with stepwise.dying(2), refused():
        driver(stepwise, deadline=3).apply(want, TAG, planned, quiet)
    stepwise.change_elsewhere(Records(zone=ZONE, records=[theirs]))
    found = driver(stepwise).observe(want, TAG, planned)
    assert (found.presence, bool(found.effect)) == (Presence.CONFLICT, True)
    with refused() as caught:
        apply(stepwise, want, planned)
    assert caught.value.permanent
    assert "203.0.113.9" in caught.value.message
    assert driver(stepwise).undo(want, TAG, found.effect, quiet).presence is Presence.ABSENT
    assert set(stepwise.records()) ^ set(world) == {"ns1 3600 A 127.0.0.1", "ns1 600 A 203.0.113.9"}


def test_ovhcloud_publishes_what_was_written_and_not_refreshed(tmp_path: Path) -> None:
    with dns_host("ovh", tmp_path) as host:
        planned, published = before(host), host.records()
        found = cut_off(host, planned, WRITES["ovh"] - 1)
        assert host.records() == published
        assert "not published" in found.message
        sent = len(host.effects.listed())
        assert apply(host, planned=planned).presence is Presence.OURS
        assert [effect["action"] for effect in host.effects.listed()[sent:]] == ["zone.refresh"]


def test_ovhcloud_never_publishes_an_empty_name_in_place_of_a_set_that_changes(tmp_path: Path) -> None:
    """Somebody else refreshes the zone after each of our writes."""
    want = one("www", "A", "198.51.100.8", "198.51.100.9", "198.51.100.10", ttl=60)
    with dns_host("ovh", tmp_path) as host:
        planned = before(host, want)
        for writes in range(1, 4):
            with host.dying(writes), refused():
                driver(host, deadline=3).apply(want, TAG, planned, quiet)
            host.change_elsewhere(one("else", "A", f"203.0.113.{writes}"))
            assert any(line.startswith("www ") for line in host.records())
            found = driver(host).observe(want, TAG, planned)
            assert found.presence in (Presence.ABSENT, Presence.OURS)
            assert driver(host).undo(want, TAG, found.effect, quiet).presence is Presence.ABSENT
            assert before(host, want) == planned


# Servers that follow later


@pytest.mark.usefixtures("impatient")
def test_servers_that_lag_leave_the_step_pending_and_nothing_is_written_twice(host: Host) -> None:
    with lagging(host) as take_over:
        planned = before(host)
        assert driver(host).apply(SWAP, TAG, planned, quiet).presence is Presence.PENDING
        sent = len(host.effects.listed())
        found = driver(host).observe(SWAP, TAG, planned)
        assert found.presence is Presence.PENDING
        assert driver(host).apply(SWAP, TAG, planned, quiet).presence is Presence.PENDING
        take_over()
        assert driver(host).observe(SWAP, TAG, planned).presence is Presence.OURS
        assert len(host.effects.listed()) == sent


@pytest.mark.usefixtures("impatient")
def test_an_undo_need_not_wait_for_servers_that_lag(host: Host) -> None:
    with lagging(host):
        world = host.records()
        found = driver(host).apply(SWAP, TAG, before(host), quiet)
        assert driver(host).undo(SWAP, TAG, found.effect, quiet).presence is Presence.ABSENT
        assert host.records() == world


def test_an_api_that_holds_another_zone_than_the_servers_answer_is_not_written(host: Host) -> None:
    with lagging(host):
        planned = before(host)
        host.foreign("www", "A", 300, "203.0.113.50")
        with refused() as caught:
            apply(host, planned=planned)
        assert "disagree" in caught.value.message or "203.0.113.50" in caught.value.message
        assert not host.effects.listed()
