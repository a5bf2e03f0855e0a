"""Named queries on halts. At most one is in force; a line of the history is completed once, and never removed."""

import sqlalchemy as sa

from orchestrator.domain.halt import Halt, Halted
from orchestrator.store import audit
from orchestrator.store.tables import halts

_IN_FORCE = sa.select(halts.c.id, halts.c.at, halts.c.by, halts.c.reason).where(halts.c.lifted_at.is_(None)).limit(1)


def in_force(conn: sa.Connection) -> Halted | None:
    """Every claim asks this in its own transaction."""
    row = conn.execute(_IN_FORCE).one_or_none()
    return None if row is None else Halted(row.id, row.at, row.by, row.reason)


def exclude(conn: sa.Connection) -> None:
    """Until this transaction ends, nobody engages or lifts a halt. On SQLite writers take turns anyway."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("LOCK TABLE halts IN ROW EXCLUSIVE MODE"))


def exclude_all(conn: sa.Connection) -> None:
    """Nobody else who called `exclude` is under way, or begins: what follows is seen by all of them."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("LOCK TABLE halts IN SHARE ROW EXCLUSIVE MODE"))


def engage(conn: sa.Connection, at: float, by: str, reason: str) -> Halted:
    """The caller holds `exclude_all`, and none is in force."""
    row = {"at": at, "by": by, "reason": reason}
    made = conn.execute(sa.insert(halts).values(row).returning(halts.c.id)).scalar_one()
    audit.record(conn, "halt.engaged", by, {"halt": made, "reason": reason}, at)
    return Halted(made, at, by, reason)


def lift(conn: sa.Connection, halt_id: int, at: float, by: str, reason: str) -> bool:
    """False when it was lifted before."""
    said = {"lifted_at": at, "lifted_by": by, "lift_reason": reason}
    query = sa.update(halts).where(halts.c.id == halt_id, halts.c.lifted_at.is_(None)).values(said)
    if conn.execute(query.returning(halts.c.id)).one_or_none() is None:
        return False
    audit.record(conn, "halt.lifted", by, {"halt": halt_id, "reason": reason}, at)
    return True


def listed(conn: sa.Connection, limit: int) -> list[Halt]:
    """The newest first."""
    query = sa.select(halts).order_by(halts.c.id.desc()).limit(limit)
    return [
        Halt(row.id, row.at, row.by, row.reason, row.lifted_at, row.lifted_by, row.lift_reason)
        for row in conn.execute(query)
    ]
