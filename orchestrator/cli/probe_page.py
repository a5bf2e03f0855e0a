"""What single looks saw, on a terminal: vendor by vendor, in 80 columns."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from orchestrator.cli.wording import counted, one_line
from orchestrator.operations.looking import Sight

WIDTH = 80
WORDS_AT = 4
SIGNS: Mapping[str, str] = {"ok": "✔", "denied": "✘", "fail": "!", "unknown": "?"}
_DAY, _HOUR, _MINUTE = 86_400.0, 3600.0, 60.0


def sight_lines(sights: Sequence[Sight]) -> Iterator[str]:
    """A line for each sensor with its outcome and value, and below it what was seen."""
    for vendor, group in groupby(sights, key=lambda one: one.observation.vendor):
        yield vendor
        for one in group:
            yield from textwrap.wrap(_head(one), WIDTH, initial_indent="  ", subsequent_indent="    ")
            indent = " " * WORDS_AT
            yield from textwrap.wrap(one_line(one.words), WIDTH, initial_indent=indent, subsequent_indent=indent)
    yield _summary(sights)


def duration(seconds: float) -> str:
    """Seconds as a person says them: 47 s, 12 min, 5.2 h, 3.1 d."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.1f} d"


def _head(one: Sight) -> str:
    seen = one.observation
    value = f"  {one.look.measure} {duration(seen.value)}" if seen.value is not None else ""
    account = f" ({one_line(seen.account)})" if seen.account else ""
    return f"{SIGNS[seen.outcome]} {seen.outcome:<8} {seen.aspect:<10} {seen.sensor}{account}{value}"


def _summary(sights: Sequence[Sight]) -> str:
    blind = sum(one.observation.outcome == "unknown" for one in sights)
    told = f"{counted(len(sights), 'sensor')} looked"
    return f"{told}; {counted(blind, 'of them', 'of them')} could not see anything." if blind else f"{told}."
