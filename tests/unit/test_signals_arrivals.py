"""The order of making from the order of arriving, and clocks that jump."""

import random

import pytest

from orchestrator.domain.signals.arrivals import Arrivals
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.thresholds import DEFAULT
from tests.unit.signals_readings import DAY, HOUR, MINUTE, PLACES, START, after, refused, rounds, verdicts, watched

YEAR = 365 * DAY


def reading(at: float, domain: str = "own", vantage: str = "paris", vendor: str = "zoom") -> Observation:
    return Observation(at, vendor, "tls", "certificate", vantage, domain, "ok")


def handed_out(arrivals: Arrivals, found: list[Observation]) -> list[Observation]:
    out = []
    for one in found:
        if arrivals.offer(one):
            out += [each for _, step in arrivals.complete() for each in step]
    return out + [each for _, step in arrivals.rest() for each in step]


def test_each_observation_comes_out_once_and_in_the_order_of_its_making() -> None:
    made = [reading(START + number * 20, *PLACES[number % 2]) for number in range(200)]
    draw = random.Random(3)
    mixed = sorted([*made, *made[::7]], key=lambda one: one.at + draw.uniform(0, DEFAULT.lateness - DEFAULT.step))
    arrivals = Arrivals(DEFAULT)
    assert handed_out(arrivals, mixed) == made
    assert arrivals.late == 0


def test_what_comes_after_its_time_is_counted_and_left() -> None:
    arrivals = Arrivals(DEFAULT)
    made = [reading(START + number * 60, *PLACES[number % 2]) for number in range(40)]
    late = [*made, reading(START + 36.5 * MINUTE, "own"), reading(START + 30 * MINUTE, "own")]
    assert len(handed_out(arrivals, late)) == 41
    assert arrivals.late == 1


def test_one_clock_that_runs_ahead_moves_nobodys_time() -> None:
    arrivals = Arrivals(DEFAULT)
    made = [reading(START - 1, "peer", "lyon")]
    for number in range(60):
        made += [reading(START + number * 60 + YEAR, "own"), reading(START + number * 60, "peer", "lyon")]
        made.append(reading(START + number * 60 + 1, "third", "bonn"))
    out = handed_out(arrivals, made)
    assert len(out) == 121
    assert arrivals.now < START + HOUR
    assert arrivals.resets == 0


@pytest.mark.parametrize("jump", [YEAR, 4 * HOUR, -4 * HOUR, -YEAR])
def test_all_clocks_may_jump_and_the_watch_goes_on(jump: float) -> None:
    def jumped(one: Observation) -> Observation:
        said = one._replace(outcome=refused(one)) if one.at >= START + 10 * HOUR else one
        return said._replace(at=one.at + jump) if one.at >= START + 6 * HOUR else said

    watch, changes = watched(rounds(14, jumped))
    cut = next(one for one in changes if one.verdict is Verdict.CUT)
    assert cut.at - (START + 10 * HOUR + jump) <= 25 * MINUTE
    assert not [
        one for one in changes if one.verdict.rank >= Verdict.SUSPECT.rank and one.at < START + 10 * HOUR + min(jump, 0)
    ]
    assert watch.arrivals.resets == 1
    assert watch.arrivals.told(watch.arrivals.now) == pytest.approx(START + 14 * HOUR + jump, abs=20 * MINUTE)


def test_a_vantage_without_time_server_is_silent_and_decides_nothing() -> None:
    def wrong(one: Observation) -> Observation:
        away = YEAR if one.vantage == "paris" and one.at > START + 6 * HOUR else 0.0
        return one._replace(at=one.at + away)

    _, changes = watched(rounds(14, wrong))
    assert verdicts(changes) == [Verdict.NOMINAL, Verdict.UNKNOWN]


def test_a_long_pause_of_everything_is_no_loss() -> None:
    found = [*rounds(6), *rounds(6, start=START + 40 * DAY)]
    _, changes = watched(found)
    assert set(verdicts(changes)) == {Verdict.NOMINAL, Verdict.UNKNOWN}
    assert verdicts(changes)[-1] is Verdict.NOMINAL


def test_time_that_passes_without_observations_is_seen_to_pass() -> None:
    watch, _ = watched(rounds(6, after(4, refused)))
    for minute in range(0, 600, 5):
        watch.tick(START + 6 * HOUR + minute * MINUTE)
    assert watch.verdict("microsoft-365") is Verdict.UNKNOWN
    assert watch.onsets()


def test_whoever_invents_sensors_fills_no_memory() -> None:
    invented = (
        Observation(START + number / 100, "zoom", "tls", f"s{number}", "paris", "own", "denied")
        for number in range(2000)
    )
    watch, _ = watched(invented)
    assert watch.crowded == 1500
