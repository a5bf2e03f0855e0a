"""kill -9 at every boundary of every kind of step, and between them: the run ends as if nothing had happened.

Each point kills the service once or twice at its place and starts it again on the
same data. Then the world outside, and every write to it, must be those of a run
that was not crashed; or, where that can't be proved, the journal says so and a
person decides (`unknown` in cases.yaml, and nowhere else).
"""

import ast
from collections import Counter
from pathlib import Path

import pytest

import orchestrator.engine
from orchestrator.domain.model import RunState
from tests.faults.cases import Case, Point, all_points, cases, counted, name_and_turn
from tests.faults.reference import References
from tests.faults.summary import telling
from tests.faults.walk import Walk

POINTS = all_points()
POINT_SECONDS = 90
EVERY_DAY = {
    "intent": "dns-address: intent",
    "effect": "dns-address: effect",
    "outcome": "dns-address: outcome",
    "reclaimed": "dns-address: effect+reclaimed",
    "verified": "dns-address: verified",
    "settled": "dns-ttl: settled",
    "waiting": "wait: waiting",
    "undo-intent": "dns-address: undo-intent",
    "undo-reclaimed": "dns-address: undo-effect+undo-reclaimed",
    "undo-effect": "dns-address: undo-effect",
    "undo-outcome": "dns-address: undo-outcome",
}
"""Boundary: the point that stands for it in the default suite."""


def boundaries_of_the_engine() -> set[str]:
    """The names in the engine's `boundary("name", …)` calls."""
    assert orchestrator.engine.__file__ is not None
    names = set()
    for path in Path(orchestrator.engine.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "boundary":
                assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno} names no boundary"
                names.add(str(node.args[0].value))
    return names


def test_every_boundary_of_the_engine_is_crashed_at() -> None:
    crashed_at = {name_and_turn(boundary)[0] for point in POINTS for _, boundary in point.crashes}
    assert crashed_at == boundaries_of_the_engine() == set(EVERY_DAY)
    assert set(EVERY_DAY.values()) <= {point.id for point in POINTS}


@pytest.mark.faults
@pytest.mark.timeout(POINT_SECONDS)
@pytest.mark.parametrize("case", cases().values(), ids=cases())
def test_the_points_are_the_boundaries_that_a_run_passes(case: Case, references: References) -> None:
    reference = references.of(case)
    assert sorted(counted(reference.passed)) == sorted(case.boundaries) or not case.passes
    if case.undo and case.restores:
        assert reference.walk.after == reference.walk.prepared


def _marked(point: Point) -> object:
    """The point as a parameter; all but those of every day are for `make test-faults`."""
    every_day = point.id in EVERY_DAY.values()
    return pytest.param(point, id=point.id, marks=() if every_day else pytest.mark.faults)


@pytest.mark.timeout(POINT_SECONDS)
@pytest.mark.parametrize("point", [_marked(point) for point in POINTS])
def test_a_crash_changes_nothing_that_lasts(
    point: Point, references: References, request: pytest.FixtureRequest
) -> None:
    reference = references.of(point.case)
    with telling(point, request.node.user_properties) as told:
        walk = Walk(references.stand, point.case, point).go()
        told.unproven = walk.unproven
        told.again = walk.effects != reference.walk.effects
        check(walk, reference.walk, point)


@pytest.mark.faults
@pytest.mark.timeout(POINT_SECONDS)
@pytest.mark.parametrize("point", [point for point in POINTS if point.id in EVERY_DAY.values()], ids=lambda p: p.id)
def test_the_same_holds_on_postgresql(point: Point, references_on_postgresql: References) -> None:
    reference = references_on_postgresql.of(point.case)
    check(Walk(references_on_postgresql.stand, point.case, point).go(), reference.walk, point)


def check(walk: Walk, reference: Walk, point: Point) -> None:
    assert walk.fired, f"the run never came to {point.label}\n{walk.told}"
    assert walk.crashed == max(1, len(point.crashes))
    assert walk.without_owner() == []
    lasting, expected = walk.lasting(), reference.lasting()
    if walk.unproven:
        assert point.unknown, f"it can be proved at {point.label}, and {walk.unproven} is unknown\n{walk.told}"
        assert walk.outcome in (RunState.INCOMPLETE, RunState.PARTLY_UNDONE)
        assert not walk.effects - reference.effects, walk.told
        lasting, expected = lasting.but_unproven(), expected.but_unproven()
    else:
        assert walk.outcome is reference.outcome, walk.told
        once = set if point.case.again else Counter
        assert once(walk.effects) == once(reference.effects), walk.told
    assert lasting == expected, walk.told
