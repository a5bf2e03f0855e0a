"""How the page of a run sorts steps, and what it says of the time that a service has left."""

from typing import Any

import pytest

from orchestrator.domain.model import StepState
from orchestrator.web.api.answers import RunDetail, StepAnswer
from orchestrator.web.pages.run_groups import OPEN_AT_MOST, Sort, groups, loudest
from orchestrator.web.pages.run_objectives import objectives
from orchestrator.web.pages.run_paper import procedure
from orchestrator.web.pages.run_view import StepView, run_view, step_view
from orchestrator.web.reading import StepDetail
from orchestrator.web.words import Language

TITLES = {"mail": "Mail", "desk": "Front desk"}


def step(name: str, state: StepState, service: str = "mail", **more: Any) -> StepAnswer:
    values: dict[str, Any] = {
        "id": f"r/{name}", "ordinal": 0, "service": service, "runbook": "r", "uses": "dns.records", "title": None,
        "state": state, "attempt": 1, "undo_attempt": 0, "needs": [], "open_needs": 0, "had_intent": False,
        "message": "", "waits_for": None, "started_at": None, "ended_at": None, "wake_at": None, "outputs": {},
        "expect": 5.0, "timeout": None, "on_failure": "pause", **more,
    }  # fmt: skip
    return StepAnswer.model_validate(values)


def run(**more: Any) -> RunDetail:
    values: dict[str, Any] = {
        "id": "R", "plan_digest": "d", "commit": "c", "scope": "live", "mode": "live", "direction": "failover",
        "services": ["mail", "desk"], "requested_by": "olga", "reason": "", "releases_needed": 0, "created_at": 0.0,
        "seq": 1, "state": "running", "paused": False, "remaining": 1, "undo_remaining": 0, "releases": [],
        "message": "", "started_at": 1000.0, "ended_at": None, "expected_seconds": 0.0, "critical_path": [], **more,
    }  # fmt: skip
    return RunDetail.model_validate(values)


def views(language: Language = "en") -> list[StepView]:
    steps = [
        step("a", StepState.SUCCEEDED, started_at=1.0, ended_at=5.0),
        step("b", StepState.FAILED, started_at=2.0, ended_at=9.0),
        step("c", StepState.RUNNING, "desk", started_at=4.0),
        step("d", StepState.VERIFYING, "desk", started_at=3.0),
        step("e", StepState.PENDING, "desk"),
    ]
    return [step_view(language, one) for one in steps]


def test_as_planned_there_is_a_group_a_service() -> None:
    found = groups("en", views(), ["desk", "mail", "nothing"], TITLES, Sort.ORDER)
    assert [(group.title, [one.id for one in group.steps]) for group in found] == [
        ("Front desk", ["r/c", "r/d", "r/e"]),
        ("Mail", ["r/a", "r/b"]),
    ]
    assert [(count.tone, count.number) for count in found[0].counts if count.number] == [("moving", 2), ("quiet", 1)]
    assert (found[1].done, found[1].loudest.tone) == (1, "bad")


@pytest.mark.parametrize(("language", "first"), [("en", "to be decided"), ("fr", "à trancher")])
def test_by_state_what_must_be_looked_at_comes_first(language: Language, first: str) -> None:
    found = groups(language, views(language), ["mail", "desk"], TITLES, Sort.STATE)
    assert found[0].title == first
    assert [[one.id for one in group.steps] for group in found] == [["r/b"], ["r/c", "r/d"], ["r/a"], ["r/e"]]


def test_by_time_the_longest_under_way_comes_first_and_the_last_that_ended() -> None:
    found = groups("en", views(), ["mail", "desk"], TITLES, Sort.TIME)
    assert [[one.id for one in group.steps] for group in found] == [["r/d", "r/c"], ["r/b", "r/a"], ["r/e"]]


