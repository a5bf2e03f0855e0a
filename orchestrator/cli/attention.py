"""Who is waited for, in words; and how a run that is looked at counts as an exit code. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.cli.answers import RunAnswer, StepAnswer
from orchestrator.cli.exits import Exit
from orchestrator.cli.wording import counted, one_line
from orchestrator.domain.model import RunState, StepState
from orchestrator.web import attention as web
from orchestrator.web.words import Language, say

_MOVING = frozenset(
    {StepState.RUNNING, StepState.SETTLING, StepState.VERIFYING, StepState.UNDOING, StepState.UNDO_SETTLING}
)
DIGITS = 12
"""Of a digest: enough to name a plan."""
_NEXT = frozenset({StepState.READY, StepState.UNDO_READY})


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that a person must do. `step` is empty when it concerns the whole run.

    `who` is for programs and reads after the step's name; people are told `wait_words`. `commands` are what to type,
    the likeliest first.
    """

    step: str
    who: str
    commands: tuple[str, ...]
    told: web.Wait

    @property
    def troubled(self) -> bool:
        return self.told.troubled

    def as_json(self) -> dict[str, object]:
        return {"step": self.step, "who": self.who, "commands": self.commands, "troubled": self.troubled}


def waits(run: RunAnswer, steps: Iterable[StepAnswer]) -> list[Wait]:
    """Everything that people are waited for, the run itself first."""
    if run.ended:
        return []
    return [Wait(wait.step, _who(wait), _commands(run, wait), wait) for wait in web.waits_of(run, steps)]


def wait_words(language: Language, wait: Wait) -> str:
    """The same as the page says: who is waited for, who said yes already, the sheet, what went wrong."""
    told = wait.told
    parts = [say(language, f"wait.{_case(told)}", count=told.missing)]
    if told.given:
        parts.append(say(language, "wait.given", names=", ".join(one_line(name) for name in told.given)))
    if told.instructions:
        parts.append(say(language, "wait.sheet", sheet=one_line(told.instructions)))
    if told.message:
        parts.append(one_line(told.message))
    return " · ".join(parts)


def _case(wait: web.Wait) -> str:
    if wait.cause == "approval":
        return f"approval.{wait.role or 'approver'}"
    return f"task.{wait.role or 'operator'}" if wait.cause == "task" else wait.cause


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
    if any(wait.troubled for wait in waits(run, steps)):
        return Exit.FAILED
    return Exit.WAITS if stands_still(run, steps) else Exit.DONE


def by_person(step: StepAnswer) -> bool:
    """Whether the step waits at a hold point or for a task."""
    return step.state is StepState.WAITING and step.waits_for_what in ("approval", "task")


def _commands(run: RunAnswer, wait: web.Wait) -> tuple[str, ...]:
    """With a digest short enough for a line: `release` takes its first digits."""
    short = run.plan_digest.removeprefix("sha256:")[:DIGITS]
    return tuple(command.replace(run.plan_digest, short) for command in web.commands(run, wait))


def _who(wait: web.Wait) -> str:
    given = ", ".join(wait.given)
    sheet = f", {wait.instructions}" if wait.instructions else ""
    match wait.cause:
        case "release":
            more, by = ("more ", f"; {given} released it") if given else ("", "")
            return f"waits for {counted(wait.missing, f'{more}person', f'{more}people')} to release its plan{by}"
        case "paused":
            return "is paused"
        case "task":
            return f"waits for an {wait.role or 'operator'} to do the task{sheet}"
        case "approval":
            more, by = ("more ", f"; {given} said yes") if given else ("", "")
            return f"waits for {counted(wait.missing, f'{more}{wait.role}')} to say yes{sheet}{by}"
        case "held":
            return "is held: what it changes has moved since the plan"
        case "undo_failed":
            return "could not be taken back"
        case "unknown":
            return "is not known to have happened"
        case "failed":
            return "failed"
