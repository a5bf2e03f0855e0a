"""Named queries on notices: messages to people that wait to be sent, each once for each channel."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from orchestrator.store.runs import Row, insert_or_ignore
from orchestrator.store.tables import notices

LONGEST_WAIT = 3600.0
"""Seconds; nothing waits for longer than that until it is tried again."""
WAITING, SENT, GIVEN_UP = "waiting", "sent", "given_up"


def add(
    conn: sa.Connection,
    key: str,
    commit: str,
    scope: str,
    channels: Sequence[str],
    title: Mapping[str, str],
    body: Mapping[str, str],
    now: float,
) -> None:
    """Queue a message for every channel of the scope. One with the same key is there once."""
    row = {"commit": commit, "scope": scope, "title": dict(title), "body": dict(body), "created_at": now}
    row |= {"state": WAITING, "tries": 0, "next_at": now, "message": ""}
    for channel in channels:
        insert_or_ignore(conn, notices, {**row, "key": f"{key}:{channel}"[:200], "channel": channel})


def claim(conn: sa.Connection, now: float, lasts: float) -> Row | None:
    """The next that is due, which is nobody else's for `lasts` seconds."""
    due = _due(now)
    first = sa.select(notices.c.id).where(*due).order_by(notices.c.next_at, notices.c.id).limit(1)
    if conn.dialect.name == "postgresql":
        first = first.with_for_update(skip_locked=True)
    taken = {"next_at": now + lasts, "tries": notices.c.tries + 1}
    query = sa.update(notices).where(notices.c.id == first.scalar_subquery(), *due).values(taken).returning(notices)
    return conn.execute(query).one_or_none()


def _due(now: float) -> "tuple[sa.ColumnElement[bool], ...]":
    """A time that lies too far ahead was written by a clock that was wrong."""
    return notices.c.state == WAITING, sa.or_(notices.c.next_at <= now, notices.c.next_at > now + LONGEST_WAIT)


def is_due(conn: sa.Connection, now: float) -> bool:
    where = _due(now)
    return conn.execute(sa.select(notices.c.id).where(*where).limit(1)).one_or_none() is not None


def sent(conn: sa.Connection, notice_id: int, message: str) -> None:
    conn.execute(sa.update(notices).where(notices.c.id == notice_id).values(state=SENT, message=message))


def failed(conn: sa.Connection, notice_id: int, message: str, again_at: float | None) -> None:
    """`again_at` None: nobody tries again."""
    change = {"message": message, "state": GIVEN_UP} if again_at is None else {"message": message, "next_at": again_at}
    conn.execute(sa.update(notices).where(notices.c.id == notice_id).values(change))


def newest(conn: sa.Connection, prefix: str) -> float | None:
    """When the last one whose key begins so was written."""
    query = sa.select(sa.func.max(notices.c.created_at)).where(notices.c.key.startswith(prefix, autoescape=True))
    at: float | None = conn.execute(query).scalar_one()
    return at


def listed(conn: sa.Connection, prefix: str) -> Sequence[Row]:
    """Those whose key begins so, in the order in which they were written."""
    query = sa.select(notices).where(notices.c.key.startswith(prefix, autoescape=True))
    return conn.execute(query.order_by(notices.c.id)).all()


def page(conn: sa.Connection, before: int | None, limit: int, state: str = "") -> Sequence[Row]:
    """Those before this number (None: the newest), the newest first; of one state, or of all."""
    query = sa.select(notices).order_by(notices.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(notices.c.id < before)
    return conn.execute(query.where(notices.c.state == state) if state else query).all()
