"""Looking: what runs now and waits for whom, what ran, and what steps said."""

import time
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from orchestrator.cli.answers import EventAnswer, RunAnswer, RunWithSteps
from orchestrator.cli.attention import verdict, waits
from orchestrator.cli.board import board, run_word, waiting_lines
from orchestrator.cli.client import Service
from orchestrator.cli.halt_command import banner
from orchestrator.cli.named import OptionalRun, RunId, StepOption
from orchestrator.cli.session import Json, Session, session_of
from orchestrator.cli.watching import EITHER_WAY
from orchestrator.cli.wording import clean, clock, duration, moment, one_line


def status(context: typer.Context, run: OptionalRun = None, as_json: Json = False) -> None:
    """What runs now, and what waits for whom. With RUN, that run step by step.

    Exit code with RUN: 0 it ended well or goes on, 1 it failed or a step did, 3 it waits for a person.
    Without RUN: 0 when the service answers, 1 when none does.
    """
    session = session_of(context)
    with Service.of(session.data) as service:
        if not as_json:
            banner(session, service)
        if run is not None:
            _show_one(session, service, run, as_json=as_json)
            return
        active = [service.run(one.id) for one in service.runs(limit=100, active=True)]
        proposed = service.get("proposals", waiting="true")["proposals"]
    if as_json:
        session.json([_as_json(found) for found in active])
        return
    for one in proposed:
        session.line(f"Proposed: {', '.join(one['services'])} ({one['scope']}) waits for people: bascule proposals")
    if not active:
        session.line("Nothing runs. `bascule history` lists what ran.")
    for found in active:
        _show_briefly(session, found)


def _show_one(session: Session, service: Service, run_id: str, *, as_json: bool) -> None:
    found = service.run(run_id)
    if as_json:
        session.json(_as_json(found, whole=service.get(f"runs/{run_id}")))
    else:
        session.out.print(board(found.run, found.steps, time.time(), expected=found.run.expected_seconds))
        session.line(f"\nPlan {found.run.plan_digest}", copied=True)
    raise typer.Exit(verdict(found.run, found.steps, EITHER_WAY))


def _show_briefly(session: Session, found: RunWithSteps) -> None:
    run = found.run
    spent = duration(time.time() - (run.started_at or run.created_at))
    session.line(Text(f"{run.id}  {run_word(run)}", style="bold"))
    services = ", ".join(run.services)
    session.line(f"  {run.mode.value} {run.direction} of {services}, asked for by {run.requested_by}, {spent} ago")
    waiting = waits(run, found.steps)
    if waiting:
        session.line(waiting_lines(waiting), copied=True)
    session.line()


def _as_json(found: RunWithSteps, whole: Any = None) -> Any:
    shown = whole if whole is not None else {"run": found.run.model_dump(mode="json")}
    return {**shown, "waits": [asdict(wait) for wait in waits(found.run, found.steps)]}


def history(
    context: typer.Context,
    run: OptionalRun = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many runs, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """What ran. With RUN, its journal: every event in order."""
    session = session_of(context)
    with Service.of(session.data) as service:
        if run is not None:
            events = service.events(run)
            if as_json:
                session.json([event.model_dump(mode="json") for event in events])
            else:
                for event in events:
                    session.line(_event_line(event))
            return
        found = service.runs(limit=limit)
    if as_json:
        session.json([one.model_dump(mode="json") for one in found])
    elif not found:
        session.line("Nothing has run yet. `bascule rehearse SERVICE` is a good first run.")
    else:
        session.out.print(_history(found))


def _history(found: list[RunAnswer]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("run", "what", "state", "took"):
        table.add_column(heading, no_wrap=heading == "run", justify="right" if heading == "took" else "left")
    for run in found:
        took = duration(run.ended_at - run.started_at) if run.ended_at and run.started_at else ""
        what = f"{run.scope} {run.direction}: {', '.join(run.services)}"
        table.add_row(Text(run.id), Text(what), Text(run_word(run)), Text(took))
    return table


def _event_line(event: EventAnswer) -> str:
    about = f" {event.step}" if event.step else ""
    attempt = f" try {event.attempt}" if event.attempt > 1 else ""
    said = one_line(str(event.data.get("message") or event.data.get("comment") or ""))
    by = "" if event.actor == "bascule" else f" by {clean(event.actor)}"
    return f"{event.seq:>4} {moment(event.at)} {event.kind}{about}{attempt}{by}" + (f": {said}" if said else "")


def logs(
    context: typer.Context,
    run: RunId,
    step: StepOption = None,
    as_json: Json = False,
) -> None:
    """What the steps of a run wrote while they ran. With --json: one object a line."""
    session = session_of(context)
    after: int | None = None
    written = 0
    with Service.of(session.data) as service:
        while lines := service.logs(run, step, after):
            for line in lines:
                written += 1
                if as_json:
                    session.json(line.model_dump(mode="json"), line=True)
                else:
                    session.line(f"{clock(line.at)} {line.step}: {clean(line.text)}")
            after = lines[-1].id
    if not written:
        session.note("Nothing was written.")
