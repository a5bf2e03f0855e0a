"""What a webhook said holds: it is observed again at each interval, until it changes or its source falls silent."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.holding import OUR_OWN, SILENT_AFTER, Holding
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.thresholds import DAY, DEFAULT, HOUR
from orchestrator.domain.signals.watch import Watch
from tests.unit.signals_readings import START, rounds

STEP = DEFAULT.interval
Given = tuple[str, Observation, float]
"""Source, observation, when it was received."""


def alert(at: float, outcome: str = "fail", sensor: str = "mail", value: float | None = None) -> Observation:
    return Observation(START + at, "zoom", "auth", sensor, "site", "own", outcome, value)


def given_at(holding: Holding, one: Observation, source: str = "am") -> list[Observation]:
    return holding.take(source, one, one.at)


def times(found: list[Observation]) -> list[float]:
    return [one.at - START for one in found]


@pytest.mark.parametrize("outcome", ["fail", "denied", "ok"])
def test_a_state_is_read_again_at_each_interval_with_its_value(outcome: str) -> None:
    holding = Holding()
    said = alert(10, outcome, value=7.0)
    assert given_at(holding, said) == [said]
    found = holding.tick(START + 4 * STEP + 1)
    assert times(found) == [2 * STEP, 3 * STEP, 4 * STEP], "never sooner than an interval after it was said"
    assert all(one._replace(at=said.at) == said for one in found)


def test_the_newest_outcome_holds() -> None:
    holding = Holding()
    given_at(holding, alert(10))
    found = given_at(holding, alert(2 * STEP + 5, "ok"))
    assert [one.outcome for one in found] == ["fail", "ok"]
    assert {one.outcome for one in holding.tick(START + HOUR)} == {"ok"}


def test_states_of_several_sensors_hold_beside_each_other() -> None:
    holding = Holding()
    given_at(holding, alert(10, sensor="mail"))
    given_at(holding, alert(20, "ok", sensor="calendar"))
    given_at(holding, alert(30, "denied"), source="zabbix")
    found = holding.tick(START + 2 * STEP)
    assert [(one.sensor, one.outcome) for one in found] == [("calendar", "ok"), ("mail", "fail"), ("mail", "denied")]


def test_what_could_not_be_looked_at_ends_a_state() -> None:
    holding = Holding()
    given_at(holding, alert(10))
    given_at(holding, alert(20, "unknown"))
    assert holding.tick(START + HOUR) == []


def test_our_own_probes_hold_nothing() -> None:
    holding = Holding()
    assert times(given_at(holding, alert(10), source=OUR_OWN)) == [10]
    assert holding.tick(START + HOUR) == []


def test_a_source_that_speaks_every_minute_is_not_read_twice() -> None:
    holding = Holding()
    found = [one for at in range(0, 3600, 60) for one in given_at(holding, alert(at))]
    assert times(found) == list(range(0, 3600, 60))


def test_a_late_delivery_changes_nothing_but_shows_that_the_source_lives() -> None:
    holding = Holding(silent_after={"am": HOUR})
    given_at(holding, alert(STEP, "ok"))
    late = alert(10, "denied")
    assert holding.take("am", late, START + HOUR)[-1] == late
    found = holding.tick(START + 2 * HOUR + STEP)
    assert {one.outcome for one in found} == {"ok"}
    assert found[-1].at == START + 2 * HOUR


@pytest.mark.parametrize(
    ("configured", "seconds"), [({}, SILENT_AFTER), ({"am": HOUR}, HOUR), ({"other": HOUR}, SILENT_AFTER)]
)
def test_a_silent_source_says_nothing_any_more(configured: dict[str, float], seconds: float) -> None:
    holding = Holding(silent_after=configured)
    given_at(holding, alert(0))
    assert times(holding.tick(START + 30 * DAY))[-1] == seconds
    assert holding.tick(START + 31 * DAY) == []


def test_a_repetition_without_news_keeps_a_source_alive() -> None:
    holding = Holding(silent_after={"am": HOUR})
    given_at(holding, alert(0))
    assert times(holding.heard("am", START + HOUR))[-1] == HOUR
    assert times(holding.tick(START + DAY))[-1] == 2 * HOUR
    assert holding.heard("am", START + DAY) == []
    assert times(holding.tick(START + DAY + STEP)) == [DAY + STEP], "what it said and never took back holds again"


def test_the_default_is_so_short_that_a_source_that_went_away_makes_no_cut() -> None:
    assert DEFAULT.outage_longest / 2 + 1 > SILENT_AFTER


def test_a_time_in_the_future_is_that_of_its_arrival() -> None:
    holding = Holding()
    holding.take("am", alert(DAY), START)
    given_at(holding, alert(STEP, "ok"))
    assert [one.outcome for one in holding.tick(START + 2 * STEP)] == ["ok"]


def test_a_clock_that_goes_back_is_believed() -> None:
    holding = Holding()
    given_at(holding, alert(DAY))
    holding.tick(START + DAY + HOUR)
    assert times(holding.tick(START + HOUR)) == []
    assert times(holding.tick(START + HOUR + 2 * STEP)) == [HOUR + STEP, HOUR + 2 * STEP]
    assert [one.outcome for one in given_at(holding, alert(HOUR + 2 * STEP + 9, "ok"))] == ["ok"]
    assert {one.outcome for one in holding.tick(START + 2 * HOUR)} == {"ok"}


def test_a_clock_set_back_by_seconds_repeats_nothing() -> None:
    holding = Holding()
    given_at(holding, alert(0))
    assert times(holding.tick(START + STEP)) == [STEP]
    assert holding.tick(START + STEP - 2) == []
    assert times(holding.tick(START + 2 * STEP)) == [2 * STEP]


def test_an_open_alert_alone_makes_suspect_and_no_more() -> None:
    """Each re-reading counts, and all of them are one trust domain's word."""
    watch, holding = Watch(shipped()), Holding()
    refused = alert(HOUR, "denied")._replace(trust_domain="third")
    said: list[Change] = []
    for one in rounds(6, vendors=("microsoft-365", "zoom")):
        offered = holding.take(OUR_OWN, one, one.at)
        if refused.at < one.at < refused.at + 2:
            offered += holding.take("am", refused, one.at)
        said += [change for each in offered for change in watch.take(each) if change.subject == "zoom"]
    assert [change.verdict for change in said] == [Verdict.NOMINAL, Verdict.SUSPECT]
    assert said[1].at <= refused.at + 3 * STEP


