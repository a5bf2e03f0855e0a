"""The audit's chains: verified, exported, and the key that signs their checkpoints. No service is needed."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.session import As, Json, Reason, Session, session_of
from orchestrator.cli.wording import clean, counted

if TYPE_CHECKING:
    from orchestrator.operations.audit_check import Found, Verified
    from orchestrator.store.audit_reading import Source

Database = Annotated[
    str,
    typer.Option(
        "--database", metavar="URL|FILE", show_default="the installation's",
        help="Another database: a copied bascule.db, or postgresql+psycopg://…",
    ),
]  # fmt: skip


def verify(
    context: typer.Context,
    database: Database = "",
    file: Annotated[
        Path | None, typer.Option("--file", metavar="EXPORT", help="An export instead of a database.")
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoints", metavar="DIR|FILE", show_default="the installation's",
            help="Where a witness keeps checkpoints; may be given several times.",
        ),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--key", metavar="KEY|FILE", show_default="the installation's",
            help="A public key that checkpoints may be signed with, as `bascule audit key` printed it.",
        ),
    ] = None,
    seen: Annotated[
        list[str] | None,
        typer.Option("--seen", metavar="NUMBER:DIGEST", help="A checkpoint that a message told of; several times."),
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Verify every chain against itself and against signed checkpoints: finds edits, cuts and forks.

    It reads and never writes, needs no service, and one may run. Exit code 0: all is whole; 1: something is not.
    """
    from orchestrator.operations.audit_check import verify as check

    session = session_of(context)
    given = list(_checkpoints(session, checkpoints, alone=bool(database or file)))
    trusted = frozenset(_keys(session, keys, alone=bool(database or file)))
    with _source(session, database, file) as source:
        found = check(source, given, trusted, dict(_seen(one) for one in seen or ()))
    if as_json:
        session.json(_as_json(found))
    else:
        _tell(session, found)
    raise typer.Exit(Exit.DONE if found.whole else Exit.FAILED)


def export(
    context: typer.Context,
    database: Database = "",
    to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Instead of standard output.")
    ] = None,
) -> None:
    """Write all chains and checkpoints as JSON Lines, which `bascule audit verify --file` verifies alone."""
    from orchestrator.store.audit_reading import Unreadable, export_lines

    session = session_of(context)
    count = 0
    with _source(session, database, None) as source, _written(to) as out:
        try:
            for line in export_lines(source, time.time()):
                out.write(line.encode("utf-8", "backslashreplace") + b"\n")
                count += 1
        except Unreadable as error:
            raise CommandError(f"{error} The export ends there, after {counted(count, 'line')}.") from error
    if to is not None:
        session.note(f"{counted(count, 'line')} written to {to}.")


def key(context: typer.Context) -> None:
    """Print the public key of this installation's checkpoints: keep it elsewhere, `verify --key` takes it.

    The private key is made at first need; it is in `audit/key` of the data directory.
    """
    from orchestrator.store.audit_key import NoKey, signing_key

    session = session_of(context)
    try:
        session.line(signing_key(session.paths.audit).public, copied=True)
    except (NoKey, OSError) as error:
        raise CommandError(str(error)) from error


def forget(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person's name, as the journal has it.")],
    reason: Reason,
    actor: As,
) -> None:
    """Forget who a person is: every list shows a pseudonym from then on, and all chains still verify.

    What somebody wrote into a reason or a comment, and messages that were sent, stay as they are.
    """
    from orchestrator.cli.inside import settings_of
    from orchestrator.operations.forgetting import forget as take_out
    from orchestrator.store.database import Database, DatabaseFault

    session = session_of(context)
    settings = settings_of(session)
    if not settings.database_url and not settings.database_file.exists():
        raise CommandError(f"Nothing has ever run in {session.data}: nobody is known there. Is --data right?")
    opened = Database(settings.database)
    try:
        done = take_out(opened, time.time, name, actor, reason)
    except DatabaseFault as error:
        raise CommandError(
            f"The database can't be used ({type(error).__name__}): it is locked, away, or of an older version."
        ) from error
    finally:
        opened.close()
    session.line(f"Forgotten: {done.pseudonyms[0]} stands where the name stood, in {counted(len(done.runs), 'run')}.")


@contextmanager
def _source(session: Session, database: str, file: Path | None) -> "Iterator[Source]":
    """Raises CommandError."""
    from orchestrator.store.audit_reading import FileSource, NotReadable, open_database

    try:
        if file is not None:
            yield FileSource(file)
            return
        with open_database(_address(session, database)) as source:
            yield source
    except NotReadable as error:
        raise CommandError(str(error)) from error


