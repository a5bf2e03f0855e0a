"""What the page shows of a run, in the reader's language. The first picture and the live ones are made here alike."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from pydantic import BaseModel

from orchestrator.domain.choices import RunChoice, StepChoice, run_choices, step_choices
from orchestrator.domain.halt import Halted
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.model import DONE_FORWARD, ENDED_RUN, RunState, StepState
from orchestrator.domain.people.role import Permission, Role
from orchestrator.web.api.answers import LogLine, RunAnswer, RunColumns, StepAnswer
from orchestrator.web.attention import Wait, commands
from orchestrator.web.live import HaltNow, Said
from orchestrator.web.pages.text import clean, short
from orchestrator.web.times import clock, moment
from orchestrator.web.words import Language, say

S, R = StepState, RunState

STEP_LOOKS: Mapping[StepState, tuple[str, str]] = MappingProxyType(
    {
        S.PENDING: ("later", "quiet"),
        S.READY: ("next", "quiet"),
        S.RUNNING: ("moving", "moving"),
        S.SETTLING: ("moving", "moving"),
        S.VERIFYING: ("check", "moving"),
        S.WAITING: ("waits", "waits"),
        S.SUCCEEDED: ("done", "good"),
        S.SKIPPED: ("skipped", "odd"),
        S.TOLERATED: ("skipped", "odd"),
        S.CANCELLED: ("stopped", "quiet"),
        S.FAILED: ("failed", "bad"),
        S.HELD: ("decide", "bad"),
        S.UNKNOWN: ("decide", "bad"),
        S.UNDO_READY: ("next", "quiet"),
        S.UNDOING: ("back", "moving"),
        S.UNDO_SETTLING: ("back", "moving"),
        S.UNDONE: ("back", "good"),
        S.UNDO_FAILED: ("failed", "bad"),
        S.LEFT: ("skipped", "odd"),
    }
)
"""State: its icon and its tone. The word beside them says the same."""

RUN_LOOKS: Mapping[RunState, tuple[str, str]] = MappingProxyType(
    {
        R.AWAITING_RELEASE: ("waits", "waits"),
        R.RUNNING: ("moving", "moving"),
        R.CANCELLING: ("stopped", "moving"),
        R.UNDO_REQUESTED: ("back", "moving"),
        R.UNDOING: ("back", "moving"),
        R.SUCCEEDED: ("done", "good"),
        R.INCOMPLETE: ("skipped", "odd"),
        R.CANCELLED: ("stopped", "odd"),
        R.UNDONE: ("back", "good"),
        R.PARTLY_UNDONE: ("skipped", "odd"),
    }
)

_MOVING = (S.READY, S.RUNNING, S.SETTLING, S.VERIFYING, S.UNDO_READY, S.UNDOING, S.UNDO_SETTLING)
_TIMED = frozenset({S.RUNNING, S.SETTLING, S.VERIFYING, S.WAITING, S.UNDOING, S.UNDO_SETTLING, S.FAILED, S.HELD})
_TIMED |= {S.SUCCEEDED, S.TOLERATED, S.UNKNOWN}
_WAYS_BACK = frozenset({R.UNDOING, R.UNDONE, R.PARTLY_UNDONE})
_OBJECTIVES_COUNT = frozenset({R.AWAITING_RELEASE, R.RUNNING, R.SUCCEEDED, R.INCOMPLETE})
MOST_OF_A_VALUE = 600
"""Characters of what a step was told, of one name."""
WAITS_SHOWN = 20
"""Things that wait for people, of those that a page shows one by one."""


class WayOn(BaseModel):
    """Where people do something about what waits for them. `needs`: the permission that it is offered with."""

    href: str
    label: str
    needs: str


class WaitView(BaseModel):
    icon: str
    tone: str
    title: str
    step: str
    detail: str
    message: str
    commands: list[str]
    ways: list[WayOn]

    @property
    def link(self) -> str:
        """Where people answer it on a page of its own; empty where they decide something else."""
        first = self.ways[0].href
        return first if first.startswith("/approve/") else ""


class RunView(BaseModel):
    """The run's head. Times are seconds since the epoch; `since` is absent before it starts, `until` before it ends.

    `can`: what may be decided about it now. `counting`: whether its services' objectives still count.
    """

    icon: str
    word: str
    tone: str
    summary: str
    message: str
    done: int
    total: int
    since: float | None
    until: float | None
    waits: list[WaitView]
    more: str
    """What is said of those that wait for people and are not shown."""
    can: list[RunChoice]
    counting: bool
    state: RunState


class StepView(BaseModel):
    """One row. `since` is absent where no time is shown. `number`: its place in the plan, from 1.

    `can`: what may be decided about it now, in a run that goes on; `back`: in one that is being undone.
    """

    id: str
    number: int
    service: str
    name: str
    icon: str
    word: str
    tone: str
    note: str
    message: str
    since: float | None
    until: float | None
    expect: float
    can: list[StepChoice]
    back: list[StepChoice]


class HaltView(BaseModel):
    """Whether everything is halted; `why` is empty where it is not."""

    halted: bool
    why: str


class Pair(NamedTuple):
    name: str
    value: str


class LineView(BaseModel):
    id: int
    step: str
    at: str
    text: str


def run_look(language: Language, run: RunColumns, waits: list[Wait], counts: Mapping[str, int]) -> tuple[str, str, str]:
    """Icon, word and tone of a run; a run that only people can bring further says so."""
    icon, tone = RUN_LOOKS[run.state]
    if run.state in ENDED_RUN or run.state is R.AWAITING_RELEASE:
        return icon, say(language, f"run.{run.state.value}"), tone
    if any(wait.troubled for wait in waits):
        return "decide", say(language, "run.trouble"), "bad"
    if run.paused:
        return "paused", say(language, "run.paused"), "waits"
    if waits and not any(counts.get(state.value) for state in _MOVING):
        return "waits", say(language, "run.attention"), "waits"
    return icon, say(language, f"run.{run.state.value}"), tone


def run_view(language: Language, run: RunAnswer) -> RunView:
    icon, word, tone = run_look(language, run, run.waits, run.step_counts)
    done, total = _counted(run)
    return RunView(
        icon=icon,
        word=word,
        tone=tone,
        summary=_summary(language, run, done, total),
        message=clean(run.message),
        done=done,
        total=total,
        since=run.started_at,
        until=run.ended_at,
        waits=[_wait_view(language, run, wait) for wait in run.waits[:WAITS_SHOWN]],
        more=say(language, "wait.more", count=len(run.waits) - WAITS_SHOWN) if len(run.waits) > WAITS_SHOWN else "",
        can=run_choices(run.state, paused=run.paused),
        counting=run.state in _OBJECTIVES_COUNT,
        state=run.state,
    )


def step_view(language: Language, step: StepAnswer) -> StepView:
    icon, tone = STEP_LOOKS[step.state]
    timed = step.state in _TIMED
    return StepView(
        id=step.id,
        number=step.ordinal + 1,
        service=step.service,
        name=step_name(language, step),
        icon=icon,
        word=say(language, f"step.{step.state.value}"),
        tone=tone,
        note=_note(language, step),
        message=clean(step.message),
        since=step.started_at if timed else None,
        until=step.ended_at if timed else None,
        expect=step.expect,
        can=step_choices(R.RUNNING, step.state, step.uses, step.waits_for),
        back=step_choices(R.UNDOING, step.state, step.uses, step.waits_for),
    )


def line_view(line: LogLine) -> LineView:
    return LineView(id=line.id, step=line.step, at=clock(line.at), text=clean(line.text))


def said_inputs(values: Mapping[str, Any]) -> list[Pair]:
    """What a step was told, or handed out, as it may stand on a page: long values are cut."""
    return [Pair(clean(str(name)), _said(value)) for name, value in values.items() if value not in (None, "", [], {})]


def _said(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return clean(text if len(text) <= MOST_OF_A_VALUE else f"{text[:MOST_OF_A_VALUE]}…")


def halt_view(language: Language, halted: Halted | None) -> HaltView:
    if halted is None:
        return HaltView(halted=False, why="")
    by, at, reason = clean(halted.by), moment(language, halted.at), clean(halted.reason)
    return HaltView(halted=True, why=say(language, "halt.why", by=by, at=at, reason=reason))


def as_page_json(language: Language, said: Said) -> str:
    """What the page's script is sent."""
    if isinstance(said, HaltNow):
        return halt_view(language, said.halted).model_dump_json()
    if isinstance(said, LogLine):
        return line_view(said).model_dump_json()
    view = step_view(language, said) if isinstance(said, StepAnswer) else run_view(language, said)
    return view.model_dump_json()


