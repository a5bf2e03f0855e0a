"""What runs out, on a terminal."""

import textwrap
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from orchestrator.cli.catalogue_page import Language
from orchestrator.cli.client import Service
from orchestrator.cli.session import Json, session_of
from orchestrator.cli.wording import moment, one_line
from orchestrator.web.times import duration

WIDTH = 80
_HEAD = 15
_WORDS: Mapping[str, tuple[str, str]] = {
    "running": ("Ce qui expire, d'après les pertes constatées :", "What runs out, by the losses that show:"),
    "if_lost": ("Rien n'expire. Ce qui expirerait après une perte :", "No clock runs. After a loss, this runs out:"),
    "none": ("Aucun service ne dépend de ce qui expire.", "No service depends on anything that runs out."),
    "out": ("EXPIRÉ", "OUT"),
    "after": ("après", "after"),
    "until": ("jusqu'au", "until"),
    "since": ("depuis le", "since"),
    "stops": ("Ce qui s'arrête :", "What stops:"),
}  # fmt: skip


def clocks(
    context: typer.Context,
    language: Annotated[Language, typer.Option("--language", "-l", help="Of the texts for people.")] = "en",
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
    said = _say(language)
    if not found["clocks"]:
        yield said["none"]
        return
    yield said["running" if found["running"] else "if_lost"]
    for one in found["clocks"]:
        yield ""
        yield from _wrapped(_when(one, language, said, now), f"{one['title'][language]} ({one['vendor']})")
        yield from _wrapped("", ", ".join(one["services"]))
        if one["at"] is not None:
            out = one["standing"] == "out"
            yield from _wrapped("", f"{said['since' if out else 'until']} {moment(one['at'])}")
        if one["breaks"][language]:
            yield from _wrapped("", f"{said['stops']} {one['breaks'][language]}")


def _when(one: Mapping[str, Any], language: Language, said: Mapping[str, str], now: float) -> str:
    mark = "!" if one["standing"] in ("out", "soon") else " "
    if one["at"] is None:
        return f"  {said['after']} {duration(one['lasts'], language)}"
    return f"{mark} {said['out'] if one['standing'] == 'out' else duration(one['at'] - now, language)}"


def _say(language: Language) -> dict[str, str]:
    return {name: words[0 if language == "fr" else 1] for name, words in _WORDS.items()}


def _wrapped(head: str, text: str) -> Iterator[str]:
    lines = textwrap.wrap(one_line(text), WIDTH - _HEAD - 1, break_long_words=True) or [""]
    yield f"{head:<{_HEAD}} {lines[0]}".rstrip()
    for line in lines[1:]:
        yield f"{'':<{_HEAD}} {line}"
