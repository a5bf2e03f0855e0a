"""What Bascule made outside: listed, and the strays among it kept or released."""

from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from orchestrator.cli.client import Service
from orchestrator.cli.completion import scopes
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.session import As, Json, Reason, Session, session_of
from orchestrator.cli.wording import clean, counted, one_line

Scope = Annotated[str, typer.Option("--scope", "-s", help="The scope whose clouds are asked.", autocompletion=scopes)]
ThingId = Annotated[str, typer.Argument(metavar="ID", help="The thing's id at its provider, as the list shows it.")]


def listed(context: typer.Context, scope: Scope = "live", as_json: Json = False) -> None:
    """Everything that Bascule made at the clouds of a scope, by its tags, and which run stands behind it.

    What no run stands behind is quarantined: it is noted and asked about, and stays until a person decides.
    Exit code: 0 all is accounted for, 1 a cloud could not be asked, 3 something waits for a person's word.
    """
    if context.invoked_subcommand is not None:
        return
    session = session_of(context)
    with Service.of(session.data) as service:
        found = service.get("resources", scope=scope)
    if as_json:
        session.json(found)
    else:
        _show(session, scope, found)
    waiting = any(one["quarantined"] for one in found["resources"])
    raise typer.Exit(Exit.WAITS if waiting else Exit.FAILED if found["unread"] else Exit.DONE)


def keep(context: typer.Context, thing: ThingId, actor: As, reason: Reason = "", scope: Scope = "live") -> None:
    """A stray stays, and is not asked about again."""
    session = session_of(context)
    with Service.of(session.data) as service:
        kept = service.post("resources/keep", {"scope": scope, "id": thing, "as": actor, "reason": reason})
    session.line(f"Kept: {kept['kind']} {kept['name']} ({thing}).")


def release(
    context: typer.Context,
    thing: ThingId,
    name: Annotated[str, typer.Argument(help="The thing's name, so that a wrong id releases nothing.")],
    actor: As,
    reason: Reason = "",
    scope: Scope = "live",
) -> None:
    """A stray goes, with everything that came with it. What a run stands behind is refused."""
    session = session_of(context)
    body = {"scope": scope, "id": thing, "name": name, "as": actor, "reason": reason}
    with Service.of(session.data) as service:
        said = service.post("resources/release", body)
    if not said["gone"]:
        raise CommandError(f"{name} ({thing}) is being released and not gone yet; list again in a while.", Exit.FAILED)
    session.line(f"Released: {name} ({thing}).")


def _show(session: Session, scope: str, found: dict[str, Any]) -> None:
    resources = found["resources"]
    if resources:
        session.out.print(_table(resources))
    elif not found["unread"]:
        session.line(f"Bascule made nothing that is still there in {scope}.")
    for provider, why in found["unread"].items():
        session.line(f"! {provider} could not be asked: {one_line(why)}")
    waiting = [one for one in resources if one["quarantined"]]
    if waiting:
        session.line(f"{counted(len(waiting), 'thing')} with no run behind it; decide with one of:")
        for one in waiting:
            session.line(f"  bascule resources release {one['id']} {one['name']} -s {scope}", copied=True)
            session.line(f"  bascule resources keep {one['id']} -s {scope}", copied=True)


def _table(resources: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("what", "at", "id", "run", "standing"):
        table.add_column(heading, overflow="fold")
    for one in resources:
        standing = f"{one['standing']}, kept" if one["decision"] == "keep" else one["standing"]
        cells = (f"{one['kind']} {one['name']}", one["provider"], one["id"], one["run"] or "–", standing)
        table.add_row(*(Text(clean(cell)) for cell in cells))
    return table