def _address(session: Session, given: str) -> str:
    from orchestrator.cli.inside import database_address, settings_of

    if not given:
        return settings_of(session).database
    if "://" in given:
        return database_address(given, os.environ)
    path = Path(given).expanduser().absolute()
    return f"sqlite:///{path / 'bascule.db' if path.is_dir() else path}"


def _checkpoints(session: Session, places: list[Path] | None, *, alone: bool) -> "Iterator[Found]":
    """`alone`: what is verified is not this installation's own."""
    from orchestrator.store.checkpoints import read_files

    own = session.paths.audit / "checkpoints"
    for place in places or ([] if alone or not own.is_dir() else [own]):
        try:
            yield from read_files(place)
        except OSError as error:
            raise CommandError(f"The checkpoints at {place} can't be read ({error.strerror}).") from error


def _keys(session: Session, given: list[str] | None, *, alone: bool) -> Iterator[str]:
    from orchestrator.store.audit_key import NoKey, public_key, read_public

    own = public_key(session.paths.audit)
    if not given and not alone and own is not None:
        yield own
    for one in given or ():
        try:
            yield read_public(Path(one).read_text(encoding="ascii") if Path(one).is_file() else one)
        except (NoKey, OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{one}: {error}") from error


def _seen(text: str) -> tuple[int, str]:
    number, _, digest = text.partition(":")
    if not number.isdecimal() or not digest:
        raise typer.BadParameter("Write it NUMBER:DIGEST, as the message has it.", param_hint="--seen")
    return int(number), digest.strip().lower()


@contextmanager
def _written(to: Path | None) -> Iterator[Any]:
    if to is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    try:
        with to.open("wb") as file:
            yield file
    except OSError as error:
        raise CommandError(f"{to} can't be written ({error.strerror}).") from error


def _tell(session: Session, found: "Verified") -> None:
    for one in found.faulty:
        session.line(
            f"{clean(one.chain)}: {counted(one.found, 'finding')} in {counted(one.entries, 'entry', 'entries')}"
        )
        for finding in one.findings:
            session.line(f"  {finding.fault.value:<10} {finding.seq:>6}  {_when(finding.at)}  {finding.message}")
        if one.found > len(one.findings):
            session.line(f"  … and {one.found - len(one.findings)} more")
    for flaw in found.flaws:
        session.line(f"checkpoint {flaw.number}  {_when(flaw.at)}  {flaw.message}")
    for where, why in found.unread:
        session.line(f"{where}: {why}")
    if found.broken_off:
        session.line(f"{found.broken_off} Nothing after it was verified.")
    if found.first_key:
        session.note(
            f"No key was named, so the first checkpoint's was believed: {found.first_key}. Name yours with --key."
        )
    session.line(_sum(found))


def _sum(found: "Verified") -> str:
    rate = found.entries / found.seconds if found.seconds else 0.0
    read = f"{counted(found.entries, 'entry', 'entries')} of {counted(found.chains, 'chain')}"
    held = f"{counted(len(found.witnessed.genuine), 'signed checkpoint')}"
    if found.witnessed.genuine:
        held += f" (the last is number {found.witnessed.genuine[-1].number}, {_when(found.witnessed.genuine[-1].at)})"
    word = "All is whole" if found.whole else "Not whole"
    return f"{word}: {read}, held against {held}; {found.seconds:.1f} s, {rate:,.0f} entries a second."


def _when(at: float | None) -> str:
    """UTC; whatever somebody wrote into a time column included."""
    try:
        return datetime.fromtimestamp(at or 0.0, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else "no time"
    except (ValueError, OverflowError, OSError):
        return "no time"


def _as_json(found: "Verified") -> dict[str, Any]:
    fields = ("chain", "seq", "at", "message")
    return {
        "whole": found.whole,
        "chains": {name: {"length": one.length, "head": one.head} for name, one in sorted(found.heads.items())},
        "entries": found.entries,
        "bytes": found.bytes,
        "seconds": found.seconds,
        "findings": [
            {"fault": one.fault.value, **{name: getattr(one, name) for name in fields}} for one in found.findings
        ],
        "found": sum(one.found for one in found.faulty),
        "checkpoints": [{"number": p.number, "at": p.at, "digest": p.digest} for p in found.witnessed.genuine],
        "flaws": [{"number": one.number, "at": one.at, "message": one.message} for one in found.flaws],
        "unread": [{"where": where, "message": why} for where, why in found.unread],
        "broken_off": found.broken_off,
        "believed_key": found.first_key,
    }
