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
from orchestrator.cli.wording import clean, one_line
from orchestrator.domain.halt import HOW_TO_LIFT
from orchestrator.web.times import moment
from orchestrator.web.words import Language, say

if TYPE_CHECKING:
    from orchestrator.operations.halt import Halt

ANSWER_WITHIN = 5.0
"""Seconds after which a service that hangs is passed by."""


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
        raise typer.BadParameter(session.say("cli.halt.why_safe"), param_hint="--reason")
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
        session.line(session.say("cli.halt.lifted", by=actor, list="bascule status", resume="bascule resume RUN"))
    else:
        _tell(session, said)


def banner(session: Session, service: Service) -> None:
    """What `status` and `watch` say first while everything is halted."""
    found = service.get("halt", limit=1)["in_force"]
    if found is not None:
        session.line(headline(session.language, found))
        session.line()


def headline(language: Language, found: Mapping[str, Any]) -> str:
    who, why = clean(str(found["by"])), one_line(str(found["reason"]))
    since = moment(language, float(found["at"]))
    told = say(language, "cli.halt.in_force", since=since, by=who, reason=why)
    return f"!! {told}\n   {say(language, 'cli.halt.lift', command=HOW_TO_LIFT)}"


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
            session.note(session.say("cli.halt.another_way", refusal=refused.told(session.language)))
        except NoService:
            break
    session.note(session.say("cli.halt.without"))
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
        session.note(session.say("cli.halt.without"))
        with _on_the_database(session) as operation:
            return _lifted(operation, actor, body["reason"]), actor


def _show(session: Session, *, as_json: bool) -> Exit:
    said = _asked(session, lambda service: service.get("halt"), _standing)
    if as_json:
        session.json(said)
    else:
        found = said["in_force"]
        session.line(headline(session.language, found) if found else session.say("cli.halt.none"))
        for past in said["history"]:
            session.line(_past(session.language, past))
    return Exit.REFUSED if said["in_force"] else Exit.DONE


def _past(language: Language, one: Mapping[str, Any]) -> str:
    at, by, reason = moment(language, float(one["at"])), clean(str(one["by"])), one_line(str(one["reason"]))
    began = say(language, "cli.halt.began", at=at, by=by, reason=reason)
    if one["lifted_at"] is None:
        return began
    at, by = moment(language, float(one["lifted_at"])), clean(str(one["lifted_by"]))
    return f"{began}\n  {say(language, 'cli.halt.until', at=at, by=by, reason=one_line(str(one['lift_reason'])))}"


def _tell(session: Session, said: Mapping[str, Any]) -> None:
    if not said["created"]:
        session.note(session.say("cli.halt.already"))
    session.line(headline(session.language, said["halt"]))
    if said["paused"]:
        session.line(session.say("cli.halt.paused", count=len(said["paused"]), runs=", ".join(said["paused"])))
    session.line(session.say("cli.halt.under_way", command="bascule status"))


@contextmanager
def _on_the_database(session: Session) -> "Iterator[Halt]":
    """The use case beside whatever else works on the database. Raises CommandError when there is none yet."""
    from orchestrator.cli.inside import settings_of
    from orchestrator.operations.halt import Halt
    from orchestrator.store.database import Database, DatabaseFault

    settings = settings_of(session)
    if not settings.database_url and not settings.database_file.exists():
        raise CommandError.of("cli.halt.nothing", data=session.data)
    database = Database(settings.database)
    try:
        yield Halt.without_engine(database, time.time)
    except DatabaseFault as error:
        raise CommandError.of("cli.halt.database", data=session.data, kind=type(error).__name__) from error
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
