"""The administration's chain: what people and policy did that is no run's own, in the transaction that did it.

    audit.record(conn, "halt.engaged", by, {"reason": reason}, at)

An entry is written just before its transaction commits (`Database.write` calls `settle`), so that the chain's one lock
is the last one taken, and no two transactions wait for each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit.chain import ADMINISTRATION, canonical, entry_text, link
from orchestrator.store import identities
from orchestrator.store.tables import CanonicalText, audit_entries, audit_heads
from orchestrator.store.text import storable

_PENDING = "bascule-audit"
_HEAD = sa.select(audit_heads).where(audit_heads.c.chain == ADMINISTRATION).with_for_update()
_INSERT = sa.insert(audit_entries)
_MOVE = (
    sa.update(audit_heads)
    .where(audit_heads.c.chain == ADMINISTRATION)
    .values(length=sa.bindparam("n"), head=sa.bindparam("h"))
)


class NotAudited(Exception):
    """Something was to be recorded outside of `Database.write`; nothing would have written it."""


@dataclass(frozen=True, slots=True)
class _Pending:
    at: float
    kind: str
    actor: str
    data: str


def record(conn: sa.Connection, kind: str, actor: str, data: Mapping[str, Any], at: float) -> None:
    """Tell the administration's chain what this transaction does. `at`: UTC seconds. Raises NotAudited.

    `actor` is a name, which the chain holds as a pseudonym; names in `data` stay as they are.
    """
    pending = conn.info.get(_PENDING)
    if pending is None:
        raise NotAudited(kind)
    who = identities.pseudonym(conn, storable(actor)[:200], at)
    pending.append(_Pending(float(at), kind, who, canonical(storable(dict(data)))))


def begin(conn: sa.Connection) -> None:
    """A transaction begins; what an earlier one on this connection left undone is forgotten, as it was rolled back."""
    conn.info[_PENDING] = []


def settle(conn: sa.Connection) -> None:
    """Append what was recorded. Nobody else appends before this transaction ends."""
    pending: list[_Pending] = conn.info.pop(_PENDING)
    if not pending:
        return
    row = conn.execute(_HEAD).one()
    seq, head = int(row.length), str(row.head)
    new = []
    for one in pending:
        seq += 1
        head = link(head, entry_text(seq, one.at, one.kind, one.actor, None, 0, one.data))
        said = {"chain": ADMINISTRATION, "seq": seq, "at": one.at, "kind": one.kind, "actor": one.actor}
        new.append({**said, "data": CanonicalText(one.data), "hash": head})
    conn.execute(_INSERT, new)
    conn.execute(_MOVE, {"n": seq, "h": head})
