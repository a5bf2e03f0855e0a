"""A replay's verdicts on a terminal, change by change, and how it ended."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from orchestrator.cli.wording import counted, one_line
from orchestrator.domain.proposals.forecast import Turn
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.replay import Replay
from orchestrator.domain.signals.words import VERDICTS

WIDTH = 80
SIGNS: Mapping[Verdict, str] = {
    Verdict.UNKNOWN: "?",
    Verdict.NOMINAL: "✔",
    Verdict.SUSPECT: "~",
    Verdict.ERODING: "!",
    Verdict.CUT: "✘",
}


def replay_lines(found: Replay, language: str) -> Iterator[str]:
    """Lines of at most 80 columns. Times are UTC."""
    yield from textwrap.wrap(_heading(found), WIDTH)
    for change in found.changes:
        yield ""
        yield from _change(change, language)
    last = {change.subject: change for change in found.changes}
    if last:
        yield ""
        yield "At the end"
    for subject in found.spans():
        yield from _folded(f"  {_named(last[subject].verdict, language)}", one_line(subject), indent=16)


def turn_lines(turns: Sequence[Turn], language: str) -> Iterator[str]:
    """What policy would have proposed, at most 80 columns. Times are UTC."""
    french = language == "fr"
    yield ""
    yield "Ce que la politique aurait proposé" if french else "What policy would have proposed"
    words = {"armed": ("proposé", "proposed"), "withdrawn": ("retiré", "withdrawn")}
    for turn in turns:
        yield f"  {_stamp(turn.at)}  {words[turn.what][0 if french else 1]:<10} {one_line(turn.rule)}"
    if not turns:
        yield "  rien" if french else "  nothing"


def _heading(found: Replay) -> str:
    if not found.count:
        return "No observation could be read."
    told = f"{counted(found.count, 'observation')}, {_stamp(found.first)} – {_stamp(found.last)} UTC"
    beside = [
        (found.late, "came too late to count"),
        (found.misdated, "had a time that no other clock shared"),
        (found.crowded, "came from more sensors than there is room for"),
    ]
    for count, what in beside:
        told += f"; {count} {what}" if count else ""
    if found.resets:
        told += f"; the clocks jumped {counted(found.resets, 'time')}"
    return told


def _change(change: Change, language: str) -> Iterator[str]:
    head = f"{_stamp(change.at)}  {_named(change.verdict, language)}"
    yield from _folded(head, one_line(change.subject), indent=30)
    yield from textwrap.wrap(
        one_line(change.words[language]), WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=True
    )


def _folded(head: str, subject: str, indent: int) -> Iterator[str]:
    lines = textwrap.wrap(subject, WIDTH - indent, break_long_words=True) or [""]
    yield f"{head:<{indent}}{lines[0]}".rstrip()
    for line in lines[1:]:
        yield " " * indent + line


def _named(verdict: Verdict, language: str) -> str:
    return f"{SIGNS[verdict]} {VERDICTS[verdict][0 if language == 'fr' else 1]}"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