def _counted(run: RunAnswer) -> tuple[int, int]:
    counts = run.step_counts
    if run.state in _WAYS_BACK:
        done = counts.get(S.UNDONE, 0) + counts.get(S.LEFT, 0)
        return done, done + run.undo_remaining
    return sum(counts.get(state.value, 0) for state in DONE_FORWARD), sum(counts.values())


def _summary(language: Language, run: RunAnswer, done: int, total: int) -> str:
    key = "sum.undone" if run.state in _WAYS_BACK else "sum.steps"
    parts = [say(language, key, done=done, total=total)]
    if run.waits:
        parts.append(say(language, "sum.waits", count=len(run.waits)))
    return f"{', '.join(parts)}."


def _wait_view(language: Language, run: RunAnswer, wait: Wait) -> WaitView:
    detail = []
    if wait.given:
        detail.append(say(language, "wait.given", names=", ".join(clean(name) for name in wait.given)))
    if wait.instructions:
        detail.append(say(language, "wait.sheet", sheet=clean(wait.instructions)))
    return WaitView(
        icon="decide" if wait.troubled else ("paused" if wait.cause == "paused" else "waits"),
        tone="bad" if wait.troubled else "waits",
        title=say(language, f"wait.{_case(wait)}", count=wait.missing),
        step=wait.step,
        detail=" · ".join(detail),
        message=clean(wait.message),
        commands=commands(run, wait),
        ways=_ways(language, run, wait),
    )


