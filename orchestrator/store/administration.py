"""Named queries on the administration's chain as people read it: page by page, the newest first.

What one page looks at is bounded: who looks for something rare is told how far it was looked for, and looks on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.domain.audit.chain import ADMINISTRATION
from orchestrator.store.runs import Row
from orchestrator.store.tables import audit_entries

LOOKED_AT = 20_000
"""Entries that one page looks at."""

_E = audit_entries.c


@dataclass(frozen=True, slots=True)
class Entries:
    """`before`: where the next page begins; None where this one reached the beginning."""

    rows: Sequence[Row]
    before: int | None


def page(
    conn: sa.Connection, before: int | None, limit: int, kind: str = "", actors: Collection[str] | None = None
) -> Entries:
    """Entries before this number (None: the newest). `kind`: all of it, or its beginning where it ends with a point.

    `actors`: by one of these, as the chain calls them; None: by anybody.
    """
    top = _length(conn) + 1 if before is None else before
    floor = max(top - LOOKED_AT, 1)
    where: list[sa.ColumnElement[bool]] = [_E.chain == ADMINISTRATION, _E.seq < top, _E.seq >= floor]
    if kind:
        where.append(_E.kind.startswith(kind, autoescape=True) if kind.endswith(".") else _E.kind == kind)
    if actors is not None:
        where.append(_E.actor.in_(actors))
    query = sa.select(audit_entries).where(*where).order_by(_E.seq.desc()).limit(limit)
    rows = conn.execute(query).all()
    if len(rows) == limit:
        return Entries(rows, rows[-1].seq if rows[-1].seq > 1 else None)
    return Entries(rows, floor if floor > 1 else None)


def kinds(conn: sa.Connection) -> Sequence[str]:
    """Of the newest entries, in alphabetical order."""
    floor = _length(conn) - LOOKED_AT
    query = sa.select(_E.kind).where(_E.chain == ADMINISTRATION, _E.seq > floor).distinct().order_by(_E.kind)
    return conn.execute(query).scalars().all()


def newest(conn: sa.Connection, kind: str) -> Row | None:
    """The last entry of this kind, if it is among the newest."""
    return next(iter(page(conn, None, 1, kind).rows), None)


def _length(conn: sa.Connection) -> int:
    query = sa.select(sa.func.coalesce(sa.func.max(_E.seq), 0)).where(_E.chain == ADMINISTRATION)
    return int(conn.execute(query).scalar_one())
