"""Looking: what runs now and waits for whom, what ran, and what steps said."""

import time
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from orchestrator.cli.answers import EventAnswer, RunAnswer, RunWithSteps
from orchestrator.cli.attention import verdict, waits
from orchestrator.cli.board import OUTPUT, Frame, band, board, run_word, waiting_lines, what
from orchestrator.cli.client import Service
from orchestrator.cli.halt_command import banner
from orchestrator.cli.named import OptionalRun, RunId, StepOption
from orchestrator.cli.session import Json, Session, session_of
from orchestrator.cli.watching import EITHER_WAY
from orchestrator.cli.wording import clean, moment, one_line
from orchestrator.web.times import clock, duration

WELL = ("nominal", "unknown")
"""Verdicts that `status` says nothing of."""
WIDE = 120
"""Columns of a picture that no terminal is there for."""


def status(context: typer.Context, run: OptionalRun = None, as_json: Json = False) -> None:
    """The situation in a sentence, what runs now, and what waits for whom. With RUN, that run step by step.

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
        headline = service.get("now")["headline"][session.language]
        unwell = [one for one in service.get("verdicts")["verdicts"] if one["verdict"] not in WELL]
    if as_json:
        session.json([_as_json(found) for found in active])
        return
    session.line(Text(headline, style="bold"))
    for one in unwell:
        session.line(one_line(one["words"][session.language]))
    for one in proposed:
        names = ", ".join(one["services"])
        session.line(session.say("cli.status.proposed", names=names, scope=one["scope"], command="bascule proposals"))
    if not active:
        session.line(session.say("cli.status.nothing", command="bascule history"))
    for found in active:
        _show_briefly(session, found)


def _show_one(session: Session, service: Service, run_id: str, *, as_json: bool) -> None:
    found = service.run(run_id)
    if as_json:
        session.json(_as_json(found, whole=service.get(f"runs/{run_id}")))
    else:
        output = service.last_lines(run_id, OUTPUT)
        frame = Frame(
            session.language,
            time.time(),
            width=session.out.width if session.live else WIDE,
            expected=found.run.expected_seconds,
            rto=service.objectives(),
            said={line.step: line.text for line in output},
            output=output,
        )
        session.out.print(board(found.run, found.steps, frame), soft_wrap=True)
        session.line(f"\n{session.say('head.plan')} {found.run.plan_digest}", copied=True)
    raise typer.Exit(verdict(found.run, found.steps, EITHER_WAY))


def _show_briefly(session: Session, found: RunWithSteps) -> None:
    run, language = found.run, session.language
    session.line(band(language, run.mode, WIDE).plain.rstrip())
    session.line(Text(f"{run.id}  {run_word(language, run, found.steps)}", style="bold"))
    session.line(f"  {what(language, run)}")
    asked = duration(time.time() - run.created_at, language)
    session.line(f"  {session.say('cli.status.asked', by=clean(run.requested_by), time=asked)}")
    for line in waiting_lines(waits(run, found.steps), language, session.out.width):
        session.line(line, copied=True)
    session.line()


def _as_json(found: RunWithSteps, whole: Any = None) -> Any:
    shown = whole if whole is not None else {"run": found.run.model_dump(mode="json")}
    return {**shown, "waits": [wait.as_json() for wait in waits(found.run, found.steps)]}


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
        session.line(session.say("cli.history.nothing", command="bascule rehearse SERVICE"))
    else:
        session.out.print(_history(session, found))


def _history(session: Session, found: list[RunAnswer]) -> Table:
    table, language = Table(box=box.SIMPLE_HEAD, pad_edge=False), session.language
    table.add_column(session.say("head.run"), no_wrap=True)
    table.add_column(session.say("cli.history.what"))
    table.add_column(session.say("head.state"))
    table.add_column(session.say("head.time"), justify="right")
    for run in found:
        took = duration(run.ended_at - run.started_at, language) if run.ended_at and run.started_at else ""
        told = f"{run.scope} · {what(language, run)}"
        table.add_row(Text(run.id), Text(told), Text(run_word(language, run)), Text(took))
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
        session.note(session.say("head.log.empty"))
