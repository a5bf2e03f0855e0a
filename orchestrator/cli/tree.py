"""The services of a run and their steps, in the order of the graph, on as many lines as there are. Pure.

Every state is said by a word and a sign; colour only repeats it. Where there are too few lines, what is over and what
is yet to come is counted; what went wrong, waits for people or moves stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from orchestrator.cli.answers import StepAnswer
from orchestrator.cli.objectives import Objective
from orchestrator.cli.wording import one_line, short_step
from orchestrator.domain.model import StepState
from orchestrator.web.times import clock, duration
from orchestrator.web.words import Language, say

S = StepState

SIGNS: Mapping[StepState, tuple[str, str]] = {
    S.PENDING: ("·", "dim"),
    S.READY: ("○", ""),
    S.RUNNING: ("▶", "cyan"),
    S.SETTLING: ("…", "cyan"),
    S.VERIFYING: ("?", "cyan"),
    S.WAITING: ("■", "bold yellow"),
    S.SUCCEEDED: ("✔", "green"),
    S.SKIPPED: ("»", "yellow"),
    S.TOLERATED: ("~", "yellow"),
    S.CANCELLED: ("–", "dim"),
    S.FAILED: ("✘", "bold red"),
    S.HELD: ("!", "bold red"),
    S.UNKNOWN: ("!", "bold red"),
    S.UNDO_READY: ("○", ""),
    S.UNDOING: ("◀", "cyan"),
    S.UNDO_SETTLING: ("…", "cyan"),
    S.UNDONE: ("↶", "green"),
    S.UNDO_FAILED: ("✘", "bold red"),
    S.LEFT: ("»", "yellow"),
}
"""State: its sign and its style. Its word is `step.…` in the catalogues, as on the page."""

FINISHED = frozenset({S.SUCCEEDED, S.SKIPPED, S.TOLERATED, S.UNDONE, S.LEFT})
"""States of steps that nothing is left to do for."""
_TROUBLE = frozenset({S.FAILED, S.HELD, S.UNKNOWN, S.UNDO_FAILED})
_QUIET = frozenset({S.PENDING, S.SUCCEEDED, S.UNDONE, S.CANCELLED})
"""States that a crowded picture counts instead of showing."""
_TIMED = frozenset(S) - {S.PENDING, S.READY, S.CANCELLED, S.SKIPPED, S.LEFT, S.UNDO_READY}

NARROW = 60
"""Columns below which a row has no room for what a step says."""
INDENT = 2


class Urgency(IntEnum):
    """What goes first where not all has room."""

    TROUBLE = 0
    WAITS = 1
    MOVES = 2
    NEXT = 3
    ODD = 4
    LATER = 5
    OVER = 6


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the run with its steps, in the order of the graph."""

    name: str
    steps: Sequence[StepAnswer]
    urgency: Urgency
    done: int

    @property
    def over(self) -> bool:
        return self.done == len(self.steps)

    @property
    def to_come(self) -> bool:
        return all(step.state is S.PENDING for step in self.steps)


@dataclass(frozen=True, slots=True)
class Look:
    """How the tree is drawn. `now`: seconds since the epoch, UTC; `width`: columns.

    `said`: each step's last line of output; `objectives`: by service.
    """

    language: Language
    now: float
    width: int
    said: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    objectives: Mapping[str, Objective] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class _Line:
    text: Text
    urgency: Urgency


def tree(steps: Sequence[StepAnswer], look: Look, room: int = 0) -> list[Text]:
    """At most `room` lines, the less urgent ones counted where not all have one; 0: as many as there are."""
    services = services_of(steps)
    columns = _columns(steps, look.width)
    for hide_over, quietly, gathered in (
        (False, False, False),
        (True, False, False),
        (True, True, False),
        (True, True, True),
    ):
        lines = list(_lines(services, look, columns, hide_over=hide_over, quietly=quietly, gathered=gathered))
        if not room or len(lines) <= room:
            return [line.text for line in lines]
    return _most_urgent(lines, look, room)


