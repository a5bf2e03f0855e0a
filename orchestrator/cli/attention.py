"""Who is waited for, what they can type, and how a run that is looked at counts as an exit code. Pure."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.cli.answers import RunAnswer, StepAnswer
from orchestrator.cli.exits import Exit
from orchestrator.cli.wording import counted
from orchestrator.domain.model import RunState, StepState

_MOVING = frozenset(
    {StepState.RUNNING, StepState.SETTLING, StepState.VERIFYING, StepState.UNDOING, StepState.UNDO_SETTLING}
)
_NEXT = frozenset({StepState.READY, StepState.UNDO_READY})
_GOING_BACK = frozenset({RunState.UNDO_REQUESTED, RunState.UNDOING})
_TROUBLE = {
    RunState.RUNNING: frozenset({StepState.FAILED, StepState.HELD, StepState.UNKNOWN}),
    RunState.UNDO_REQUESTED: frozenset({StepState.UNKNOWN}),
    RunState.UNDOING: frozenset({StepState.UNKNOWN, StepState.UNDO_FAILED}),
}


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that a person must do. `step` is empty when it concerns the whole run.

    `who` reads after the step's name, `commands` are what to type, the likeliest first.
    """

    step: str
    who: str
    commands: tuple[str, ...]
    troubled: bool = False


def waits(run: RunAnswer, steps: Iterable[StepAnswer]) -> list[Wait]:
    """Everything that people are waited for, the run itself first."""
    found = list(_run_waits(run))
    for step in steps:
        if run.ended:
            break
        if run.state is RunState.RUNNING and by_person(step):
            found.append(_hold_point(run, step))
        elif step.state in _TROUBLE.get(run.state, ()):
            found.append(_decision(run, step))
    return found


def moves(run: RunAnswer, steps: Iterable[StepAnswer]) -> bool:
    """Whether something goes on without anybody doing anything."""
    if run.ended or run.state is RunState.AWAITING_RELEASE:
        return False
    states = {step.state for step in steps if not by_person(step)}
    if states & _MOVING or run.state in (RunState.CANCELLING, RunState.UNDO_REQUESTED):
        return True
    return not run.paused and bool(states & (_NEXT | {StepState.WAITING}))


def stands_still(run: RunAnswer, steps: Sequence[StepAnswer]) -> bool:
    """Only people can bring it further."""
    return not run.ended and not moves(run, steps) and bool(waits(run, steps))


def verdict(run: RunAnswer, steps: Sequence[StepAnswer], wanted: frozenset[RunState]) -> Exit:
    """The exit code for a run that ended or stands still: `wanted` are the ends that count as done."""
    if run.ended:
        return Exit.DONE if run.state in wanted else Exit.FAILED
    found = waits(run, steps)
    if any(wait.troubled for wait in found):
        return Exit.FAILED
    return Exit.WAITS if stands_still(run, steps) else Exit.DONE


def by_person(step: StepAnswer) -> bool:
    """Whether the step waits at a hold point or for a task."""
    waits_for = step.waits_for
    return step.state is StepState.WAITING and waits_for is not None and waits_for.what in ("approval", "task")


def _run_waits(run: RunAnswer) -> Iterable[Wait]:
    if run.state is RunState.AWAITING_RELEASE:
        missing = run.releases_needed - len(run.releases)
        given = f" ({', '.join(run.releases)} released it)" if run.releases else ""
        who = f"waits for {counted(missing, 'more person', 'more people')} to release its plan{given}"
        yield Wait("", who, (f"bascule release {run.id} {run.plan_digest} --as NAME",))
    elif run.paused and not run.ended:
        yield Wait("", "is paused", (f"bascule resume {run.id}",))


def _hold_point(run: RunAnswer, step: StepAnswer) -> Wait:
    waits_for = step.waits_for
    assert waits_for is not None
    sheet = f", {waits_for.instructions}" if waits_for.instructions else ""
    if waits_for.what == "task":
        who = f"waits for an {waits_for.role or 'operator'} to do the task{sheet}"
    else:
        missing = waits_for.count - len(waits_for.given)
        given = f"; {', '.join(waits_for.given)} said yes" if waits_for.given else ""
        who = f"waits for {counted(missing, waits_for.role or 'approver')} to say yes{given}{sheet}"
    return Wait(step.id, who, (f"bascule approve {_target(run, step)} --as NAME",))


def _decision(run: RunAnswer, step: StepAnswer) -> Wait:
    target = _target(run, step)
    skip = f"bascule skip {target} --reason WHY"
    if run.state in _GOING_BACK:
        who = "could not be taken back" if step.state is StepState.UNDO_FAILED else "is not known to have happened"
        return Wait(step.id, who, (f"bascule retry {target}", skip), troubled=True)
    undo = f"bascule undo {run.id} --reason WHY"
    if step.state is StepState.HELD:
        who = "is held: what it changes has moved since the plan"
        return Wait(step.id, who, (f"bascule retry {target} --accept-drift", skip, undo), troubled=True)
    who = "failed" if step.state is StepState.FAILED else "is not known to have happened"
    return Wait(step.id, who, (f"bascule retry {target}", skip, undo), troubled=True)


def _target(run: RunAnswer, step: StepAnswer) -> str:
    return shlex.join([run.id, step.id])
