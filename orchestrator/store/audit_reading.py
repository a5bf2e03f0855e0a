"""Every chain as it stands in a database, a copy of one, or an export: read only, one entry after the other."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import sqlalchemy as sa

from orchestrator.domain.audit.chain import RUN, canonical, entry_text, plain
from orchestrator.domain.audit.checkpoint import Head, NoCheckpoint, Signed
from orchestrator.domain.audit.examination import Stored
from orchestrator.store import checkpoints
from orchestrator.store.tables import audit_entries, events

_decoded = partial(str, encoding="utf-8", errors="surrogateescape")
"""What is no UTF-8 was not written by us; it is shown, and does not verify."""
AT_ONCE = 5000
"""Rows that are in memory together."""

Chains = Iterator[tuple[str, Iterator[Stored]]]
"""Each chain once, with its entries in ascending order of their numbers; to be read in that order."""


class NotReadable(Exception):
    """What stands there is no audit that this version reads; the text is for a person."""


class Unreadable(Exception):
    """In the middle of a chain something can't be read at all."""


class Source(Protocol):
    """Where chains are read from, as of one moment."""

    def heads(self) -> Mapping[str, Head]:
        """What the source itself says of each chain's end."""
        ...

    def chains(self) -> Chains:
        """The administration's chain first. Raises Unreadable while it is read."""
        ...

    def checkpoints(self) -> Iterator[tuple[str, Signed | NoCheckpoint]]:
        """Those that the source has itself, with where each stands."""
        ...


class DatabaseSource:
    """One read transaction of a database. Made by `open_database`."""

    def __init__(self, conn: sa.Connection) -> None:
        self._conn = conn

    def heads(self) -> Mapping[str, Head]:
        return checkpoints.heads(self._conn)

    def checkpoints(self) -> Iterator[tuple[str, Signed | NoCheckpoint]]:
        yield from checkpoints.kept(self._conn)

    def chains(self) -> Chains:
        e, a = events.c, audit_entries.c
        none = (sa.null().label("step_id"), sa.literal(0).label("attempt"))
        own = sa.select(a.chain, a.seq, a.at, a.kind, a.actor, *none, self._text(a.data), a.hash)
        yield from self._grouped(own.order_by(a.chain, a.seq), "")
        runs = sa.select(e.run_id, e.seq, e.at, e.kind, e.actor, e.step_id, e.attempt, self._text(e.data), e.hash)
        yield from self._grouped(runs.order_by(e.run_id, e.seq), RUN)

    def _text(self, column: "sa.Column[Any]") -> "sa.ColumnElement[Any]":
        """The JSON as it is spelled."""
        if self._conn.dialect.name == "postgresql":
            return sa.cast(column, sa.Text)
        return sa.type_coerce(column, sa.Text)

    def _grouped(self, query: "sa.Select[Any]", prefix: str) -> Chains:
        for chain, rows in groupby(self._rows(query), key=lambda row: row[0]):
            yield f"{prefix}{chain}", (Stored(*row[1:]) for row in rows)

    def _rows(self, query: "sa.Select[Any]") -> Iterator[Any]:
        try:
            yield from self._conn.execute(query, execution_options={"yield_per": AT_ONCE})
        except (sa.exc.DBAPIError, UnicodeDecodeError) as error:
            raise Unreadable(f"The database can't say what stands there ({type(error).__name__}).") from error


@contextmanager
def open_database(url: str) -> Iterator[DatabaseSource]:
    """A source on a database; nothing in it is changed, its service may run. Raises NotReadable."""
    engine = _read_only(url)
    try:
        with engine.connect() as conn:
            if conn.dialect.name == "sqlite":
                conn.exec_driver_sql("BEGIN")
            if not sa.inspect(conn).has_table("audit_entries"):
                raise NotReadable("The database has no audit: an older version made it; start the service once.")
            yield DatabaseSource(conn)
    except (sa.exc.OperationalError, sa.exc.DatabaseError) as error:
        raise NotReadable(
            f"The database can't be read ({type(error).__name__}: {error.orig}). Is it the right one?"
        ) from error
    finally:
        engine.dispose()