def services_of(steps: Sequence[StepAnswer]) -> list[Service]:
    """In the order in which the graph comes to them; what is rescued first stands with the rest of its service."""
    found: dict[str, list[StepAnswer]] = {}
    for step in steps:
        found.setdefault(step.service, []).append(step)
    return [
        Service(
            name,
            members,
            min(urgency_of(step.state) for step in members),
            sum(1 for step in members if step.state in FINISHED),
        )
        for name, members in found.items()
    ]


def urgency_of(state: StepState) -> Urgency:
    if state in _TROUBLE:
        return Urgency.TROUBLE
    if state is S.WAITING:
        return Urgency.WAITS
    if state in (S.READY, S.UNDO_READY):
        return Urgency.NEXT
    if state in (S.SKIPPED, S.TOLERATED, S.LEFT):
        return Urgency.ODD
    if state is S.PENDING:
        return Urgency.LATER
    return Urgency.OVER if state in _QUIET else Urgency.MOVES


def state_words(language: Language, step: StepAnswer) -> str:
    """`running, try 2`."""
    word = say(language, f"step.{step.state.value}")
    return f"{word}, {say(language, 'note.try', number=step.attempt)}" if step.attempt > 1 else word


def times(language: Language, step: StepAnswer, now: float) -> str:
    """What it took; while it runs, against what is expected."""
    if step.started_at is None or step.state not in _TIMED:
        return ""
    if step.ended_at is not None:
        return duration(step.ended_at - step.started_at, language)
    about = f" / {duration(step.expect, language)}" if step.expect else ""
    return f"{duration(now - step.started_at, language)}{about}"


def note(language: Language, step: StepAnswer, said: str = "", now: float = 0.0) -> str:
    """What it says, or what it waits for; of a step that says nothing, what it is."""
    told = _note(language, step, said)
    runs = step.state in (S.RUNNING, S.SETTLING, S.VERIFYING) and step.started_at is not None and step.ended_at is None
    if runs and step.expect and now - (step.started_at or now) > step.expect:
        late = say(language, "note.over")
        return f"{late} · {told}" if told else late
    return told


def _note(language: Language, step: StepAnswer, said: str) -> str:
    if step.state in (S.READY, S.UNDO_READY):
        if step.wake_at and step.attempt > 1:
            return say(language, "note.again", at=clock(step.wake_at))
        return one_line(step.message) if step.attempt > 1 else ""
    if step.message:
        return one_line(step.message)
    if said and step.state in (S.RUNNING, S.UNDOING):
        return one_line(said)
    if step.state is S.WAITING:
        return _awaited(language, step)
    return one_line((step.title or {}).get(language, ""))


def _awaited(language: Language, step: StepAnswer) -> str:
    if step.waits_for_what != "time":
        return say(language, "cli.watch.person")
    return say(language, "note.until", at=clock(step.wake_at)) if step.wake_at else say(language, "cli.watch.time")


def fitted(text: Text, width: int) -> Text:
    """On one line of this width: what is longer is cut, and says so."""
    text.truncate(max(width, 1), overflow="ellipsis")
    return text


@dataclass(frozen=True, slots=True)
class _Columns:
    name: int
    state: int
    time: int