def _ways(language: Language, run: RunAnswer, wait: Wait) -> list[WayOn]:
    """What the person who is waited for can do, the likeliest first."""
    at = step_path(run.id, wait.step)
    if wait.cause == "release":
        href, needs = f"/approve/run/{quote(run.id)}", Permission.APPROVE
        return [WayOn(href=href, label=say(language, "do.release"), needs=needs)]
    if wait.cause == "paused":
        return [
            WayOn(href=run_action_path(run.id, "resume"), label=say(language, "do.resume"), needs=Permission.OPERATE)
        ]
    if wait.cause in ("approval", "task"):
        href = f"/approve/step/{quote(run.id)}/{quote(wait.step)}"
        roles = {"": Role.APPROVER if wait.cause == "approval" else Role.OPERATOR}
        needs = _ASKED.get(roles.get(wait.role, wait.role), Permission.LOOK)
        return [WayOn(href=href, label=say(language, f"do.answer.{wait.cause}"), needs=needs)]
    skip = "do.leave" if run.state is R.UNDOING else "do.skip"
    return [
        WayOn(href=f"{at}/do/retry", label=say(language, "do.retry"), needs=Permission.OPERATE),
        WayOn(href=f"{at}/do/skip", label=say(language, skip), needs=Permission.OPERATE),
        WayOn(href=at, label=say(language, "do.look"), needs=Permission.LOOK),
    ]


_ASKED: Mapping[str, Permission] = {Role.APPROVER: Permission.APPROVE, Role.OPERATOR: Permission.OPERATE}
"""The role that a hold point names, and what shows that somebody has it."""


def run_path(run_id: str) -> str:
    return f"/runs/{quote(run_id)}"


def run_action_path(run_id: str, action: str) -> str:
    return f"{run_path(run_id)}/do/{action}"


def step_path(run_id: str, step_id: str) -> str:
    return f"{run_path(run_id)}/steps/{quote(step_id)}"


def _case(wait: Wait) -> str:
    if wait.cause == "approval":
        return f"approval.{wait.role or 'approver'}"
    if wait.cause == "task":
        return f"task.{wait.role or 'operator'}"
    return wait.cause


def step_name(language: Language, step: StepAnswer) -> str:
    if step.title and step.title.get(language):
        return step.title[language]
    kind = KINDS.get(step.uses)
    return str(getattr(kind.words, language)) if kind is not None else step.uses


def _note(language: Language, step: StepAnswer) -> str:
    parts = []
    if step.attempt > 1 and step.state is not S.SUCCEEDED:
        parts.append(say(language, "note.try", number=step.attempt))
    if step.state is S.PENDING and step.needs:
        parts.append(say(language, "note.after", needs=", ".join(short(need) for need in step.needs)))
    elif step.state in (S.READY, S.UNDO_READY) and step.wake_at:
        parts.append(say(language, "note.again", at=clock(step.wake_at)))
    elif step.state is S.WAITING and step.wake_at and (step.waits_for or {}).get("for") == "time":
        parts.append(say(language, "note.until", at=clock(step.wake_at)))
    return " · ".join(parts)
