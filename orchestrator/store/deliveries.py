"""Named queries on deliveries: what arrived, raw, and how much of it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.domain.signals.mapping import Meaning
from orchestrator.store import observations
from orchestrator.store.runs import Row, insert_or_ignore, inserted_key
from orchestrator.store.tables import deliveries, source_beats
from orchestrator.store.text import storable

BEAT = 300.0
"""Seconds of one sign of life: that a source delivered something is kept once for each such slot."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One that is genuine. `key` is the same for every repetition of it. `received`: seconds since the epoch, UTC."""

    source: str
    key: str
    received: float
    content_type: str
    body: bytes
    meaning: Meaning


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a delivery: `repeated` ones were there already, and nothing new came of them."""

    repeated: bool
    observed: int
    unmapped: int


def keep(conn: sa.Connection, delivery: Delivery) -> Kept:
    """Store a delivery with its observations; once, however often it arrives. Each shows that its source is alive."""
    new = _insert(conn, delivery)
    insert_or_ignore(conn, source_beats, {"source": delivery.source, "slot": int(delivery.received // BEAT)})
    if new is None:
        again = {"repeats": deliveries.c.repeats + 1, "last_at": delivery.received}
        mine = (deliveries.c.source == delivery.source, deliveries.c.key == delivery.key)
        conn.execute(sa.update(deliveries).where(*mine).values(again))
        return Kept(repeated=True, observed=0, unmapped=0)
    observed = 0
    for seen in delivery.meaning.seen:
        observed += observations.add(
            conn, seen.observation, delivery.received, key=seen.key, source=delivery.source, delivery=new
        )
    return Kept(repeated=False, observed=observed, unmapped=delivery.meaning.left)


def _insert(conn: sa.Connection, delivery: Delivery) -> int | None:
    row = {
        "source": delivery.source,
        "key": delivery.key,
        "received_at": delivery.received,
        "last_at": delivery.received,
        "repeats": 0,
        "content_type": storable(delivery.content_type)[:200],
        "size": len(delivery.body),
        "body": delivery.body,
        "observed": len(delivery.meaning.seen),
        "unmapped": delivery.meaning.left,
        "left": [{"reason": one.reason, "labels": storable(dict(one.labels))} for one in delivery.meaning.unmapped],
    }
    new: int | None = inserted_key(conn, deliveries, row)
    return new


def unmapped(conn: sa.Connection, limit: int, source: str = "") -> Sequence[Row]:
    """Deliveries of which something was left, the newest first."""
    query = sa.select(deliveries).where(deliveries.c.unmapped > 0).order_by(deliveries.c.id.desc()).limit(limit)
    return conn.execute(query.where(deliveries.c.source == source) if source else query).all()


def count_by_source(conn: sa.Connection) -> Mapping[str, tuple[int, int, int]]:
    """Source: deliveries that are kept, repetitions of them, and those of which something was left."""
    left = sa.func.sum(sa.case((deliveries.c.unmapped > 0, 1), else_=0))
    query = sa.select(deliveries.c.source, sa.func.count(), sa.func.sum(deliveries.c.repeats), left)
    found = conn.execute(query.group_by(deliveries.c.source)).all()
    return {name: (int(count), int(repeats), int(some)) for name, count, repeats, some in found}


def last_heard(conn: sa.Connection) -> Mapping[str, float]:
    """Source: when a delivery of it came last, repeated or not; UTC seconds. Of what is kept."""
    query = sa.select(deliveries.c.source, sa.func.max(deliveries.c.last_at)).group_by(deliveries.c.source)
    return {name: float(at) for name, at in conn.execute(query)}


def sources_seen(conn: sa.Connection) -> Sequence[str]:
    return observations.sources_seen(conn, deliveries)


def forget_bodies(conn: sa.Connection, source: str, kept: int, kept_bytes: int, most: int) -> int:
    """Let go up to `most` of the oldest bodies of a source, beyond so many and so many bytes; how many went.

    The row stays: by its key a repetition is known.
    """
    mine = (deliveries.c.source == source, deliveries.c.body.is_not(None))
    sizes = sa.select(deliveries.c.id, deliveries.c.size).where(*mine).order_by(deliveries.c.id.desc())
    border, total = None, 0
    for number, row in enumerate(conn.execute(sizes.limit(kept + 1)), 1):
        total += row.size
        if number > kept or total > kept_bytes:
            border = row.id
            break
    if border is None:
        return 0
    ids = sa.select(deliveries.c.id).where(*mine, deliveries.c.id <= border).order_by(deliveries.c.id).limit(most)
    query = sa.update(deliveries).where(deliveries.c.id.in_(ids.scalar_subquery())).values(body=None)
    return len(conn.execute(query.returning(deliveries.c.id)).all())


def forget(conn: sa.Connection, source: str, before: float, kept: int, most: int) -> int:
    """Remove up to `most` rows that are older than that, or beyond the newest `kept` of the source."""
    mine = deliveries.c.source == source
    ids = sa.select(deliveries.c.id).where(mine)
    border = conn.execute(ids.order_by(deliveries.c.id.desc()).offset(kept).limit(1)).scalar_one_or_none()
    too_old = deliveries.c.received_at < before
    gone = too_old if border is None else sa.or_(too_old, deliveries.c.id <= border)
    old = ids.where(gone).order_by(deliveries.c.id).limit(most)
    query = sa.delete(deliveries).where(deliveries.c.id.in_(old.scalar_subquery())).returning(deliveries.c.id)
    return len(conn.execute(query).all())


def beats(conn: sa.Connection, after: int) -> Sequence[tuple[str, int]]:
    """Source and slot of the signs of life in slots after that one, in the order of time."""
    query = sa.select(source_beats.c.source, source_beats.c.slot).where(source_beats.c.slot > after)
    return [(row.source, row.slot) for row in conn.execute(query.order_by(source_beats.c.slot, source_beats.c.source))]


def forget_beats(conn: sa.Connection, before: float, most: int) -> int:
    """Remove up to `most` signs of life that are older than that; how many went."""
    old = sa.select(source_beats.c.slot).where(source_beats.c.slot < int(before // BEAT)).limit(most)
    query = sa.delete(source_beats).where(source_beats.c.slot.in_(old.scalar_subquery()))
    return len(conn.execute(query.returning(source_beats.c.slot)).all())