@st.composite
def deliveries(draw: st.DrawFn) -> list[Given]:
    """Of two sources and ourselves, some late."""
    found: list[Given] = []
    received = START
    for _ in range(draw(st.integers(1, 12))):
        received += draw(st.floats(0, 2 * HOUR))
        at = received - draw(st.sampled_from([0.0, 0.0, 30.0, HOUR]))
        outcome = draw(st.sampled_from(["ok", "fail", "denied", "unknown"]))
        one = alert(at - START, outcome, draw(st.sampled_from(["mail", "calendar"])))
        found.append((draw(st.sampled_from(["am", "zabbix", OUR_OWN])), one, received))
    return found


def folded(found: list[Given], ticks: list[float], until: float) -> list[Observation]:
    holding = Holding(silent_after={"zabbix": HOUR})
    out: list[Observation] = []
    waiting = sorted(ticks)
    for source, one, received in found:
        while waiting and waiting[0] <= received:
            out += holding.tick(waiting.pop(0))
        out += holding.take(source, one, received)
    for at in [*waiting, until]:
        out += holding.tick(at)
    return out


@given(deliveries(), st.lists(st.floats(0, DAY), max_size=30))
def test_ticks_in_between_change_nothing(found: list[Given], ticks: list[float]) -> None:
    until = START + 2 * DAY
    assert folded(found, [], until) == folded(found, [START + at for at in ticks], until)


@given(deliveries())
def test_every_observation_is_handed_on_once_and_what_is_added_stands_on_the_grid(found: list[Given]) -> None:
    out = folded(found, [], START + 2 * DAY)
    rest = list(out)
    for _, one, _ in found:
        rest.remove(one)
    assert all(one.at % STEP == 0 for one in rest)
    assert all(before.at <= after.at for before, after in pairwise(rest))
    own = {(one.sensor, one.outcome) for source, one, _ in found if source != OUR_OWN}
    assert {(one.sensor, one.outcome) for one in rest} <= own