def _read_only(url: str) -> sa.Engine:
    if not url.startswith("sqlite"):
        options = {"isolation_level": "REPEATABLE READ", "hide_parameters": True}
        return sa.create_engine(url, **options, execution_options={"postgresql_readonly": True})
    file = Path(sa.make_url(url).database or "")
    if not file.is_file():
        raise NotReadable(f"There is no database {file}. Is --data right?")
    address = f"file:{quote(str(file))}?mode=ro"
    if not file.with_name(f"{file.name}-wal").exists():
        address += "&immutable=1"  # a copy, or nobody is at it: SQLite need not make its files beside it

    def connect() -> sqlite3.Connection:
        opened = sqlite3.connect(address, uri=True, check_same_thread=False, timeout=30, isolation_level=None)
        opened.text_factory = _decoded
        return opened

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool, hide_parameters=True)


@dataclass(frozen=True, slots=True)
class _Line:
    chain: str
    entry: Stored


class FileSource:
    """An export. Its first line tells the heads; then entries, chain by chain; then checkpoints."""

    def __init__(self, path: Path) -> None:
        """Raises NotReadable."""
        self._path = path
        with _open(path) as lines:
            try:
                first = json.loads(next(lines, ""))
                self._heads = {name: Head(one["length"], one["head"]) for name, one in first["chains"].items()}
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise NotReadable(f"{path} is no export: its first line tells no chains.") from error

    def heads(self) -> Mapping[str, Head]:
        return self._heads

    def checkpoints(self) -> Iterator[tuple[str, Signed | NoCheckpoint]]:
        with _open(self._path) as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith('{"checkpoint":'):
                    yield f"{self._path}:{number}", checkpoints.parsed(line)

    def chains(self) -> Chains:
        for chain, lines in groupby(self._entries(), key=lambda line: line.chain):
            yield chain, (line.entry for line in lines)

    def _entries(self) -> Iterator[_Line]:
        with _open(self._path) as lines:
            for number, line in enumerate(lines, 1):
                if number > 1 and line.strip() and not line.startswith('{"checkpoint":'):
                    yield _line(line, f"{self._path}:{number}")


@contextmanager
def _open(path: Path) -> Iterator[Iterator[str]]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            yield file
    except OSError as error:
        raise NotReadable(f"{path} can't be read ({error.strerror}).") from error


def _line(text: str, where: str) -> _Line:
    try:
        said = plain(text)
        entry = said["entry"]
        seq, data = entry["seq"], canonical(entry["data"])
        if not isinstance(seq, int) or not isinstance(said["chain"], str):
            raise TypeError
        if set(entry) != {"actor", "at", "attempt", "data", "kind", "seq", "step"}:
            raise TypeError
        values = (entry["at"], entry["kind"], entry["actor"], entry["step"], entry["attempt"])
        return _Line(said["chain"], Stored(seq, *values, data, said["hash"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"{where} is no entry of an export.") from error


def export_lines(source: Source, at: float) -> Iterator[str]:
    """All chains as JSON Lines. An entry that has no canonical form is told as it is stored; it does not verify."""
    heads = source.heads()
    ends = {name: {"head": one.head, "length": one.length} for name, one in heads.items()}
    yield canonical({"at": at, "bascule": "audit", "chains": ends})
    for chain, entries in source.chains():
        name = canonical(chain)
        for entry in entries:
            yield f'{{"chain":{name},"hash":{canonical(entry.hash)},"entry":{_exported(entry)}}}'
    for _, signed in source.checkpoints():
        if isinstance(signed, Signed):
            yield signed.line


def _exported(entry: Stored) -> str:
    """The entry, with its data in the spelling that is stored where that is JSON."""
    try:
        data = canonical(json.loads(entry.data))
        return entry_text(entry.seq, entry.at, entry.kind, entry.actor, entry.step, entry.attempt, data)
    except (ValueError, TypeError, RecursionError):
        said = {name: str(getattr(entry, name)) for name in ("at", "kind", "actor", "step", "attempt", "data")}
        return canonical({**said, "seq": entry.seq})
