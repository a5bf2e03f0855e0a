"""`bascule signals probe`: look once now, with what the estate in this directory says."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.estate_files import bundle_at
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.session import Json, Session, session_of
from orchestrator.domain.wording import did_you_mean


def probe(
    context: typer.Context,
    vendor: Annotated[str, typer.Argument(metavar="[VENDOR]", help="Only this vendor or control.")] = "",
    estate: Annotated[
        Path, typer.Option("--in", metavar="DIR", file_okay=False, help="The estate's directory, as it is now.")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Look once with every sensor of the block `probes`, and show what each saw. Stores nothing, needs no service.

    Reads the estate from its directory, so that a change can be tried before it is committed; secrets are those of the
    data directory. Exit code: 0 all could look, whatever they saw; 1 some could not.
    """
    from orchestrator.cli.inside import secrets_beside
    from orchestrator.cli.probe_page import sight_lines
    from orchestrator.engine.workshop import EstateWorkshop
    from orchestrator.operations.looking import look_at_all
    from orchestrator.operations.probing import watched_by

    session = session_of(context)
    bundle = bundle_at(estate)
    watched = watched_by("", bundle)
    if watched is None:
        raise CommandError(f"{estate / 'bascule.yaml'} has no block `probes` below `signals`: docs/probes.md has one.")
    looks = [look for look in watched.lookout.looks if vendor in ("", look.vendor)]
    if not looks:
        known = {look.vendor for look in watched.lookout.looks}
        otherwise = did_you_mean(vendor, known, "Name a vendor or control of the block `probes`.")
        raise CommandError(f"Nothing looks at {vendor!r}. {otherwise}" if vendor else "The block names no sensor.")
    scope: Mapping[str, Any] = bundle.estate.scopes[watched.lookout.scope].model_dump(mode="json", by_alias=True)
    with tempfile.TemporaryDirectory(prefix="bascule-probe-") as work:
        modes = {name: one.mode for name, one in bundle.estate.scopes.items()}
        with secrets_beside(session, modes.get) as secrets:
            workshop = EstateWorkshop(lambda *_: scope, lambda _: estate.resolve(), secrets, Path(work))
            sights = look_at_all(workshop, watched, time.time, looks)
    if as_json:
        session.json([{**one.observation.as_json(), "words": one.words} for one in sights])
    else:
        _show(session, list(sight_lines(sights)))
    blind = any(one.observation.outcome == "unknown" for one in sights)
    raise typer.Exit(Exit.FAILED if blind else Exit.DONE)


def _show(session: Session, lines: list[str]) -> None:
    for line in lines:
        session.line(line, copied=True)
