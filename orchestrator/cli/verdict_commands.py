"""What is said of the vendors now, and that a person has seen it."""

import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from orchestrator.cli.client import Service
from orchestrator.cli.language import Chosen
from orchestrator.cli.named import Vendor
from orchestrator.cli.session import As, Json, session_of
from orchestrator.cli.signals_page import SIGNS, WIDTH
from orchestrator.cli.wording import one_line
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.words import VERDICTS
from orchestrator.web.times import moment
from orchestrator.web.words import Language, say


def verdicts(
    context: typer.Context,
    language: Chosen,
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
        session.line(say(language, "cli.verdicts.none", command="bascule estate sync"))


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
    session.line(session.say("cli.verdicts.acknowledged", by=actor, vendor=one_line(vendor)))


def _lines(one: dict[str, Any], language: Language) -> Iterator[str]:
    verdict = Verdict(one["verdict"])
    word = VERDICTS[verdict][0 if language == "fr" else 1]
    since = f"  {moment(language, one['change']['at'])}" if one["change"] else ""
    yield f"{SIGNS[verdict]} {word:<9} {one_line(one['subject'])}{since}"
    indent = " " * 4
    yield from textwrap.wrap(one_line(one["words"][language]), WIDTH, initial_indent=indent, subsequent_indent=indent)
    if one["services"]:
        named = say(language, "cli.verdicts.services", names=", ".join(one["services"]))
        yield from textwrap.wrap(named, WIDTH, initial_indent=indent, subsequent_indent=indent)
