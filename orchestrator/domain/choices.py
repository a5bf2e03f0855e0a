"""What people can decide about a run and its steps as they stand. Pure.

Nothing but the tables of the journal and the rules of `operations/decisions`: what is named here is possible, and what
is not named here is refused. Who may do it, and whether everything is halted, is asked elsewhere.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from orchestrator.domain.journal import RUN_TABLE, STEP_TABLE, RunEvent, StepEvent
from orchestrator.domain.model import RunState, StepState

BY_PEOPLE = frozenset({"approval", "task"})
"""What a step waits for when it waits for people."""


class RunChoice(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    UNDO = "undo"


class StepChoice(StrEnum):
    ANSWER = "answer"
    """Yes or no at a hold point, or that a task is done."""
    RETRY = "retry"
    SKIP = "skip"
    """During an undo: leave its effect in place."""


BEGINS_EFFECTS = frozenset({RunChoice.RESUME, RunChoice.UNDO, StepChoice.RETRY})
"""What the kill switch refuses while it is engaged."""


def run_choices(state: RunState, *, paused: bool) -> list[RunChoice]:
    """In the order in which they are offered: what is harmless first."""
    possible = {event for at, event in RUN_TABLE if at is state}
    pauses = RunEvent.PAUSED in possible
    found = {
        RunChoice.PAUSE: pauses and not paused,
        RunChoice.RESUME: pauses and paused,
        RunChoice.CANCEL: RunEvent.CANCEL_REQUESTED in possible,
        RunChoice.UNDO: RunEvent.UNDO_REQUESTED in possible,
    }
    return [choice for choice, is_possible in found.items() if is_possible]


def step_choices(run: RunState, step: StepState, uses: str, waits_for: Mapping[str, Any] | None) -> list[StepChoice]:
    """What may be decided about a step of a run in this state."""
    if run is RunState.UNDOING:
        goes_back = step in (StepState.UNDO_FAILED, StepState.UNKNOWN)
        leaves = (step, StepEvent.LEFT) in STEP_TABLE
        return [StepChoice.RETRY] * goes_back + [StepChoice.SKIP] * leaves
    if run is not RunState.RUNNING:
        return []
    answers = step is StepState.WAITING and (waits_for or {}).get("for") in BY_PEOPLE
    retries = (step, StepEvent.RETRIED) in STEP_TABLE
    skips = (step, StepEvent.SKIPPED) in STEP_TABLE and uses != "human.approval"
    return [StepChoice.ANSWER] * answers + [StepChoice.RETRY] * retries + [StepChoice.SKIP] * skips
