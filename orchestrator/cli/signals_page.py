"""A replay's verdicts on a terminal, change by change, and how it ended."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from orchestrator.cli.wording import one_line
from orchestrator.domain.proposals.forecast import Turn
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.replay import Replay
from orchestrator.domain.signals.words import VERDICTS
from orchestrator.web.words import Language, say

WIDTH = 80
SIGNS: Mapping[Verdict, str] = {
    Verdict.UNKNOWN: "?",
    Verdict.NOMINAL: "✔",
    Verdict.SUSPECT: "~",
    Verdict.ERODING: "!",
    Verdict.CUT: "✘",
}


def replay_lines(found: Replay, language: Language) -> Iterator[str]:
    """Lines of at most 80 columns. Times are UTC."""
    yield from textwrap.wrap(_heading(found, language), WIDTH)
    for change in found.changes:
        yield ""
        yield from _change(change, language)
    last = {change.subject: change for change in found.changes}
    if last:
        yield ""
        yield say(language, "cli.replay.end")
    for subject in found.spans():
        yield from _folded(f"  {_named(last[subject].verdict, language)}", one_line(subject), indent=16)


def turn_lines(turns: Sequence[Turn], language: Language) -> Iterator[str]:
    """What policy would have proposed, at most 80 columns. Times are UTC."""
    yield ""
    yield say(language, "cli.replay.policy")
    for turn in turns:
        yield f"  {_stamp(turn.at)}  {say(language, f'cli.turn.{turn.what}'):<10} {one_line(turn.rule)}"
    if not turns:
        yield f"  {say(language, 'cli.replay.nothing')}"


def _heading(found: Replay, language: Language) -> str:
    if not found.count:
        return say(language, "cli.replay.none")
    beside = [
        (found.late, "cli.replay.late"),
        (found.misdated, "cli.replay.misdated"),
        (found.crowded, "cli.replay.crowded"),
        (found.resets, "cli.replay.resets"),
    ]
    span = {"first": _stamp(found.first), "last": _stamp(found.last)}
    told = [say(language, "cli.replay.span", count=found.count, **span)]
    return " · ".join([*told, *(say(language, key, count=count) for count, key in beside if count)])


def _change(change: Change, language: Language) -> Iterator[str]:
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


def _named(verdict: Verdict, language: Language) -> str:
    return f"{SIGNS[verdict]} {VERDICTS[verdict][0 if language == 'fr' else 1]}"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
