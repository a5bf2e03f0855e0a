"""Making a plan, by the running service or, without one, in this process."""

import time
from typing import Annotated, Any, Literal

import typer

from orchestrator.cli import completion
from orchestrator.cli.client import Service
from orchestrator.cli.exits import NoService
from orchestrator.cli.plan_page import show_plan
from orchestrator.cli.session import Json, Session, session_of
from orchestrator.domain.model import Direction
from orchestrator.domain.parameters import named_values
from orchestrator.domain.plan import Plan

REHEARSAL = "rehearsal"

Services = Annotated[
    list[str],
    typer.Argument(metavar="SERVICE…", help="The services to plan for.", autocompletion=completion.services),
]
Scope = Annotated[
    str,
    typer.Option("--scope", "-s", help="The scope of bascule.yaml that it runs in.", autocompletion=completion.scopes),
]
Towards = Annotated[
    Literal["failover", "failback"], typer.Option("--direction", help="To the fallback target, or back.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A runbook's parameter; may be repeated.")
]


def plan(
    context: typer.Context,
    services: Services,
    scope: Scope = REHEARSAL,
    direction: Towards = "failover",
    parameters: Set = None,
    as_json: Json = False,
) -> None:
    """Show what would change, in which order, and how long it would take. Changes nothing.

    Without a running service the plan is made in this process; a service started later knows it by its digest.
    """
    session = session_of(context)
    given = parsed(parameters)
    try:
        with Service.of(session.data) as service:
            made = service.make_plan(services, scope, direction, given)
    except NoService:
        made = _made_here(session, services, scope, direction, given)
    if as_json:
        session.json(made.model_dump(mode="json", by_alias=True))
        return
    show_plan(session, made, time.time())
    session.line(session.say("cli.plan.run", command=f"bascule run --plan {made.digest}"), copied=True)


def _made_here(session: Session, services: list[str], scope: str, direction: str, given: dict[str, Any]) -> Plan:
    from orchestrator.cli.inside import bascule_inside, newest_estate

    with bascule_inside(session) as bascule:
        newest_estate(session, bascule, "plan")
        return bascule.plans.make(services, scope, Direction(direction), given)


def parsed(parameters: list[str] | None) -> dict[str, Any]:
    """`name=value` each; a value that is JSON keeps its type, anything else is text. Raises BadParameter."""
    try:
        return named_values(parameters or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from error
