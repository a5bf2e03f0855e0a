"""A run as a picture: which mode it is, how far it is, what waits for whom, its services with their steps, its output.

Every line fits the terminal's width, but for commands, which are never cut.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.text import Text

from orchestrator.cli.answers import LogLine, RunAnswer, StepAnswer
from orchestrator.cli.attention import Wait, moves, wait_words, waits
from orchestrator.cli.objectives import objectives
from orchestrator.cli.tree import FINISHED, SIGNS, Look, fitted, note, state_words, tree
from orchestrator.cli.wording import clean, one_line, short_step
from orchestrator.domain.model import Mode, RunState, StepState
from orchestrator.web.times import clock, duration
from orchestrator.web.words import Language, say

_BANDS: Mapping[Mode, tuple[str, str]] = {
    Mode.LIVE: ("!!!", "bold white on red"),
    Mode.DRILL: ("~~~", "bold black on yellow"),
    Mode.REHEARSAL: ("···", "bold white on blue"),
}
"""By mode: the sign on both sides of its word, and its style."""
_GOOD = (RunState.SUCCEEDED, RunState.UNDONE)
_BACK = (RunState.UNDOING, RunState.UNDONE, RunState.PARTLY_UNDONE)
OUTPUT = 8
"""Lines of output at most."""
LEAST_TREE = 6
"""Lines that services and steps have at least, whatever else there is to say."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a picture is drawn for. `now`: seconds since the epoch, UTC; `width` in columns.

    `height`: lines there are, 0 as many as it takes. `expected`: seconds that the plan is expected to take.
    """

    language: Language
    now: float
    width: int = 80
    height: int = 0
    expected: float = 0.0
    rto: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    said: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    output: Sequence[LogLine] = ()


def board(run: RunAnswer, steps: Sequence[StepAnswer], frame: Frame) -> RenderableType:
    """The whole picture."""
    waiting = waits(run, steps)
    head = headlines(run, steps, waiting, frame)
    look = Look(frame.language, frame.now, frame.width, frame.said, objectives(run, steps, frame.rto, frame.now))
    if not frame.height:
        rest = [*waiting_lines(waiting, frame.language, frame.width), *_output(frame, OUTPUT)]
        return Group(*head, Text(), *tree(steps, look), *rest)
    room = max(frame.height - len(head) - 1, 1)
    asked = waiting_lines(waiting, frame.language, frame.width, max(room - LEAST_TREE, 4))
    room -= sum(_rows(line, frame.width) for line in asked)
    shown = tree(steps, look, max(room, 1))
    return Group(*head, Text(), *shown, *asked, *_output(frame, room - len(shown) - 2))


def headlines(run: RunAnswer, steps: Sequence[StepAnswer], waiting: Sequence[Wait], frame: Frame) -> list[Text]:
    """The band of the mode, the run, how far it is, and what it says."""
    language = frame.language
    name = Text(f"{run.id}  ", style="bold")
    name.append(what(language, run))
    state = Text(run_word(language, run, steps), style=_run_style(run, waiting))
    state.append(f" · {progress(language, run, steps, waiting)}", style="default not bold")
    state.append(f" · {spent(language, run, frame.now, frame.expected)}", style="default not bold")
    lines = [band(language, run.mode, frame.width), *_folded(name, frame.width), *_folded(state, frame.width)]
    if run.message:
        lines += _folded(Text(one_line(run.message)), frame.width)
    return lines


def band(language: Language, mode: Mode, width: int = 80) -> Text:
    """`!!! LIVE !!!  This is the real thing.`, as wide as the terminal: no mode looks or reads like another."""
    sign, style = _BANDS[mode]
    text = Text(f"{sign} {say(language, f'mode.{mode.value}').upper()} {sign}", style=style)
    text.append(f"  {say(language, f'mode.{mode.value}.means')}", style="not bold")
    fitted(text, width)
    text.pad_right(max(width - text.cell_len, 0))
    return text


def what(language: Language, run: RunAnswer) -> str:
    """`Failover: mail, portal`."""
    towards = say(language, f"direction.{run.direction}")
    return say(language, "cli.run.what", direction=towards, services=", ".join(clean(name) for name in run.services))


def progress(language: Language, run: RunAnswer, steps: Sequence[StepAnswer], waiting: Sequence[Wait]) -> str:
    """`3 of 14 steps done, 1 thing waits for people`."""
    if run.state in _BACK:
        done = sum(1 for step in steps if step.state in (StepState.UNDONE, StepState.LEFT))
        parts = [say(language, "sum.undone", done=done, total=done + run.undo_remaining)]
    else:
        done = sum(1 for step in steps if step.state in FINISHED)
        parts = [say(language, "sum.steps", done=done, total=len(steps))]
    if waiting:
        parts.append(say(language, "sum.waits", count=len(waiting)))
    return ", ".join(parts)


def spent(language: Language, run: RunAnswer, now: float, expected: float) -> str:
    took = _whole(duration((run.ended_at or now) - (run.started_at or run.created_at or now), language))
    if not expected or run.ended:
        return took
    return f"{took}, {_whole(say(language, 'head.expected', time=duration(expected, language)))}"


def _whole(text: str) -> str:
    """Broken at no line's end."""
    return text.replace(" ", "\u00a0")


