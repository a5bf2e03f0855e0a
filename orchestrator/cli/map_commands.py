"""Whom the organisation depends on: service, vendor, jurisdiction."""

import time
from typing import Annotated, Any

import typer

from orchestrator.cli.client import Service
from orchestrator.cli.completion import scopes
from orchestrator.cli.exits import NoService
from orchestrator.cli.map_page import show_map
from orchestrator.cli.session import Json, Session, session_of
from orchestrator.cli.wording import counted


def map_(
    context: typer.Context,
    domains: Annotated[
        list[str] | None,
        typer.Argument(metavar="DOMAIN…", help="The organisation's own domains; without them, the scope's zones."),
    ] = None,
    scope: Annotated[
        str, typer.Option("--scope", "-s", help="The scope whose resolvers are asked.", autocompletion=scopes)
    ] = "live",
    last: Annotated[bool, typer.Option("--last", help="Show what was seen last, and ask nobody.")] = False,
    refresh: Annotated[
        list[str] | None,
        typer.Option("--refresh-networks", metavar="[NAME=]PLACE",
                     help="Renew the table of addresses from a published list, a file or a URL; as often as needed."),
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Show whom the organisation depends on, from its DNS, mail, certificates and pages. Changes nothing outside.

    What is seen is held against the estate: what nobody declared, what is declared and dead, who stands alone, what
    breaks first, how much is prepared for. Without a running service it is looked at from this process.
    """
    session = session_of(context)
    if refresh:
        _refresh(session, refresh)
        if not domains and not last:
            return
    found = _last(session, scope) if last else _made(session, scope, domains or [])
    if as_json:
        session.json(found)
    else:
        show_map(session, found)


def _refresh(session: Session, places: list[str]) -> None:
    from orchestrator.operations.network_lists import refresh_networks

    for one in refresh_networks(session.data, places, time.time()):
        session.note(f"{one.title}: {counted(len(one.prefixes), 'prefix', 'prefixes')} from {one.source}")


def _made(session: Session, scope: str, domains: list[str]) -> dict[str, Any]:
    try:
        with Service.of(session.data) as service:
            found: dict[str, Any] = service.post("map", {"scope": scope, "domains": domains})
            return found
    except NoService:
        from orchestrator.cli.inside import bascule_inside, newest_estate

        with bascule_inside(session) as bascule:
            newest_estate(session, bascule, "map")
            return bascule.maps.make(scope, domains).as_json()


def _last(session: Session, scope: str) -> dict[str, Any]:
    try:
        with Service.of(session.data) as service:
            found: dict[str, Any] = service.get("map", scope=scope)
            return found
    except NoService:
        from orchestrator.cli.inside import bascule_inside, newest_estate

        with bascule_inside(session) as bascule:
            newest_estate(session, bascule, "map")
            return bascule.maps.last(scope).as_json()
