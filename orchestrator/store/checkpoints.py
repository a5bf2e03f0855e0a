"""Checkpoints in the database, in files, and the queue of those that witnesses are still to be given."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from orchestrator.domain.audit.chain import ADMINISTRATION, genesis, run_chain
from orchestrator.domain.audit.checkpoint import Checkpoint, Head, NoCheckpoint, Signed, read
from orchestrator.store.runs import Row, insert_or_ignore
from orchestrator.store.tables import audit_checkpoints, audit_deliveries, audit_entries, audit_heads, runs

_HASH = re.compile(r"[0-9a-f]{64}\Z")
NO_HASH = "0" * 64
WAITING, SENT, GIVEN_UP = "waiting", "sent", "given_up"


@dataclass(frozen=True, slots=True)
class Due:
    """A checkpoint's line that a witness is to be given, for the `tries`-th time."""

    number: int
    witness: str
    tries: int
    line: str


def heads(conn: sa.Connection) -> dict[str, Head]:
    """Of every chain at this moment, as the rows tell it."""
    found = {row.chain: _head(row.chain, row.length, row.head) for row in conn.execute(sa.select(audit_heads))}
    query = sa.select(runs.c.id, runs.c.seq, runs.c.head)
    return found | {(chain := run_chain(row.id)): _head(chain, row.seq, row.head) for row in conn.execute(query)}


def _head(chain: str, length: object, head: object) -> Head:
    """SQLite keeps whatever is put into a column; what is no length or hash is none."""
    count = length if isinstance(length, int) and length >= 0 else 0
    right = isinstance(head, str) and _HASH.match(head)
    return Head(count, str(head) if right else genesis(chain) if not head else NO_HASH)


def newest(conn: sa.Connection) -> Row | None:
    query = sa.select(audit_checkpoints).order_by(audit_checkpoints.c.number.desc()).limit(1)
    return conn.execute(query).one_or_none()


def run_ended(conn: sa.Connection, covered: int) -> bool:
    """Whether a run has ended since the administration's chain was that long."""
    new = (audit_entries.c.chain == ADMINISTRATION, audit_entries.c.seq > covered)
    query = sa.select(audit_entries.c.seq).where(*new, audit_entries.c.kind == "run.finished").limit(1)
    return conn.execute(query).one_or_none() is not None


def keep(conn: sa.Connection, signed: Signed, witnesses: Sequence[str]) -> bool:
    """Keep a checkpoint and queue it for its witnesses; False when another worker made one of this number."""
    point = signed.checkpoint
    covered = point.chains[ADMINISTRATION].length
    row = {"number": point.number, "at": point.at, "covered": covered, "digest": point.digest, "line": signed.line}
    if not insert_or_ignore(conn, audit_checkpoints, row):
        return False
    waiting = {"number": point.number, "state": WAITING, "tries": 0, "next_at": point.at, "message": ""}
    for witness in witnesses:
        insert_or_ignore(conn, audit_deliveries, {**waiting, "witness": witness[:300]})
    return True


def _due(now: float, directories: Sequence[str]) -> "tuple[sa.ColumnElement[bool], ...]":
    """Directories are a worker's own: another would write elsewhere."""
    place = audit_deliveries.c.witness
    mine = sa.or_(place.in_(directories), place.not_like("directory:%"))
    return (audit_deliveries.c.state == WAITING, audit_deliveries.c.next_at <= now, mine)


def claim(conn: sa.Connection, now: float, lasts: float, directories: Sequence[str]) -> Due | None:
    """The next that a witness is due, which is nobody else's for `lasts` seconds."""
    order = (audit_deliveries.c.next_at, audit_deliveries.c.number, audit_deliveries.c.witness)
    first = (
        sa.select(audit_deliveries, audit_checkpoints.c.line)
        .join(audit_checkpoints, audit_checkpoints.c.number == audit_deliveries.c.number)
        .where(*_due(now, directories))
        .order_by(*order)
        .limit(1)
        .with_for_update(of=audit_deliveries, skip_locked=True)
    )
    row = conn.execute(first).one_or_none()
    if row is None:
        return None
    conn.execute(_of(row.number, row.witness).values(next_at=now + lasts, tries=row.tries + 1))
    return Due(row.number, row.witness, row.tries + 1, row.line)


