"""The schedule of probes, whatever the clock and the looks do: never too many, never twice at once, nothing made up."""

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.signals.lookout import Look
from orchestrator.domain.signals.schedule import MINUTE, Schedule, per_minute
from providers.wants import Words

NOON = 1_795_608_000.0


def look(name: str, vendor: str = "aws", every: float = 300.0) -> Look:
    return Look(vendor, "auth", name, Words(fr=name, en=name), "probe.tcp", {}, every)


LOOKS = st.lists(
    st.builds(
        look,
        st.text("abcdefghij", min_size=1, max_size=3),
        st.sampled_from(["aws", "azure", "control-site"]),
        st.sampled_from([60.0, 300.0, 3600.0]),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda one: one.key,
)
PASSING = st.one_of(st.floats(0.1, 30.0), st.floats(30.0, 600.0), st.sampled_from([-86400.0 * 365, 86400.0 * 365]))
STEPS = st.lists(st.tuples(PASSING, st.integers(0, 12)), min_size=1, max_size=120)


@given(LOOKS, STEPS, st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_bounds_hold_whatever_happens(
    looks: list[Look], steps: list[tuple[float, int]], budget: int, side_by_side: int
) -> None:
    now = NOON
    schedule = Schedule(looks, now, budget=budget, side_by_side=side_by_side)
    going: list[Look] = []
    begun: dict[str, list[float]] = defaultdict(list)
    for passed, ending in steps:
        now += passed
        if passed < 0:
            begun.clear()  # a minute is counted by the clock there is
        for _ in range(min(ending, len(going))):
            schedule.ended(going.pop(0).key)
        due = schedule.due(now)
        assert not {one.key for one in due} & {one.key for one in going}, "two looks of one sensor at once"
        assert len({one.key for one in due}) == len(due)
        going += due
        assert len(going) <= side_by_side
        for one in due:
            begun[one.vendor].append(now)
        for times in begun.values():
            assert sum(now - MINUTE < at <= now for at in times) <= budget, "more than the vendor's budget"
        assert schedule.next_at(now) > now
        if not due:
            assert schedule.due(now) == [], "asking again changes nothing"


@given(LOOKS, st.floats(0, 1e6))
@settings(max_examples=25, deadline=None)
def test_a_sensor_looks_once_in_each_turn_and_turns_lie_apart(looks: list[Look], offset: float) -> None:
    begin = NOON + offset
    schedule = Schedule(looks, begin, budget=10_000, side_by_side=10_000)
    times: dict[str, list[float]] = defaultdict(list)
    now, end = begin, begin + 7200.0
    while now < end:
        for one in schedule.due(now):
            times[one.key].append(now)
            schedule.ended(one.key)
        now = schedule.next_at(now)
    for one in looks:
        expected = 7200.0 / one.every
        assert expected - 1 <= len(times[one.key]) <= expected + 1
        gaps = [after - before for before, after in zip(times[one.key], times[one.key][1:], strict=False)]
        assert all(0.89 * one.every - 1 <= gap <= 1.11 * one.every + 1 for gap in gaps)


def test_a_hundred_sensors_do_not_look_in_the_same_second() -> None:
    looks = [look(f"sensor-{number}", f"vendor-{number % 10}") for number in range(100)]
    schedule = Schedule(looks, NOON, side_by_side=1000)
    seconds: Counter[int] = Counter()
    for second in range(600):
        for one in schedule.due(NOON + second):
            seconds[second] += 1
            schedule.ended(one.key)
    assert max(seconds.values()) <= 6
    assert sum(seconds.values()) >= 190


def test_the_place_of_a_turn_is_the_same_after_a_restart_and_on_another_worker() -> None:
    looks = [look(str(number)) for number in range(10)]

    def first_times(start: float) -> dict[str, float]:
        schedule, now = Schedule(looks, start, budget=1000), start
        found: dict[str, float] = {}
        while now < NOON + 900:
            for one in schedule.due(now):
                if now >= NOON + 400:
                    found.setdefault(one.key, now)
                schedule.ended(one.key)
            now = schedule.next_at(now)
        return found

    assert first_times(NOON) == first_times(NOON + 137.0)


def test_missed_turns_are_skipped_and_not_made_up_for() -> None:
    schedule = Schedule([look("one", every=60.0)], NOON)
    later = NOON + 3600.0
    assert len(schedule.due(later)) == 1
    schedule.ended("aws.auth.one")
    assert schedule.due(later) == []
    assert later < schedule.next_at(later) <= later + 66.0


def test_a_look_that_never_ends_takes_one_place_and_no_more() -> None:
    looks = [look("hangs", "azure", 60.0), *(look(str(number), every=60.0) for number in range(3))]
    schedule = Schedule(looks, NOON, side_by_side=2)
    counts: Counter[str] = Counter()
    for second in range(0, 1200, 5):
        for one in schedule.due(NOON + second):
            counts[one.key] += 1
            if one.sensor != "hangs":
                schedule.ended(one.key)
    assert counts["azure.auth.hangs"] == 1
    assert all(counts[f"aws.auth.{number}"] >= 17 for number in range(3))


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    schedule = Schedule([look("one", every=60.0)], NOON)
    assert schedule.due(NOON + 120.0)
    schedule.ended("aws.auth.one")
    year = 365 * 86400.0
    early = NOON - year
    assert schedule.due(early) == []
    assert any(schedule.due(early + second) for second in range(1, 70))


def test_what_is_looked_at_may_change_while_looks_go_on() -> None:
    one, other = look("one", every=60.0), look("other", every=60.0)
    schedule = Schedule([one], NOON)
    now = NOON + 61.0
    assert [found.sensor for found in schedule.due(now)] == ["one"]
    schedule.change([other], now)
    schedule.change([one, other], now)
    later = now + 120.0
    assert [found.sensor for found in schedule.due(later)] == ["other"], "the first look of `one` still goes on"
    schedule.ended(one.key)
    assert [found.sensor for found in schedule.due(later)] == ["one"]
    schedule.change([], later)
    schedule.ended(one.key)
    assert schedule.due(later + 600.0) == []


def test_what_an_estate_asks_of_a_vendor_is_counted_in_looks_a_minute() -> None:
    looks = [look("a", every=60.0), look("b", every=300.0), look("c", "azure", 300.0)]
    assert per_minute(looks) == {"aws": 1.2, "azure": 0.2}
