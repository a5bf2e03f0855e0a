"""Recorded or generated observations run through the same weighing that decides in earnest."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from orchestrator.catalogue_files import shipped
from orchestrator.cli.estate_files import bundle_at
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.language import Chosen
from orchestrator.cli.session import Session, session_of
from orchestrator.cli.signals_page import replay_lines, turn_lines
from orchestrator.domain.problem import Problem
from orchestrator.domain.proposals.forecast import forecast
from orchestrator.domain.signals.recording import as_arrived, read_recording

SHOWN_PROBLEMS = 20


def replay(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", allow_dash=True, help="JSON Lines, one observation a line; - is standard input."
        ),
    ],
    language: Chosen,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each change of a verdict as one JSON object a line.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", dir_okay=False, help="Draw the verdicts into this file.")
    ] = None,
    estate: Annotated[
        Path | None,
        typer.Option(
            "--policy", metavar="DIR", help="An estate's directory: its vendors, and what its policy would propose."
        ),
    ] = None,
) -> None:
    """Show what would have been said of recorded observations, and when. Changes nothing, needs no service.

    A line is {at, vendor, aspect, sensor, vantage, trust_domain, outcome, value}: at in UTC, outcome ok, fail, denied
    or unknown, value a lag or age in seconds or a share, or null; account where it is of one account alone. Vendors
    named control-… are controls. Exit code: 0 all was read, 1 some lines could not be; the rest is shown all the same.
    """
    session = session_of(context)
    problems: list[Problem] = []
    with _opened(file) as lines:
        observations = list(read_recording(lines, str(file), problems))
    bundle = bundle_at(estate) if estate is not None else None
    catalogue, rules = (bundle.catalogue, bundle.estate.policy.proposals) if bundle else (shipped(), {})
    found, turns = forecast(as_arrived(observations), catalogue, rules)
    if as_json:
        told = [*(one.as_json() for one in found.changes), *(one.as_json() for one in turns)]
        for line in sorted(told, key=lambda one: str(one["at"])) if turns else told:
            session.json(line, line=True)
    else:
        for text in (*replay_lines(found, language), *(turn_lines(turns, language) if bundle else ())):
            session.line(text, copied=True)
    if svg is not None:
        from orchestrator.web.pages.signals_chart import chart

        _write(svg, chart(found, language))
        session.note(session.say("cli.replay.drawn", file=svg))
    _end(session, problems)


def _end(session: Session, problems: list[Problem]) -> None:
    for problem in problems[:SHOWN_PROBLEMS]:
        session.note(str(problem))
    if len(problems) > SHOWN_PROBLEMS:
        session.note(session.say("cli.replay.unread", count=len(problems) - SHOWN_PROBLEMS))
    if problems:
        raise typer.Exit(Exit.FAILED)


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    if str(file) == "-":
        yield sys.stdin
        return
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            yield lines
    except OSError as error:
        raise CommandError.of("cli.replay.unreadable", file=file, why=error.strerror) from None


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError.of("cli.unwritable", file=file, why=error.strerror) from None