def _columns(steps: Sequence[StepAnswer], width: int) -> _Columns:
    """The least widths keep the picture from trembling while it changes."""
    longest = max((cell_len(short_step(step.id)) for step in steps), default=0)
    return _Columns(name=min(max(longest, 12), max(width // 3, 12)), state=16, time=15)


def _lines(
    services: Sequence[Service], look: Look, columns: _Columns, *, hide_over: bool, quietly: bool, gathered: bool
) -> "list[_Line]":
    found: list[_Line] = []
    over = [one for one in services if gathered and one.over]
    later = [one for one in services if gathered and one.to_come]
    if len(over) > 1:
        found.append(_Line(_gathered(over, look, S.SUCCEEDED, "cli.watch.over"), Urgency.OVER))
    for one in services:
        if (len(over) > 1 and one.over) or (len(later) > 1 and one.to_come):
            continue
        found.append(_Line(_heading(one, look), one.urgency))
        if hide_over and one.over:
            continue
        shown = [step for step in one.steps if not quietly or step.state not in _QUIET]
        found += [_Line(_row(step, look, columns), urgency_of(step.state)) for step in shown]
    if len(later) > 1:
        found.append(_Line(_gathered(later, look, S.PENDING, "cli.watch.later"), Urgency.LATER))
    return found


def _most_urgent(lines: Sequence[_Line], look: Look, room: int) -> list[Text]:
    kept = sorted(range(len(lines)), key=lambda at: (lines[at].urgency, at))[: max(room - 1, 0)]
    left = say(look.language, "cli.watch.more", count=len(lines) - len(kept))
    return [lines[at].text for at in sorted(kept)] + [fitted(Text(f"… {left}", style="dim"), look.width)]


def _heading(one: Service, look: Look) -> Text:
    sign, style = _service_sign(one)
    text = Text(f"{sign} ", style=style)
    text.append(one.name, style="bold default not dim")
    text.append(f"  {one.done}/{len(one.steps)}", style="dim default not bold")
    objective = look.objectives.get(one.name)
    if objective is not None:
        text.append("  ")
        text.append(objective.words(look.language), style=f"{objective.style} not dim")
    return fitted(text, look.width)


def _service_sign(one: Service) -> tuple[str, str]:
    if one.over:
        return SIGNS[S.UNDONE if all(step.state is S.UNDONE for step in one.steps) else S.SUCCEEDED]
    worst = min(one.steps, key=lambda step: urgency_of(step.state))
    begun = S.READY if worst.state is S.PENDING and one.done else worst.state
    return SIGNS[begun]


def _gathered(services: Sequence[Service], look: Look, state: StepState, key: str) -> Text:
    """Services on one line, with the objective that is the nearest."""
    sign, style = SIGNS[state]
    steps = sum(len(one.steps) for one in services)
    text = Text(f"{sign} ", style=style)
    text.append(say(look.language, key, count=len(services), steps=steps), style="bold default not dim")
    running = [look.objectives[one.name] for one in services if one.name in look.objectives]
    nearest = min((one for one in running if one.counts), key=lambda one: one.left, default=None)
    if nearest is not None:
        text.append(f"  {nearest.service}: {nearest.words(look.language)}", style=f"{nearest.style} not dim not bold")
    return fitted(text, look.width)


def _row(step: StepAnswer, look: Look, columns: _Columns) -> Text:
    sign, style = SIGNS[step.state]
    state, time = state_words(look.language, step), times(look.language, step, look.now)
    text = Text(f"{'':{INDENT}}{sign} ", style=style)
    name = short_step(step.id)
    if look.width < NARROW:
        room = max(look.width - INDENT - 2 - cell_len(state) - 1, 8)
        text.append(_cut(name, room).rstrip(), style="default not dim not bold")
        text.append(f" {state}")
        text.append(f" {time}" if time else "", style="default not bold")
        return fitted(text, look.width)
    text.append(_cut(name, columns.name), style="default not dim not bold")
    text.append(f" {_padded(state, columns.state)}")
    text.append(f" {_padded(time, columns.time)}", style="default not dim not bold")
    text.append(f" {note(look.language, step, look.said.get(step.id, ''), look.now)}", style="dim default not bold")
    text.rstrip()
    return fitted(text, look.width)


def _cut(text: str, width: int) -> str:
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _padded(text: str, width: int) -> str:
    """At least that wide: a word is never cut."""
    return text + " " * max(width - cell_len(text), 0)
