"""A run as a picture: services and their steps with state, attempt and time, and what waits for whom.

Every state is said by a word and a sign; colour only repeats it.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.cli.answers import RunAnswer, StepAnswer
from orchestrator.cli.attention import Wait, waits
from orchestrator.cli.wording import counted, duration, one_line, short_step
from orchestrator.domain.model import ENDED_RUN, RunState, StepState

S = StepState

SIGNS: Mapping[StepState, tuple[str, str, str]] = {
    S.PENDING: ("·", "pending", "dim"),
    S.READY: ("○", "next", ""),
    S.RUNNING: ("▶", "running", "cyan"),
    S.SETTLING: ("…", "settling", "cyan"),
    S.VERIFYING: ("?", "verifying", "cyan"),
    S.WAITING: ("■", "waiting", "bold yellow"),
    S.SUCCEEDED: ("✔", "done", "green"),
    S.SKIPPED: ("»", "skipped", "yellow"),
    S.TOLERATED: ("~", "tolerated", "yellow"),
    S.CANCELLED: ("–", "cancelled", "dim"),
    S.FAILED: ("✘", "failed", "bold red"),
    S.HELD: ("!", "held", "bold red"),
    S.UNKNOWN: ("!", "unknown", "bold red"),
    S.UNDO_READY: ("○", "undo next", ""),
    S.UNDOING: ("◀", "undoing", "cyan"),
    S.UNDO_SETTLING: ("…", "undoing", "cyan"),
    S.UNDONE: ("↶", "undone", "green"),
    S.UNDO_FAILED: ("✘", "undo failed", "bold red"),
    S.LEFT: ("»", "left", "yellow"),
}
"""State: its sign, its word, its style."""

_QUIET = frozenset({S.PENDING, S.SUCCEEDED, S.UNDONE, S.CANCELLED})
"""States that a crowded picture counts instead of showing."""
FINISHED = frozenset({S.SUCCEEDED, S.SKIPPED, S.TOLERATED, S.UNDONE, S.LEFT})
"""States of steps that nothing is left to do for."""


def board(
    run: RunAnswer,
    steps: Sequence[StepAnswer],
    now: float,
    *,
    expected: float = 0.0,
    height: int = 0,
    said: Mapping[str, str] = MappingProxyType({}),
) -> RenderableType:
    """The whole picture at `now` (seconds since the epoch, UTC).

    `expected`: seconds the plan is expected to take. `height`: lines there are; quiet
    steps are counted when they do not all fit. `said`: each step's last line of output.
    """
    waiting = waits(run, steps)
    crowded = height > 0 and len(steps) + len({step.service for step in steps}) + 3 * len(waiting) + 6 > height
    tree = _tree(steps, now, said, crowded=crowded)
    return Group(headline(run, steps, now, expected), tree, *([waiting_lines(waiting)] if waiting else []))


def headline(run: RunAnswer, steps: Sequence[StepAnswer], now: float, expected: float) -> Text:
    word = run_word(run)
    done = sum(1 for step in steps if step.state in FINISHED)
    text = Text(f"{run.mode.value} {run.id}  ", style="bold")
    text.append(word, style=_run_style(run))
    spent = (run.ended_at or now) - (run.started_at or run.created_at or now)
    about = f" / {duration(expected)}" if expected and not run.ended else ""
    text.append(f"  {done} of {counted(len(steps), 'step')}, {duration(spent)}{about}", style="default not bold")
    if run.message:
        text.append(f"\n{one_line(run.message)}", style="default not bold")
    return text


def run_word(run: RunAnswer) -> str:
    word = run.state.value.replace("_", " ")
    return f"{word}, paused" if run.paused and not run.ended else word


def _run_style(run: RunAnswer) -> str:
    if run.state in (RunState.SUCCEEDED, RunState.UNDONE):
        return "bold green"
    return "bold red" if run.state in ENDED_RUN else "bold cyan"


def _tree(steps: Sequence[StepAnswer], now: float, said: Mapping[str, str], *, crowded: bool) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    # The least widths keep the picture from trembling while it changes.
    table.add_column(no_wrap=True, overflow="ellipsis", min_width=20)
    table.add_column(no_wrap=True, min_width=12)
    table.add_column(no_wrap=True, min_width=11)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for service, found in groupby(steps, key=lambda step: step.service):
        members = list(found)
        done = sum(1 for step in members if step.state in FINISHED)
        over = "✔ " if done == len(members) else ""
        table.add_row(Text(f"{over}{service}", style="bold"), Text(f"{done} of {len(members)}", style="dim"))
        shown = [step for step in members if step.state not in _QUIET] if crowded else members
        for number, step in enumerate(shown, start=1):
            table.add_row(*_row(step, now, said.get(step.id, ""), last=number == len(shown)))
    return table


def _row(step: StepAnswer, now: float, said: str, *, last: bool) -> tuple[Text, Text, Text, Text]:
    sign, _, style = SIGNS[step.state]
    name = Text(f"{'└' if last else '├'} ", style="dim")
    name.append(f"{sign} ", style=style)
    name.append(short_step(step.id), style="default not dim")
    return name, Text(state_words(step), style=style), Text(times(step, now)), Text(note(step, said), style="dim")


def state_words(step: StepAnswer) -> str:
    word = SIGNS[step.state][1]
    return f"{word}, try {step.attempt}" if step.attempt > 1 else word


def times(step: StepAnswer, now: float) -> str:
    """What it took; while it runs, against what is expected."""
    if step.started_at is None or step.state in (S.PENDING, S.CANCELLED):
        return ""
    if step.ended_at is not None:
        return duration(step.ended_at - step.started_at)
    about = f" / {duration(step.expect)}" if step.expect else ""
    return f"{duration(now - step.started_at)}{about}"


def note(step: StepAnswer, said: str = "") -> str:
    """What it says, or what it waits for."""
    if step.state is S.UNDO_READY or (step.state is S.READY and step.attempt <= 1):
        return ""
    if step.message:
        return one_line(step.message)
    if said and step.state in (S.RUNNING, S.UNDOING):
        return one_line(said)
    if step.state is S.WAITING:
        what = step.waits_for_what
        return "for time" if what == "time" else f"for a person ({what})"
    return ""


def waiting_lines(waiting: Sequence[Wait]) -> Text:
    """Who is waited for, and the exact words to type; where something went wrong, the choices there are."""
    text = Text("\nWaits for people", style="bold")
    for wait in waiting:
        text.append(f"\n  {wait.step or 'the run'} {wait.who}", style="default not bold")
        for command in wait.commands if wait.troubled else wait.commands[:1]:
            text.append(f"\n    {command}", style="default not bold")
    return text


def change_line(step: StepAnswer) -> str:
    """One change of a step on one line, for where no picture lives."""
    parts = [SIGNS[step.state][0], step.id, state_words(step)]
    said = note(step)
    return " ".join(parts) + (f": {said}" if said else "")
