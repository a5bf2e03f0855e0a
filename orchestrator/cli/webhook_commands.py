"""What monitoring systems posted: who may, and what no rule speaks of."""

from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from orchestrator.cli.client import Service
from orchestrator.cli.session import Json, Session, session_of
from orchestrator.cli.wording import clean, counted, moment, one_line, size

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
        session.line("The estate names no source of webhooks: write `signals` in bascule.yaml.")
    else:
        session.out.print(_table(found["sources"]))


def unmapped(
    context: typer.Context,
    source: Annotated[str | None, typer.Option("--source", help="Only what this source sent.")] = None,
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
        session.line("Every delivery was understood.")
    for one in [] if as_json else found["deliveries"]:
        _show(session, one)


def _show(session: Session, one: dict[str, Any]) -> None:
    again = f", repeated {counted(one['repeats'], 'time')}" if one["repeats"] else ""
    session.line(f"{moment(one['received_at'])}  {one['source']}  {size(one['size'])}{again}")
    for left in one["left"]:
        said = " ".join(f"{one_line(name)}={one_line(value)}" for name, value in left["labels"].items())
        session.line(f"  {one_line(left['reason'])} {said}".rstrip())
    more = one["unmapped"] - len(one["left"])
    if more > 0:
        session.line(f"  and {more} more")
    body = "the body is no longer kept" if one["body"] is None else one_line(one["body"])[:EXCERPT]
    session.line(f"  {body}")


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("source", "format", "trust domain", "rules", "deliveries", "repeated", "unmapped", "heard last"):
        table.add_column(heading, overflow="fold")
    for one in found:
        cells = (one["name"], one["format"] or "not in the estate", one["trust_domain"] or "–")
        counts = (one["rules"], one["deliveries"], one["repeated"], one["unmapped"], _heard(one))
        table.add_row(*(Text(clean(str(cell))) for cell in (*cells, *counts)))
    return table


def _heard(one: dict[str, Any]) -> str:
    if one["heard_at"] is None:
        return "never"
    return f"{moment(one['heard_at'])}{', SILENT' if one['silent'] else ''}"
