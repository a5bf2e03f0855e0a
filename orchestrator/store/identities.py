"""Who is behind the pseudonyms of the audit's chains. A row can be removed, and no chain notices.

Chains hold pseudonyms, which are random; every other table holds names, as people are shown them. A name may have
several pseudonyms, where two workers met it at the same moment: both lead to it, and no transaction waits for another.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.authority import BY_RULE, NOBODY, PSEUDONYM
from orchestrator.domain.journal import Event
from orchestrator.store.tables import events, identities

PREFIX = PSEUDONYM
_TOKEN = re.compile(r"person-[0-9a-f]{20}(?![0-9a-f])")

_FIND = sa.select(identities.c.pseudonym).where(identities.c.name == sa.bindparam("n"))
_FIRST = _FIND.order_by(identities.c.created_at, identities.c.pseudonym).limit(1)


def pseudonym(conn: sa.Connection, name: str, at: float) -> str:
    """What the chains call this actor, from the first time on. Who is no person keeps the name."""
    if name in NOBODY or name.startswith(BY_RULE) or not name:
        return name
    known = conn.execute(_FIRST, {"n": name}).scalar_one_or_none()
    if known is not None:
        return str(known)
    new = PREFIX + secrets.token_hex(10)
    conn.execute(sa.insert(identities), {"pseudonym": new, "name": name, "created_at": at})
    return new


def names(conn: sa.Connection) -> dict[str, str]:
    """Pseudonym -> name, of everybody who was not forgotten."""
    return {row.pseudonym: row.name for row in conn.execute(sa.select(identities.c.pseudonym, identities.c.name))}


def of(conn: sa.Connection, name: str) -> Sequence[str]:
    """The pseudonyms of a name, the first one first."""
    query = _FIND.order_by(identities.c.created_at, identities.c.pseudonym)
    return conn.execute(query, {"n": name}).scalars().all()


def remove(conn: sa.Connection, name: str) -> None:
    conn.execute(sa.delete(identities).where(identities.c.name == name))


def runs_of(conn: sa.Connection, pseudonyms: Sequence[str]) -> Sequence[str]:
    """The runs in which they did something."""
    query = sa.select(events.c.run_id).where(events.c.actor.in_(pseudonyms)).distinct().order_by(events.c.run_id)
    return conn.execute(query).scalars().all()


def named(event: Event, known: Mapping[str, str]) -> Event:
    """The event as people are shown it; who was forgotten stays a pseudonym."""
    actor = known.get(event.actor, event.actor)
    data = with_names(event.data, known) if PREFIX in repr(event.data) else event.data
    return Event(event.seq, event.at, event.kind, actor, event.step, event.attempt, data)


def with_names(value: Any, known: Mapping[str, str]) -> Any:
    """The same, with every pseudonym in its texts replaced by the name."""
    match value:
        case str():
            return _TOKEN.sub(lambda found: known.get(found[0], found[0]), value)
        case dict():
            return {key: with_names(inner, known) for key, inner in value.items()}
        case list():
            return [with_names(inner, known) for inner in value]
        case _:
            return value
