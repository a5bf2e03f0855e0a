"""What the organisation has at the vendors it may lose."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.client import Service
from orchestrator.cli.completion import scopes
from orchestrator.cli.exits import Exit, NoService
from orchestrator.cli.inventory_page import show_inventory
from orchestrator.cli.session import Json, Session, session_of
from providers.inventory import Inventory, inventory_from_json


def inventory(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="One source of the scope; without it, all of them.")
    ] = None,
    scope: Annotated[
        str, typer.Option("--scope", "-s", help="The scope whose sources are read.", autocompletion=scopes)
    ] = "live",
    last: Annotated[bool, typer.Option("--last", help="Show what was last known, and ask nobody.")] = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIRECTORY", file_okay=False,
                     help="Write it there as well, in a new folder: JSON, and each DNS zone as a zone file."),
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Read what is there at a vendor, servers to DNS zones, while it still answers, and keep it. Changes nothing.

    Exit code: 0 all was read, 1 something could not be; what was read is shown and kept all the same.
    Without a running service it is read in this process. --last needs neither service nor network.
    """
    session = session_of(context)
    found = _last_known(session, scope, source) if last else _read_now(session, scope, source)
    _show(session, found, as_json=as_json)
    if to is not None:
        _export(session, found, to.expanduser().absolute())
    if last or not any(one.troubles for one in found):
        return
    session.note(f"Not all could be read. What was known before: bascule inventory --last --scope {scope}")
    raise typer.Exit(Exit.FAILED)


def _show(session: Session, found: list[Inventory], *, as_json: bool) -> None:
    if as_json:
        session.json([one.as_json() for one in found])
        return
    for number, one in enumerate(found):
        if number:
            session.line()
        show_inventory(session, one)


def _read_now(session: Session, scope: str, source: str | None) -> list[Inventory]:
    asked = {"scope": scope, **({"source": source} if source else {})}
    try:
        with Service.of(session.data) as service:
            said = service.post("inventories", asked)["inventories"]
            return [inventory_from_json(one) for one in said]
    except NoService:
        return _read_here(session, scope, source)


def _read_here(session: Session, scope: str, source: str | None) -> list[Inventory]:
    from orchestrator.cli.inside import bascule_inside, newest_estate

    with bascule_inside(session) as bascule:
        newest_estate(session, bascule, "inventory")
        return bascule.inventories.take(scope, source)


def _last_known(session: Session, scope: str, source: str | None) -> list[Inventory]:
    """From the files of the data directory alone: it works beside a running service, and without a database."""
    from orchestrator.operations.inventories import last_inventories

    return last_inventories(session.paths.inventories, scope, source)


def _export(session: Session, found: list[Inventory], directory: Path) -> None:
    from orchestrator.operations.inventory_export import export_inventory

    for one in found:
        if one.read_at:
            session.note(f"Written to {export_inventory(one, directory)}")
        else:
            session.note(f"Nothing of {one.source} could be read, so nothing of it is written.")