def test_a_large_run_opens_only_the_groups_where_something_happens() -> None:
    quiet = [step_view("en", step(f"q{n}", StepState.PENDING)) for n in range(OPEN_AT_MOST)]
    busy = [step_view("en", step(f"b{n}", StepState.RUNNING, "desk")) for n in range(OPEN_AT_MOST)]
    opened = {one.name: one.is_open for one in groups("en", quiet + busy, ["mail", "desk"], TITLES, Sort.ORDER)}
    assert opened == {"mail": False, "desk": True}
    more = [step_view("en", step("one more", StepState.RUNNING, "desk"))]
    assert not any(one.is_open for one in groups("en", quiet + busy + more, ["mail", "desk"], TITLES, Sort.ORDER))
    assert all(one.is_open for one in groups("en", views(), ["mail", "desk"], TITLES, Sort.ORDER))


def test_one_sign_for_many_steps_is_the_loudest() -> None:
    done = [step_view("en", step("a", StepState.SUCCEEDED))]
    assert loudest(groups("en", done, ["mail"], TITLES, Sort.ORDER)[0].counts).tone == "good"
    left = [*done, step_view("en", step("b", StepState.PENDING))]
    assert loudest(groups("en", left, ["mail"], TITLES, Sort.ORDER)[0].counts).tone == "quiet"


ALLOWED = {"mail": 3600.0, "desk": None}


def test_the_time_left_is_counted_from_the_start() -> None:
    steps = [step("a", StepState.SUCCEEDED, ended_at=1200.0), step("b", StepState.RUNNING)]
    (found,) = objectives(run(), steps, ALLOWED, TITLES)
    assert (found.title, found.ends, found.reached, found.is_late) == ("Mail", 4600.0, None, False)
    (before,) = objectives(run(started_at=None), steps, ALLOWED, TITLES)
    assert before.ends is None


@pytest.mark.parametrize(("ended", "late"), [(1200.0, False), (4600.0, False), (4601.0, True)])
def test_a_service_is_back_when_its_last_step_ended(ended: float, late: bool) -> None:
    steps = [step("a", StepState.SUCCEEDED, ended_at=1100.0), step("b", StepState.SUCCEEDED, ended_at=ended)]
    (found,) = objectives(run(), steps, ALLOWED, TITLES)
    assert (found.reached, found.is_late, found.outcome) == (ended, late, "reached")


@pytest.mark.parametrize("passed", [StepState.SKIPPED, StepState.TOLERATED])
def test_a_service_whose_steps_were_passed_over_is_not_said_to_be_back(passed: StepState) -> None:
    (moves,) = objectives(run(), [step("a", passed, ended_at=1.0), step("b", StepState.RUNNING)], ALLOWED, TITLES)
    (over,) = objectives(run(), [step("a", passed, ended_at=1.0), step("b", StepState.SUCCEEDED)], ALLOWED, TITLES)
    assert (moves.outcome, over.outcome) == ("left", "gaps")


@pytest.mark.parametrize(
    ("state", "done", "said"),
    [
        (StepState.SUCCEEDED, True, "done already"),
        (StepState.SKIPPED, False, "passed over by a person: not done"),
        (StepState.TOLERATED, False, "failed, and the run went on: not done"),
        (StepState.RUNNING, False, ""),
    ],
)
def test_on_paper_only_what_succeeded_is_ticked(state: StepState, done: bool, said: str) -> None:
    (found,) = procedure("en", [StepDetail(step("a", state), {}, ())], TITLES, str)
    assert (found.is_done, found.said) == (done, said)


def test_on_the_way_back_nothing_is_away() -> None:
    assert objectives(run(direction="failback"), [step("a", StepState.RUNNING)], ALLOWED, TITLES) == []
    assert run_view("en", run(state="undoing")).counting is False
    assert run_view("en", run()).counting is True


def test_of_many_that_wait_some_are_shown_and_the_others_counted() -> None:
    waits = [{"step": f"r/{n}", "cause": "failed"} for n in range(25)]
    view = run_view("fr", run(waits=waits))
    assert (len(view.waits), view.more) == (20, "5 autres attendent, dans la liste ci-dessous par état.")
    assert [way.href for way in view.waits[0].ways] == [
        "/runs/R/steps/r/0/do/retry", "/runs/R/steps/r/0/do/skip", "/runs/R/steps/r/0",
    ]  # fmt: skip
