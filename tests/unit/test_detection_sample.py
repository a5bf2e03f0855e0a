"""A small part of what `make bench-detection` measures, on held-out seeds: a few losses, and months that are none."""

import pytest

from orchestrator.domain.signals.quorum import Verdict
from tests.bench.detection import HELD_OUT, TENTH
from tests.bench.detection_curve import Point, judged, unbeaten
from tests.bench.detection_measures import loss, quiet
from tests.bench.detection_world import INTERVAL, Kind


@pytest.mark.every_day("cut-3600.0", "quiet-erosion-25920.0")
@pytest.mark.parametrize(
    ("kind", "within"),
    [("cut", 12 * INTERVAL), ("erosion", TENTH), ("quiet-erosion", TENTH), ("targeted", TENTH)],
)
def test_a_loss_is_noticed_in_time_and_nowhere_else(kind: Kind, within: float) -> None:
    found = loss((kind, HELD_OUT))
    assert found.delay is not None
    assert found.delay <= within
    assert found.elsewhere == 0
    assert (found.account == "mayor") is (kind == "targeted")


@pytest.mark.parametrize(
    ("days", "hours"),
    [
        (3.0, 400),
        pytest.param(14.0, 2_000, marks=pytest.mark.faults),
        pytest.param(35.0, 10_000, marks=pytest.mark.wide),
    ],
)
def test_weeks_without_a_loss_are_never_cut_and_propose_nothing(days: float, hours: float) -> None:
    found = quiet(HELD_OUT, days)
    assert found.hours >= hours
    assert (found.cut_proposals, found.eroding_proposals) == (0, 0), found.false
    assert found.verdicts[Verdict.CUT.value] == 0, found.false
    assert found.verdicts[Verdict.SUSPECT.value], "so many outages make suspect now and then"


OURS = Point("verdict", True, 0.0, (900.0, 1200.0, 900.0))


@pytest.mark.parametrize(
    ("rival", "said"),
    [
        (Point("late", False, 0.0, (1200.0, 1200.0, 1200.0)), "dominated"),
        (Point("noisy", False, 3.0, (900.0, 900.0, 900.0)), "dominated"),
        (Point("soon and noisy", False, 3.0, (300.0, 300.0, 300.0)), "NOT dominated: 10 min sooner, 3.00 more"),
        (Point("soon, and misses one", False, 0.0, (300.0, None, 300.0)), "misses losses"),
        (Point("better", False, 0.0, (300.0, 300.0, 300.0)), "NOT dominated"),
    ],
)
def test_a_rival_is_dominated_when_ours_is_no_worse_on_both_axes(rival: Point, said: str) -> None:
    assert judged(rival, [OURS]).startswith(said)
    assert bool(unbeaten([OURS, rival])) is (rival.name == "better")
