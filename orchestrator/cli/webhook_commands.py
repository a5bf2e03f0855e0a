"""What monitoring systems posted: who may, and what no rule speaks of."""

from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from orchestrator.cli import completion
from orchestrator.cli.client import Service
from orchestrator.cli.session import Json, Session, session_of
from orchestrator.cli.wording import clean, one_line, size
from orchestrator.web.times import moment

EXCERPT = 300
"""Characters of a body that the list shows; --json has more."""


def sources(context: typer.Context, as_json: Json = False) -> None:
    """The sources of webhooks in the estate, and how much of what each sent was understood."""
    session = session_of(context)
    with Service.of(session.data) as service:
        found = service.get("signals/sources")
    if as_json:
        session.json(found)
    elif not found["sources"]:
        session.line(session.say("cli.sources.none"))
    else:
        session.out.print(_table(session, found["sources"]))


def unmapped(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Option("--source", help="Only what this source sent.", autocompletion=completion.sources)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="Deliveries at most.")] = 20,
    as_json: Json = False,
) -> None:
    """Deliveries of which something became no observation, with the reason; the newest first.

    They are genuine: add a rule to `signals` in bascule.yaml, or correct the sender. Their words are only shown.
    """
    session = session_of(context)
    with Service.of(session.data) as service:
        found = service.get("signals/unmapped", source=source, limit=limit)
    if as_json:
        session.json(found)
    elif not found["deliveries"]:
        session.line(session.say("signals.none"))
    for one in [] if as_json else found["deliveries"]:
        _show(session, one)


def _show(session: Session, one: dict[str, Any]) -> None:
    again = f", {session.say('signals.repeats', count=one['repeats'])}" if one["repeats"] else ""
    at = moment(session.language, one["received_at"])
    session.line(f"{at}  {one['source']}  {size(one['size'], session.language)}{again}")
    for left in one["left"]:
        said = " ".join(f"{one_line(name)}={one_line(value)}" for name, value in left["labels"].items())
        session.line(f"  {one_line(left['reason'])} {said}".rstrip())
    more = one["unmapped"] - len(one["left"])
    if more > 0:
        session.line(f"  {session.say('signals.more', count=more)}")
    body = session.say("signals.gone") if one["body"] is None else one_line(one["body"])[:EXCERPT]
    session.line(f"  {body}")


def _table(session: Session, found: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("source", "format", "domain", "rules", "deliveries", "repeated", "unmapped", "heard"):
        table.add_column(session.say(f"cli.sources.{heading}"), overflow="fold", no_wrap=heading == "source")
    for one in found:
        cells = (one["name"], one["format"] or session.say("cli.sources.unknown"), one["trust_domain"] or "–")
        counts = (one["rules"], one["deliveries"], one["repeated"], one["unmapped"], _heard(session, one))
        table.add_row(*(Text(clean(str(cell))) for cell in (*cells, *counts)))
    return table


def _heard(session: Session, one: dict[str, Any]) -> str:
    if one["heard_at"] is None:
        return session.say("cli.sources.never")
    at = moment(session.language, one["heard_at"])
    return session.say("cli.sources.silent", at=at) if one["silent"] else at
