"""Whether a scope is ready: its credentials and all else that it needs, examined and told entry by entry."""

from typing import Annotated, Any, NoReturn

import typer

from orchestrator.cli.client import Service
from orchestrator.cli.completion import scopes
from orchestrator.cli.doctor_page import show_check_up
from orchestrator.cli.exits import Exit, NoService
from orchestrator.cli.self_map_page import show_self_map
from orchestrator.cli.session import Json, Session, session_of

Itself = Annotated[
    bool, typer.Option("--sovereignty", help="Map instead whom Bascule itself relies on, and whose law they answer to.")
]
Scope = Annotated[
    str, typer.Option("--scope", "-s", help="The scope of bascule.yaml that is examined.", autocompletion=scopes)
]


def doctor(context: typer.Context, scope: Scope = "live", sovereignty: Itself = False, as_json: Json = False) -> None:
    """Ask what each credential of a scope may do: which rights are missing, which needless. Changes nothing.

    Without a running service it is asked from this process. Exit code: 0 all is well, also with needless rights;
    1 something is missing or broken; with --sovereignty, it relies on a vendor that it guards against.
    """
    session = session_of(context)
    if sovereignty:
        _map_itself(session, scope, as_json=as_json)
    try:
        with Service.of(session.data) as service:
            found = service.post("doctor", {"scope": scope})
    except NoService:
        found = _examined_here(session, scope)
    if as_json:
        session.json(found)
    else:
        show_check_up(session, found)
    raise typer.Exit(Exit.DONE if found["ok"] else Exit.FAILED)


def _map_itself(session: Session, scope: str, *, as_json: bool) -> NoReturn:
    try:
        with Service.of(session.data) as service:
            found = service.post("doctor/sovereignty", {"scope": scope})
    except NoService:
        found = _mapped_here(session, scope)
    if as_json:
        session.json(found)
    else:
        show_self_map(session, found)
    raise typer.Exit(Exit.DONE if found["ready"] else Exit.FAILED)


def _mapped_here(session: Session, scope: str) -> dict[str, Any]:
    from orchestrator.cli.inside import bascule_inside, newest_estate

    with bascule_inside(session) as bascule:
        newest_estate(session, bascule, "map")
        return bascule.independence.map(scope).as_json()


def _examined_here(session: Session, scope: str) -> dict[str, Any]:
    from orchestrator.cli.inside import bascule_inside, newest_estate

    with bascule_inside(session) as bascule:
        newest_estate(session, bascule, "check-up")
        return bascule.doctor.examine(scope).as_json()
