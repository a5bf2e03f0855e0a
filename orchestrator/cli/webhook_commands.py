"""What monitoring systems posted: who may, and what no rule speaks of."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

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
        for one in found["sources"]:
            for line in _source(session, one):
                session.line(line)


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


def _source(session: Session, one: dict[str, Any]) -> Iterator[str]:
    """Three lines: who it is, how much came of it, when it was heard."""
    told = clean(one["format"] or session.say("cli.sources.unknown"))
    domain = session.say("cli.sources.domain", name=clean(one["trust_domain"] or "–"))
    yield f"{clean(one['name'])}  {told}, {domain}"
    counts = ("rules", "deliveries", "repeated", "unmapped")
    yield "  " + ", ".join(session.say(f"cli.sources.{name}", count=one[name]) for name in counts)
    yield f"  {_heard(session, one)}"


def _heard(session: Session, one: dict[str, Any]) -> str:
    if one["heard_at"] is None:
        return session.say("cli.sources.never")
    at = moment(session.language, one["heard_at"])
    return session.say("cli.sources.silent" if one["silent"] else "cli.sources.heard", at=at)