def is_due(conn: sa.Connection, now: float, directories: Sequence[str]) -> bool:
    query = sa.select(audit_deliveries.c.number).where(*_due(now, directories)).limit(1)
    return conn.execute(query).one_or_none() is not None


def sent(conn: sa.Connection, number: int, witness: str, message: str) -> None:
    conn.execute(_of(number, witness).values(state=SENT, message=message))


def failed(conn: sa.Connection, number: int, witness: str, message: str, again_at: float | None) -> None:
    """`again_at` None: nobody tries again."""
    change = {"message": message, "state": GIVEN_UP} if again_at is None else {"message": message, "next_at": again_at}
    conn.execute(_of(number, witness).values(change))


def deliveries(conn: sa.Connection, number: int | None = None) -> Sequence[Row]:
    query = sa.select(audit_deliveries).order_by(audit_deliveries.c.number, audit_deliveries.c.witness)
    return conn.execute(query if number is None else query.where(audit_deliveries.c.number == number)).all()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a witness has come. `number`: of the last checkpoint that it took; `message`: what it said last."""

    witness: str
    number: int | None
    waiting: int
    given_up: int
    message: str


def latest(conn: sa.Connection, limit: int) -> Sequence[Row]:
    """The newest first, without their lines."""
    c = audit_checkpoints.c
    query = sa.select(c.number, c.at, c.covered, c.digest).order_by(c.number.desc()).limit(limit)
    return list(conn.execute(query))


def witnesses(conn: sa.Connection) -> list[Standing]:
    """Every witness that was ever to be given a checkpoint, in the order of their names."""
    d = audit_deliveries.c
    number = sa.func.max(sa.case((d.state == SENT, d.number)))
    waiting, given_up = (sa.func.sum(sa.case((d.state == state, 1), else_=0)) for state in (WAITING, GIVEN_UP))
    query = sa.select(d.witness, number, waiting, given_up, sa.func.max(d.number)).group_by(d.witness)
    found = []
    for name, taken, waits, gone, last in conn.execute(query.order_by(d.witness)).all():
        said = sa.select(d.message).where(d.witness == name, d.number == last)
        found.append(Standing(name, taken, int(waits), int(gone), conn.execute(said).scalar_one()))
    return found


def _of(number: int, witness: str) -> "sa.Update":
    where = (audit_deliveries.c.number == number, audit_deliveries.c.witness == witness)
    return sa.update(audit_deliveries).where(*where)


def file_name(checkpoint: Checkpoint) -> str:
    """Sorted as their numbers are; two that differ never share a name."""
    return f"checkpoint-{checkpoint.number:08d}-{checkpoint.digest[:12]}.json"


def write_file(folder: Path, signed: Signed) -> Path:
    """Whole or not at all, and never over another; that it is there already is as good. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / file_name(signed.checkpoint)
    if path.exists():
        return path
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with new.open("w", encoding="utf-8") as file:
        file.write(signed.line + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return path


def read_files(place: Path) -> Iterator[tuple[str, Signed | NoCheckpoint]]:
    """Every checkpoint of a file (one a line) or of the files of a folder, with where it stands. Raises OSError."""
    files = sorted(place.glob("*.json*")) if place.is_dir() else [place]
    for file in files:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield f"{file}:{number}", parsed(line)


def parsed(line: str) -> Signed | NoCheckpoint:
    try:
        return read(line)
    except NoCheckpoint as error:
        return error


def kept(conn: sa.Connection) -> Iterator[tuple[str, Signed | NoCheckpoint]]:
    """Those in the database, in the order of their numbers."""
    query = sa.select(audit_checkpoints.c.number, audit_checkpoints.c.line).order_by(audit_checkpoints.c.number)
    for row in conn.execute(query):
        yield f"the database's checkpoint {row.number}", parsed(row.line)