def run_word(language: Language, run: RunAnswer, steps: Sequence[StepAnswer] = ()) -> str:
    """Its state, as the page says it: a run that only people can bring further says so. `steps`: as far as known."""
    if not run.ended and run.state is not RunState.AWAITING_RELEASE:
        waiting = waits(run, steps)
        if any(wait.troubled for wait in waiting):
            return say(language, "run.trouble")
        if run.paused:
            return say(language, "run.paused")
        if waiting and not moves(run, steps):
            return say(language, "run.attention")
    return say(language, f"run.{run.state.value}")


def waiting_lines(waiting: Sequence[Wait], language: Language, width: int = 80, room: int = 0) -> list[Text]:
    """Who is waited for, and the exact words to type; where something went wrong, the choices there are.

    With `room`, what does not fit into as many lines is counted.
    """
    if not waiting:
        return []
    lines = [Text(), Text(say(language, "head.waits"), style="bold")]
    used = len(lines)
    for number, wait in enumerate(waiting):
        block = list(_wait_lines(wait, language, width))
        size = sum(_rows(line, width) for line in block)
        is_last = number == len(waiting) - 1
        if room and number and used + size + (not is_last) > room:
            more = say(language, "cli.watch.more_waits", count=len(waiting) - number)
            lines.append(fitted(Text(f"  … {more}"), width))
            break
        lines += block
        used += size
    return lines


def _wait_lines(wait: Wait, language: Language, width: int) -> Iterable[Text]:
    sign, style = SIGNS[StepState.FAILED if wait.troubled else StepState.WAITING]
    told = wait_words(language, wait)
    head = textwrap.wrap(f"{wait.step}: {told}" if wait.step else told, max(width - 4, 20), break_on_hyphens=False)
    first = Text(f"  {sign} ", style=style)
    yield fitted(first.append(head[0], style="default not bold"), width)
    yield from (fitted(Text(f"    {line}"), width) for line in head[1:])
    for command in wait.commands if wait.troubled else wait.commands[:1]:
        yield Text(f"      {command}", overflow="fold")


def _output(frame: Frame, room: int) -> list[Text]:
    """The last lines that steps wrote, the newest at the end."""
    shown = list(frame.output)[-min(max(room, 0), OUTPUT) :] if room > 0 else []
    if not shown:
        return []
    lines = [Text(), Text(say(frame.language, "head.log"), style="bold")]
    for line in shown:
        said = f"  {clock(line.at)} {short_step(line.step)}: {one_line(line.text)}"
        lines.append(fitted(Text(said, style="dim"), frame.width))
    return lines


def _rows(line: Text, width: int) -> int:
    return max(-(-line.cell_len // max(width, 1)), 1)


def _folded(text: Text, width: int) -> list[Text]:
    """Broken at words, with its style."""
    found: list[Text] = []
    rest = text
    while rest.cell_len > width:
        at = rest.plain.rfind(" ", 3, width + 1)
        head, rest = rest.divide([at if at > 0 else width])
        found.append(head)
        rest = Text("  ").append_text(rest[1:] if at > 0 else rest)
    return [*found, rest]


def _run_style(run: RunAnswer, waiting: Sequence[Wait]) -> str:
    if run.state in _GOOD:
        return "bold green"
    if run.ended or any(wait.troubled for wait in waiting):
        return "bold red"
    return "bold yellow" if waiting else "bold cyan"


def change_line(language: Language, step: StepAnswer) -> str:
    """One change of a step on one line, for where no picture lives."""
    parts = [SIGNS[step.state][0], step.id, state_words(language, step)]
    said = note(language, step) if step.message or step.state is StepState.WAITING else ""
    return " ".join(parts) + (f": {said}" if said else "")
