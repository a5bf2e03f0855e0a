"""The estate: is it valid, what may it hold, which commit counts."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from orchestrator.cli.client import Service
from orchestrator.cli.estate_files import advice_at, problems_at
from orchestrator.cli.exits import Exit, NoService
from orchestrator.cli.session import As, Json, Reason, Session, session_of
from orchestrator.cli.wording import counted, moment, one_line
from orchestrator.domain.schema import estate_schema, runbook_schema


def validate(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="An estate's directory, or one of its files.")],
    as_json: Json = False,
) -> None:
    """Check an estate or one runbook: every problem at once, each with its place and its remedy.

    What is allowed and could be better is told on standard error. Needs no service.
    With --json: an array of {file, line, column, message, remedy}.
    """
    session = session_of(context)
    problems = problems_at(path)
    if as_json:
        session.json([problem.as_json() for problem in problems])
    else:
        for problem in problems:
            session.line(f"{problem.file}:{problem.line}:{problem.column}: {problem.message}")
            session.line(f"    {problem.remedy}")
        for one in [] if problems else advice_at(path):
            session.note(f"{one.file}:{one.line}:{one.column}: {one.message}")
            session.note(f"    {one.remedy}")
        session.line(f"{counted(len(problems), 'problem')}." if problems else f"{path} is valid.")
    raise typer.Exit(Exit.FAILED if problems else Exit.DONE)


def schema(
    context: typer.Context,
    what: Annotated[Literal["runbook", "estate"], typer.Argument(help="runbooks/*.yaml, or bascule.yaml")] = "runbook",
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of a runbook or of bascule.yaml, for completion in editors. It is JSON either way."""
    del as_json
    session_of(context).json(runbook_schema() if what == "runbook" else estate_schema())


def sync(context: typer.Context, actor: As, as_json: Json = False) -> None:
    """Fetch the estate now and accept its newest commit, if it is valid.

    Without a running service this is done in this process.
    """
    session = session_of(context)
    try:
        with Service.of(session.data) as service:
            said: dict[str, Any] = service.post("estate/sync", {"as": actor})
            commit, new = str(said["commit"]), bool(said["new"])
    except NoService:
        from orchestrator.cli.inside import bascule_inside

        with bascule_inside(session) as bascule:
            commit, new = bascule.estates.sync(actor)
    if as_json:
        session.json({"commit": commit, "new": new})
    else:
        session.line(f"Estate {commit}, {'accepted now' if new else 'known already'}.")


def accept(
    context: typer.Context,
    commit: Annotated[str, typer.Argument(help="The branch's newest commit, as you looked at it; 12 digits at least.")],
    actor: As,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Accept a commit that does not come after the one accepted last: a history that was rewritten or wound back.

    It is still to be signed and valid. Without a running service this is done in this process.
    """
    session = session_of(context)
    if not reason.strip():
        raise typer.BadParameter("Give a reason: it is kept.", param_hint="--reason")
    try:
        with Service.of(session.data) as service:
            order = {"as": actor, "commit": commit, "reason": reason}
            said: dict[str, Any] = service.post("estate/accept", order)
            accepted, new = str(said["commit"]), bool(said["new"])
    except NoService:
        from orchestrator.cli.inside import bascule_inside

        with bascule_inside(session) as bascule:
            accepted, new = bascule.estates.accept(commit, actor, reason)
    if as_json:
        session.json({"commit": accepted, "new": new})
    else:
        session.line(f"Estate {accepted}, {'accepted now' if new else 'known already'}.")


def show(context: typer.Context, as_json: Json = False) -> None:
    """The accepted commit, who signed it, its services and scopes; and what was refused since."""
    session = session_of(context)
    with Service.of(session.data) as service:
        said = service.get("estate")
    if as_json:
        session.json(said)
    else:
        _show(session, said)


def _show(session: Session, said: dict[str, Any]) -> None:
    session.line(f"Estate {said['name']} at {said['commit']}")
    session.line(f"  from {said['url']}, branch {said['branch']}")
    session.line(f"  accepted {moment(said['accepted_at'])}, brought by {said['accepted_by']}")
    if said["reason"]:
        session.line(f"  by a person's word: {one_line(said['reason'])}")
    session.line(f"  {signed_words(said)}")
    if said["refused"]:
        session.line(f"  refused since: {one_line(said['refused']['detail'])}")
    for service in said["services"]:
        needs = f", needs {', '.join(service['needs'])}" if service["needs"] else ""
        session.line(f"  service {service['name']}: {service['vendor']} → {service['target']}{needs}")
    for scope in said["scopes"]:
        session.line(f"  scope {scope['name']}: {scope['mode']}")


def signed_words(said: dict[str, Any]) -> str:
    """`signed by alice@town.example (SHA256:…); policy by …`, or that nobody signed."""
    if said["signed"] is None:
        return "unsigned: nothing proves who wrote it"
    by = f"signed by {_signer(said['signed'])}"
    policy = " and ".join(_signer(one) for one in said["policy_signed"])
    return f"{by}; its policy by {policy}" if policy else by


def _signer(one: dict[str, Any]) -> str:
    return one_line(f"{', '.join(one['principals'])} ({one['key']})")
