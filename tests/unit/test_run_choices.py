"""What is offered of a run and its steps is what the journal's tables allow, and nothing else."""

import pytest

from orchestrator.domain.choices import RunChoice, StepChoice, run_choices, step_choices
from orchestrator.domain.journal import Event, IllegalTransition, RunEvent, RunView, StepEvent, StepView
from orchestrator.domain.journal import next_run as next_run_view
from orchestrator.domain.journal import next_step as next_step_view
from orchestrator.domain.model import RunState, StepState

RUN_EVENTS = {
    RunChoice.PAUSE: RunEvent.PAUSED,
    RunChoice.RESUME: RunEvent.RESUMED,
    RunChoice.CANCEL: RunEvent.CANCEL_REQUESTED,
    RunChoice.UNDO: RunEvent.UNDO_REQUESTED,
}


@pytest.mark.parametrize("state", list(RunState))
@pytest.mark.parametrize("paused", [True, False])
def test_a_run_s_choices_are_those_that_its_journal_takes(state: RunState, paused: bool) -> None:
    offered = run_choices(state, paused=paused)
    for choice, kind in RUN_EVENTS.items():
        taken = _takes_run(state, kind)
        if choice is RunChoice.PAUSE:
            taken = taken and not paused
        elif choice is RunChoice.RESUME:
            taken = taken and paused
        assert (choice in offered) is taken, choice


def _takes_run(state: RunState, kind: RunEvent) -> bool:
    try:
        next_run_view(RunView(state=state), Event(1, 0.0, kind.value, "olga"))
    except IllegalTransition:
        return False
    return True


def _takes(step: StepState, kind: StepEvent) -> bool:
    try:
        next_step_view(StepView(state=step), Event(1, 0.0, kind.value, "olga", "s", 2))
    except IllegalTransition:
        return False
    return True


@pytest.mark.parametrize("step", list(StepState))
def test_a_step_s_choices_are_those_that_its_journal_takes(step: StepState) -> None:
    forward = step_choices(RunState.RUNNING, step, "dns.records", None)
    assert (StepChoice.RETRY in forward) is _takes(step, StepEvent.RETRIED)
    assert (StepChoice.SKIP in forward) is _takes(step, StepEvent.SKIPPED)
    back = step_choices(RunState.UNDOING, step, "dns.records", None)
    assert (StepChoice.SKIP in back) is _takes(step, StepEvent.LEFT)
    assert (StepChoice.RETRY in back) is (step in (StepState.UNDO_FAILED, StepState.UNKNOWN))
    for ended in (RunState.SUCCEEDED, RunState.CANCELLED, RunState.CANCELLING, RunState.AWAITING_RELEASE):
        assert step_choices(ended, step, "dns.records", {"for": "task"}) == []


def test_a_hold_point_is_answered_and_never_skipped() -> None:
    asked = step_choices(RunState.RUNNING, StepState.WAITING, "human.approval", {"for": "approval"})
    assert asked == [StepChoice.ANSWER]
    refused = step_choices(RunState.RUNNING, StepState.FAILED, "human.approval", None)
    assert refused == [StepChoice.RETRY]
    task = step_choices(RunState.RUNNING, StepState.WAITING, "human.task", {"for": "task"})
    assert task == [StepChoice.ANSWER, StepChoice.SKIP]
    assert step_choices(RunState.RUNNING, StepState.WAITING, "wait.for", {"for": "time"}) == [StepChoice.SKIP]
