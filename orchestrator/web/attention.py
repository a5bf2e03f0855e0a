"""Who is waited for, and what they can type. Pure."""

import shlex
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

from pydantic import BaseModel, Field

from orchestrator.domain.model import RunState, StepState

Cause = Literal["release", "paused", "approval", "task", "failed", "held", "unknown", "undo_failed"]

_BY_PERSON = ("approval", "task")
_TROUBLE = {
    RunState.RUNNING: frozenset({StepState.FAILED, StepState.HELD, StepState.UNKNOWN}),
    RunState.UNDO_REQUESTED: frozenset({StepState.UNKNOWN}),
    RunState.UNDOING: frozenset({StepState.UNKNOWN, StepState.UNDO_FAILED}),
}
LOOKED_AT = (StepState.WAITING, StepState.FAILED, StepState.HELD, StepState.UNKNOWN, StepState.UNDO_FAILED)
"""States that a step may wait for people in."""


class Wait(BaseModel):
    """One thing that people must do. `step` is empty where it concerns the whole run.

    For hold points: `count` people of the role are needed, `given` said yes.
    """

    step: str = ""
    cause: Cause
    role: str = ""
    count: int = 1
    given: list[str] = Field(default_factory=list)
    instructions: str | None = None
    message: str = ""

    @property
    def missing(self) -> int:
        return max(self.count - len(self.given), 0)

    @property
    def troubled(self) -> bool:
        return self.cause in ("failed", "held", "unknown", "undo_failed")


class _Run(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def plan_digest(self) -> str: ...
    @property
    def state(self) -> RunState: ...
    @property
    def paused(self) -> bool: ...
    @property
    def releases_needed(self) -> int: ...
    @property
    def releases(self) -> Sequence[str]: ...


def waits_of(run: _Run, steps: Iterable[Any]) -> list[Wait]:
    """Everything that people are waited for, the run itself first. `steps`: rows, at least those in LOOKED_AT."""
    found: list[Wait] = []
    if run.state is RunState.AWAITING_RELEASE:
        found.append(Wait(cause="release", count=run.releases_needed, given=list(run.releases)))
    elif run.paused:
        found.append(Wait(cause="paused"))
    for step in steps:
        state, waits_for = StepState(step.state), step.waits_for or {}
        if state in _TROUBLE.get(run.state, ()):
            found.append(Wait.model_validate({"step": step.step_id, "cause": state.value, "message": step.message}))
        elif run.state is RunState.RUNNING and state is StepState.WAITING and waits_for.get("for") in _BY_PERSON:
            found.append(_hold_point(step.step_id, waits_for))
    return found


def _hold_point(step_id: str, waits_for: dict[str, Any]) -> Wait:
    said = {name: waits_for[name] for name in ("role", "count", "given", "instructions") if name in waits_for}
    return Wait.model_validate({"step": step_id, "cause": waits_for["for"], **said})


def commands(run: _Run, wait: Wait) -> list[str]:
    """What can be typed about it, the likeliest first. Capitals stand for what the person fills in."""
    target = shlex.join([run.id, wait.step])
    undo = f"bascule undo {run.id} --reason WHY"
    skip = f"bascule skip {target} --reason WHY"
    if wait.cause == "release":
        return [f"bascule release {run.id} {run.plan_digest}", f"bascule cancel {run.id} --reason WHY"]
    if wait.cause == "paused":
        return [f"bascule resume {run.id}", undo] if run.state is RunState.RUNNING else [f"bascule resume {run.id}"]
    if wait.cause in _BY_PERSON:
        who = " --as NAME" if run.mode == "rehearsal" else ""
        return [f"bascule approve {target}{who}", f"bascule reject {target}{who} --reason WHY"]
    if wait.cause == "held":
        return [f"bascule retry {target} --accept-drift", skip, undo]
    if run.state is RunState.RUNNING:
        return [f"bascule retry {target}", skip, undo]
    return [f"bascule retry {target}", skip]
