"""Named queries on observations: they are only ever added, and go when they are old."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.signals.observation import Observation
from orchestrator.store.runs import insert_or_ignore
from orchestrator.store.tables import observations
from orchestrator.store.text import storable

_FIELDS = Observation._fields


def add(
    conn: sa.Connection,
    observation: Observation,
    received: float,
    *,
    key: str = "",
    source: str = "",
    delivery: int | None = None,
) -> bool:
    """False when one with this key is there already. Without a key, nothing shows a repetition."""
    row: dict[str, Any] = storable({**observation._asdict(), "received_at": received, "source": source})
    return insert_or_ignore(conn, observations, {**row, "delivery_id": delivery, "key": key or None})


def between(conn: sa.Connection, since: float, until: float, vendor: str = "") -> Iterator[Observation]:
    """Those of `since` <= at < `until`, in the order of their times; late ones are in their place."""
    where = [observations.c.at >= since, observations.c.at < until]
    if vendor:
        where.append(observations.c.vendor == vendor)
    columns = [observations.c[name] for name in _FIELDS]
    found = conn.execute(sa.select(*columns).where(*where).order_by(observations.c.at, observations.c.id))
    return (Observation(*row) for row in found)


def tallies(conn: sa.Connection, vendor: str, since: float, until: float, step: int) -> "Sequence[sa.Row[Any]]":
    """Of one vendor: (slot, trust_domain, aspect, outcome, readings); a slot is so many times `step` seconds since the
    epoch."""
    columns = observations.c
    slot = (sa.cast(columns.at, sa.BigInteger) // step).label("slot")
    group = (slot, columns.trust_domain, columns.aspect, columns.outcome)
    query = sa.select(*group, sa.func.count().label("readings"))
    where = (columns.vendor == vendor, columns.at >= since, columns.at < until)
    return conn.execute(query.where(*where).group_by(*group).order_by(*group)).all()


def first_since(conn: sa.Connection, at: float) -> int:
    """The id below which nothing was observed at that time or later; 0 where nothing was at all."""
    found = conn.execute(sa.select(sa.func.min(observations.c.id)).where(observations.c.at >= at)).scalar_one()
    return int(found) - 1 if found is not None else 0


def arrived_after(conn: sa.Connection, after: int, limit: int) -> "Sequence[sa.Row[Any]]":
    """Rows with id, source and the time of arrival, in the order of their ids."""
    query = sa.select(observations).where(observations.c.id > after).order_by(observations.c.id).limit(limit)
    return conn.execute(query).all()


def newest(conn: sa.Connection, limit: int, vendor: str = "") -> "Sequence[sa.Row[Any]]":
    """Rows with the source and the time of arrival, the latest to arrive first."""
    query = sa.select(observations).order_by(observations.c.id.desc()).limit(limit)
    return conn.execute(query.where(observations.c.vendor == vendor) if vendor else query).all()


def sources_seen(conn: sa.Connection, table: sa.Table = observations) -> list[str]:
    """The sources of the table's rows, one step of the index for each: there may be a million rows of one."""
    found: list[str] = []
    first = sa.select(sa.func.min(table.c.source))
    one = conn.execute(first).scalar_one_or_none()
    while one is not None:
        found.append(str(one))
        one = conn.execute(first.where(table.c.source > one)).scalar_one_or_none()
    return found


def forget(conn: sa.Connection, before: float, most: int) -> int:
    """Remove up to `most` observations that are older than that; how many went."""
    old = sa.select(observations.c.id).where(observations.c.at < before).order_by(observations.c.at).limit(most)
    return _gone(conn, old)


def forget_above(conn: sa.Connection, source: str, kept: int, most: int) -> int:
    """Remove up to `most` of the oldest arrivals of a source that has more than `kept`."""
    mine = observations.c.source == source
    ids = sa.select(observations.c.id).where(mine)
    border = conn.execute(ids.order_by(observations.c.id.desc()).offset(kept).limit(1)).scalar_one_or_none()
    if border is None:
        return 0
    return _gone(conn, ids.where(observations.c.id <= border).order_by(observations.c.id).limit(most))


def _gone(conn: sa.Connection, ids: "sa.Select[tuple[Any]]") -> int:
    query = sa.delete(observations).where(observations.c.id.in_(ids.scalar_subquery())).returning(observations.c.id)
    return len(conn.execute(query).all())
