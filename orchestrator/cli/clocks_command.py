"""What runs out, on a terminal."""

import textwrap
import time
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from orchestrator.cli.client import Service
from orchestrator.cli.language import Chosen
from orchestrator.cli.session import Json, session_of
from orchestrator.cli.wording import one_line
from orchestrator.web.times import duration, moment
from orchestrator.web.words import Language, say

WIDTH = 80
_HEAD = 15


def clocks(
    context: typer.Context,
    language: Chosen,
    as_json: Json = False,
) -> None:
    """What runs out by itself once a vendor is lost: when, for which services, and what stops then.

    While no vendor erodes or is cut, it shows what would run out after a loss. What is out or has less than a day is
    marked with !.
    """
    session = session_of(context)
    with Service.of(session.data) as service:
        found = service.get("clocks")
    if as_json:
        session.json(found)
        return
    for line in clock_lines(found, language, time.time()):
        session.line(line, copied=True)


def clock_lines(found: Mapping[str, Any], language: Language, now: float) -> Iterator[str]:
    """Lines of at most 80 columns."""
    if not found["clocks"]:
        yield say(language, "cli.clocks.none")
        return
    yield say(language, "cli.clocks.running" if found["running"] else "cli.clocks.supposed")
    for one in found["clocks"]:
        yield ""
        yield from _wrapped(_when(one, language, now), f"{one['title'][language]} ({one['vendor']})")
        yield from _wrapped("", ", ".join(one["services"]))
        if one["at"] is not None:
            key = "cli.clocks.since" if one["standing"] == "out" else "clocks.until"
            yield from _wrapped("", say(language, key, at=moment(language, one["at"])))
        if one["breaks"][language]:
            yield from _wrapped("", say(language, "cli.clocks.stops", what=one["breaks"][language]))


def _when(one: Mapping[str, Any], language: Language, now: float) -> str:
    mark = "!" if one["standing"] in ("out", "soon") else " "
    if one["at"] is None:
        return f"  {say(language, 'cli.clocks.after', time=duration(one['lasts'], language))}"
    left = say(language, "cli.clocks.out") if one["standing"] == "out" else duration(one["at"] - now, language)
    return f"{mark} {left}"


def _wrapped(head: str, text: str) -> Iterator[str]:
    lines = textwrap.wrap(one_line(text), WIDTH - _HEAD - 1, break_long_words=True) or [""]
    yield f"{head:<{_HEAD}} {lines[0]}".rstrip()
    for line in lines[1:]:
        yield f"{'':<{_HEAD}} {line}"
