"""The kill switch. It works without a service as well: then it is written where every worker looks."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.client import Answered, Service
from orchestrator.cli.credential import is_of_this_machine
from orchestrator.cli.exits import CommandError, Exit, NoService
from orchestrator.cli.session import As, Json, Session, session_of
from orchestrator.cli.wording import clean, counted, moment, one_line
from orchestrator.domain.halt import HOW_TO_LIFT

if TYPE_CHECKING:
    from orchestrator.operations.halt import Halt

ANSWER_WITHIN = 5.0
"""Seconds after which a service that hangs is passed by."""
WITHOUT = "No service answers as it should: it is written into the database, and whatever works on it obeys."


def halt(
    context: typer.Context,
    actor: As,
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Why; it is kept. Engages the kill switch.", show_default=False)
    ] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Lift it again, with --reason why that is safe.")] = False,
    as_json: Json = False,
) -> None:
    """The kill switch: with --reason, nothing new takes effect any more, in any run; with --lift too, it is let go.

    It halts within seconds, on every worker, and survives restarts; a call that is already under way may still end.
    All runs are paused, and lifting makes none go on: `bascule resume` does. Works while no service runs, too.
    Without options it says whether it is engaged: exit code 0 it is not, 4 it is.
    """
    session = session_of(context)
    if lift and not reason.strip():
        raise typer.BadParameter("Give a reason why it is safe to go on: it is kept.", param_hint="--reason")
    if not reason.strip():
        raise typer.Exit(_show(session, as_json=as_json))
    body = {"as": actor, "reason": reason}
    if not lift:
        said = _asked(
            session,
            lambda service: service.post("halt", body, within=ANSWER_WITHIN),
            lambda operation: _engaged(operation, actor, reason),
        )
    else:
        said, actor = _lifted_somehow(session, actor, body)
    if as_json:
        session.json(said)
    elif lift:
        session.line(f"Lifted by {actor}. Runs stay paused: `bascule status` lists them, `bascule resume RUN` goes on.")
    else:
        _tell(session, said)


def banner(session: Session, service: Service) -> None:
    """What `status` and `watch` say first while everything is halted."""
    found = service.get("halt", limit=1)["in_force"]
    if found is not None:
        session.line(headline(found))
        session.line()


def headline(found: Mapping[str, Any]) -> str:
    who, why = clean(str(found["by"])), one_line(str(found["reason"]))
    return f"!! HALTED since {moment(float(found['at']))} by {who}: {why}\n   Lift it: {HOW_TO_LIFT}"


def _asked(session: Session, service: Callable[[Service], Any], database: "Callable[[Halt], Any]") -> Any:
    """The service is asked; if it does not know who is signed in, or fails, then with its own token; then not at all.

    So the kill switch works for whoever may read this machine's files, whatever became of their session.
    """
    for way in (Service.of, Service.of_installation):
        try:
            with way(session.data) as found:
                return service(found)
        except Answered as refused:
            if not _may_pass(refused) or not is_of_this_machine():
                raise
            session.note(f"{refused} It is tried another way.")
        except NoService:
            break
    session.note(WITHOUT)
    with _on_the_database(session) as operation:
        return database(operation)


def _may_pass(refused: Answered) -> bool:
    return refused.status in (401, 429) or refused.status >= 500


def _lifted_somehow(session: Session, actor: str, body: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Letting go is no emergency: who is not known signs in first. With it, in whose name it was."""
    try:
        with Service.of(session.data) as service:
            said = service.post("halt/lift", body, within=ANSWER_WITHIN)
            return said, service.acting(actor)
    except NoService:
        session.note(WITHOUT)
        with _on_the_database(session) as operation:
            return _lifted(operation, actor, body["reason"]), actor


def _show(session: Session, *, as_json: bool) -> Exit:
    said = _asked(session, lambda service: service.get("halt"), _standing)
    if as_json:
        session.json(said)
    else:
        session.line(headline(said["in_force"]) if said["in_force"] else "Nothing is halted.")
        for past in said["history"]:
            session.line(_past(past))
    return Exit.REFUSED if said["in_force"] else Exit.DONE


def _past(one: Mapping[str, Any]) -> str:
    began = f"{moment(float(one['at']))} halted by {clean(str(one['by']))}: {one_line(str(one['reason']))}"
    if one["lifted_at"] is None:
        return began
    until = f"{moment(float(one['lifted_at']))} by {clean(str(one['lifted_by']))}: {one_line(str(one['lift_reason']))}"
    return f"{began}\n  lifted {until}"


def _tell(session: Session, said: Mapping[str, Any]) -> None:
    if not said["created"]:
        session.note("It was engaged already, and stays as it is.")
    session.line(headline(said["halt"]))
    if said["paused"]:
        session.line(f"Paused {counted(len(said['paused']), 'run')}: {', '.join(said['paused'])}")
    session.line("A call that was under way may still end: `bascule status` shows what came of it.")


@contextmanager
def _on_the_database(session: Session) -> "Iterator[Halt]":
    """The use case beside whatever else works on the database. Raises CommandError when there is none yet."""
    from orchestrator.cli.inside import settings_of
    from orchestrator.operations.halt import Halt
    from orchestrator.store.database import Database, DatabaseFault

    settings = settings_of(session)
    if not settings.database_url and not settings.database_file.exists():
        raise CommandError(f"Nothing has ever run in {session.data}: there is nothing to halt. Is --data right?")
    database = Database(settings.database)
    try:
        yield Halt.without_engine(database, time.time)
    except DatabaseFault as error:
        raise CommandError(
            f"The database of {session.data} can't be used ({type(error).__name__}): it is locked, away, or of an "
            "older version. Stop the service's processes instead."
        ) from error
    finally:
        database.close()


def _engaged(operation: "Halt", actor: str, reason: str) -> dict[str, Any]:
    done = operation.engage(actor, reason)
    return {"halt": _as_json(done.halted), "created": done.created, "paused": list(done.paused)}


def _lifted(operation: "Halt", actor: str, reason: str) -> dict[str, Any]:
    return _as_json(operation.lift(actor, reason))


def _standing(operation: "Halt") -> dict[str, Any]:
    found = operation.in_force()
    return {"in_force": _as_json(found) if found else None, "history": [_as_json(one) for one in operation.history()]}


def _as_json(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}
