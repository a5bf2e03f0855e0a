"""What is said of the vendors now, and that a person has seen it."""

import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from orchestrator.cli.catalogue_page import Language
from orchestrator.cli.client import Service
from orchestrator.cli.named import Vendor
from orchestrator.cli.session import As, Json, session_of
from orchestrator.cli.signals_page import SIGNS, WIDTH
from orchestrator.cli.wording import moment, one_line
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.words import VERDICTS


def verdicts(
    context: typer.Context,
    language: Annotated[Language, typer.Option("--language", "-l", help="Of the texts for people.")] = "en",
    as_json: Json = False,
) -> None:
    """What the evidence says of every vendor that a service depends on, the worst first.

    Verdicts are nominal, suspect, eroding, cut, and unknown where nobody looks; each with its reasons.
    """
    session = session_of(context)
    with Service.of(session.data) as service:
        found = service.get("verdicts")
    if as_json:
        session.json(found)
        return
    for one in found["verdicts"]:
        for line in _lines(one, language):
            session.line(line)
    if not found["verdicts"]:
        session.line("No vendor is known: `bascule estate sync` reads the estate.")


def acknowledge(
    context: typer.Context,
    vendor: Vendor,
    actor: As,
    comment: Annotated[str, typer.Option("--comment", "-c", help="A word to go with it.")] = "",
) -> None:
    """Say that you have seen what became of a vendor: after a cut it stays suspect until somebody does."""
    session = session_of(context)
    with Service.of(session.data) as service:
        service.post(f"verdicts/{vendor}/acknowledge", {"as": actor, "comment": comment})
        actor = service.acting(actor)
    session.line(f"Acknowledged by {actor}: {one_line(vendor)} may be nominal again once the evidence is.")


def _lines(one: dict[str, Any], language: str) -> Iterator[str]:
    verdict = Verdict(one["verdict"])
    word = VERDICTS[verdict][0 if language == "fr" else 1]
    since = f"  {moment(one['change']['at'])}" if one["change"] else ""
    yield f"{SIGNS[verdict]} {word:<9} {one_line(one['subject'])}{since}"
    indent = " " * 4
    yield from textwrap.wrap(one_line(one["words"][language]), WIDTH, initial_indent=indent, subsequent_indent=indent)
    if one["services"]:
        named = ("services : " if language == "fr" else "services: ") + ", ".join(one["services"])
        yield from textwrap.wrap(named, WIDTH, initial_indent=indent, subsequent_indent=indent)
