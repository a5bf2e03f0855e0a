"""Which commits of the estate were accepted, when and by whom."""

from typing import Any

import sqlalchemy as sa

from orchestrator.store import audit
from orchestrator.store.runs import insert_or_ignore
from orchestrator.store.tables import estate_commits


def newest(conn: sa.Connection) -> "sa.Row[Any] | None":
    return conn.execute(sa.select(estate_commits).order_by(estate_commits.c.seq.desc()).limit(1)).one_or_none()


def accept(conn: sa.Connection, commit: str, by: str, at: float) -> bool:
    """Journal that a commit was accepted; False when it is the newest already."""
    last = newest(conn)
    if last is not None and last.commit == commit:
        return False
    known = conn.execute(sa.select(estate_commits.c.seq).where(estate_commits.c.commit == commit)).one_or_none()
    if known is not None:
        return False
    row = {"commit": commit, "accepted_at": at, "accepted_by": by, "previous": last.commit if last else None}
    if not insert_or_ignore(conn, estate_commits, row):
        return False
    audit.record(conn, "estate.accepted", by, {"commit": commit, "previous": row["previous"]}, at)
    return True


def history(conn: sa.Connection, limit: int = 50) -> "list[sa.Row[Any]]":
    return list(conn.execute(sa.select(estate_commits).order_by(estate_commits.c.seq.desc()).limit(limit)))
