"""Named queries on strays: things with Bascule's tags that no run stands behind."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.store import audit
from orchestrator.store.runs import Row, insert_or_ignore
from orchestrator.store.tables import strays


@dataclass(frozen=True, slots=True)
class StrayKey:
    scope: str
    provider: str
    kind: str
    id: str

    def matches(self) -> "tuple[sa.ColumnElement[bool], ...]":
        return tuple(strays.c[name] == getattr(self, name) for name in self.__slots__)


def note(conn: sa.Connection, key: StrayKey, name: str, run_id: str, step_id: str, at: float) -> bool:
    """Quarantine a stray, or see it again; True when it is new. A decision that was taken stays."""
    row = {"scope": key.scope, "provider": key.provider, "kind": key.kind, "id": key.id, "name": name}
    row |= {"run_id": run_id, "step_id": step_id}
    empty = {"decision": "", "decided_by": "", "decided_at": None, "reason": ""}
    if insert_or_ignore(conn, strays, {**row, "first_seen": at, "last_seen": at, **empty}):
        return True
    conn.execute(sa.update(strays).where(*key.matches()).values(last_seen=at))
    return False


def forget_unseen(conn: sa.Connection, scope: str, provider: str, before: float) -> None:
    """What was not there any more when everything at this cloud was read, or is in use again."""
    where = (strays.c.scope == scope, strays.c.provider == provider, strays.c.last_seen < before)
    conn.execute(sa.delete(strays).where(*where))


def decide(conn: sa.Connection, key: StrayKey, decision: str, by: str, at: float, reason: str) -> bool:
    """False when there is no such stray."""
    said = {"decision": decision, "decided_by": by, "decided_at": at, "reason": reason}
    query = sa.update(strays).where(*key.matches()).values(said).returning(strays.c.id)
    if conn.execute(query).one_or_none() is None:
        return False
    stray = {name: getattr(key, name) for name in key.__slots__}
    audit.record(conn, "stray.decided", by, {**stray, "decision": decision, "reason": reason}, at)
    return True


def listed(conn: sa.Connection, scope: str) -> Sequence[Row]:
    order = (strays.c.first_seen, strays.c.provider, strays.c.kind, strays.c.id)
    return conn.execute(sa.select(strays).where(strays.c.scope == scope).order_by(*order)).all()


def noted(conn: sa.Connection) -> Sequence[Row]:
    """Of all scopes, as they were seen last."""
    order = (strays.c.scope, strays.c.first_seen, strays.c.provider, strays.c.kind, strays.c.id)
    return conn.execute(sa.select(strays).order_by(*order)).all()


def undecided(conn: sa.Connection) -> int:
    """How many wait for a person, in all scopes."""
    return int(conn.execute(sa.select(sa.func.count()).where(strays.c.decision == "")).scalar_one())
