"""Starting runs, and watching them."""

from typing import Annotated, Any

import typer

from orchestrator.cli import completion
from orchestrator.cli.client import Service
from orchestrator.cli.halt_command import banner
from orchestrator.cli.named import RunId
from orchestrator.cli.plan_commands import REHEARSAL, Set, Towards, parsed
from orchestrator.cli.plan_page import show_plan_shortly
from orchestrator.cli.session import As, Json, Reason, Session, session_of
from orchestrator.cli.watching import EITHER_WAY, FORWARD
from orchestrator.cli.watching import watch as watch_run
from orchestrator.domain.model import RunState
from orchestrator.domain.plan import Plan

Detach = Annotated[bool, typer.Option("--detach", "-d", help="Start it, say its id, and do not watch.")]
UntilWaiting = Annotated[
    bool | None,
    typer.Option(
        "--until-waiting/--until-end", show_default="--until-waiting without a terminal",
        help="Stop watching (exit code 3) when only people can bring it further, or watch to the end.",
    ),
]  # fmt: skip


def rehearse(
    context: typer.Context,
    services: Annotated[
        list[str],
        typer.Argument(metavar="SERVICE…", help="The services to rehearse.", autocompletion=completion.services),
    ],
    actor: As,
    direction: Towards = "failover",
    parameters: Set = None,
    reason: Reason = "",
    detach: Detach = False,
    until_waiting: UntilWaiting = None,
    as_json: Json = False,
) -> None:
    """Run the whole plan in scope `rehearsal`, with the real drivers, against the simulator.

    It needs no release. Its hold points wait for people, who answer with `bascule approve`.
    """
    session = session_of(context)
    with Service.of(session.data) as service:
        plan = service.make_plan(services, REHEARSAL, direction, parsed(parameters))
    _start(session, plan, actor, reason, detach=detach, until_waiting=until_waiting, as_json=as_json)


def run(
    context: typer.Context,
    actor: As,
    services: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SERVICE]…", help="The services, planned now in --scope.", autocompletion=completion.services
        ),
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option("--scope", "-s", help="The scope of bascule.yaml.", autocompletion=completion.scopes),
    ] = None,
    digest: Annotated[
        str | None, typer.Option("--plan", metavar="DIGEST", help="A plan made before: exactly this one runs.")
    ] = None,
    direction: Towards = "failover",
    parameters: Set = None,
    reason: Reason = "",
    detach: Detach = False,
    until_waiting: UntilWaiting = None,
    as_json: Json = False,
) -> None:
    """Start a run: of a plan that you looked at (--plan), or of services in a scope, planned now.

    A drill or live run is asked for by somebody who signed in (`bascule login`), and waits for people to release it.
    """
    session = session_of(context)
    if bool(services) == bool(digest) or bool(services) != bool(scope):
        raise typer.BadParameter(session.say("cli.run.either"), param_hint="SERVICE… | --plan")
    with Service.of(session.data) as service:
        if digest:
            plan = service.plan(digest)
            _show_moved(session, service.moved(digest))
        else:
            plan = service.make_plan(services or [], scope or "", direction, parsed(parameters))
    _start(session, plan, actor, reason, detach=detach, until_waiting=until_waiting, as_json=as_json)


def watch(
    context: typer.Context,
    run_id: RunId,
    until_waiting: UntilWaiting = None,
    as_json: Json = False,
) -> None:
    """Follow a run live: each step's state, attempt and time, what waits for whom and what to type.

    It bridges a restart of the service. Ctrl-C stops watching; the run goes on. With --json: one JSON object a change.
    """
    session = session_of(context)
    with Service.of(session.data) as service:
        if not as_json:
            banner(session, service)
    raise typer.Exit(_watch(session, run_id, EITHER_WAY, 0.0, until_waiting, as_json=as_json))


def _start(
    session: Session,
    plan: Plan,
    actor: str,
    reason: str,
    *,
    detach: bool,
    until_waiting: bool | None,
    as_json: bool,
) -> None:
    if not as_json:
        show_plan_shortly(session, plan)
    with Service.of(session.data) as service:
        run_id, created = service.create_run(plan.digest, actor, reason)
    if as_json:
        session.json({"kind": "created", "id": run_id, "created": created, "plan": plan.digest}, line=True)
    else:
        session.line(session.say("cli.run.started" if created else "cli.run.there", run=run_id))
        if detach:
            session.line(session.say("cli.run.watch", command=f"bascule watch {run_id}"), copied=True)
    if not detach:
        raise typer.Exit(_watch(session, run_id, FORWARD, plan.expected_seconds, until_waiting, as_json=as_json))


def _watch(
    session: Session,
    run_id: str,
    wanted: frozenset[RunState],
    expected: float,
    until_waiting: bool | None,
    *,
    as_json: bool,
) -> int:
    early = until_waiting if until_waiting is not None else as_json or not session.live
    try:
        return watch_run(session, run_id, until_waiting=early, wanted=wanted, expected=expected, as_json=as_json)
    except KeyboardInterrupt:
        session.note(session.say("cli.watch.goes_on", command=f"bascule watch {run_id}"))
        raise


def _show_moved(session: Session, moved: list[dict[str, Any]]) -> None:
    """What changed outside since the plan was made: each such step pauses when its turn comes."""
    if not moved:
        return
    session.note(session.say("cli.moved", count=len(moved)))
    for entry in moved:
        said = {"step": entry.get("step"), "planned": entry.get("planned_on"), "now": entry.get("now")}
        session.note(f"  {session.say('cli.moved.step', **said)}")
