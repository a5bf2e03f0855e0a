"""Named queries on proposals: a row each, and the events that made it what it is, in the same transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.proposals.proposal import WAITING, Past, ProposalEvent, ProposalState, next_state
from orchestrator.store import audit
from orchestrator.store.runs import Row, insert_or_ignore
from orchestrator.store.tables import proposal_events, proposals
from orchestrator.store.text import storable


def insert(conn: sa.Connection, row: Mapping[str, Any], at: float, actor: str) -> bool:
    """A new proposal, with its first event; False when its rule has one that waits already."""
    state = next_state(None, ProposalEvent.RAISED)
    new: dict[str, Any] = {
        "state": state.value,
        "digest": "",
        "approvals": [],
        "raised_at": at,
        "looked_at": at,
        "message": {},
    }
    new["counted_down"] = False
    if not insert_or_ignore(conn, proposals, {**new, **row}):
        return False
    _tell(conn, row["id"], at, ProposalEvent.RAISED, actor, {"evidence": row["evidence"]})
    return True


def move(
    conn: sa.Connection,
    row: Row,
    event: ProposalEvent,
    at: float,
    actor: str,
    values: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """One event: what it makes of the state, `values` of the row, and `data` for the record.

    Raises IllegalProposalEvent. `row` must have been read by `locked` in this transaction.
    """
    state = next_state(ProposalState(row.state), event)
    change = {**(values or {}), "state": state.value}
    if state not in WAITING:
        change |= {"ended_at": at, "ended_by": actor}
    conn.execute(sa.update(proposals).where(proposals.c.id == row.id).values(change))
    _tell(conn, row.id, at, event, actor, data or {})


def note(conn: sa.Connection, proposal_id: str, **values: Any) -> None:
    """What is no event: when it was looked at, since when its evidence is weak."""
    conn.execute(sa.update(proposals).where(proposals.c.id == proposal_id).values(values))


def locked(conn: sa.Connection, proposal_id: str) -> Row | None:
    """The row, which nobody else changes before this transaction ends."""
    query = sa.select(proposals).where(proposals.c.id == proposal_id).with_for_update()
    return conn.execute(query).one_or_none()


def get(conn: sa.Connection, proposal_id: str) -> Row | None:
    return conn.execute(sa.select(proposals).where(proposals.c.id == proposal_id)).one_or_none()


def waiting(conn: sa.Connection) -> Sequence[Row]:
    query = sa.select(proposals).where(proposals.c.state.in_([state.value for state in WAITING]))
    return conn.execute(query.order_by(proposals.c.raised_at, proposals.c.id)).all()


def listed(conn: sa.Connection, limit: int) -> Sequence[Row]:
    """The newest first."""
    query = sa.select(proposals).order_by(proposals.c.raised_at.desc(), proposals.c.id.desc()).limit(limit)
    return conn.execute(query).all()


def last_of(conn: sa.Connection, rule: str) -> Past | None:
    """The rule's newest proposal."""
    query = sa.select(proposals).where(proposals.c.rule == rule)
    row = conn.execute(query.order_by(proposals.c.raised_at.desc(), proposals.c.id.desc()).limit(1)).one_or_none()
    return Past(ProposalState(row.state), row.episode, row.ended_at) if row is not None else None


def events(conn: sa.Connection, proposal_id: str) -> Sequence[Row]:
    query = sa.select(proposal_events).where(proposal_events.c.proposal_id == proposal_id)
    return conn.execute(query.order_by(proposal_events.c.seq)).all()


def _tell(
    conn: sa.Connection, proposal_id: str, at: float, event: ProposalEvent, actor: str, data: Mapping[str, Any]
) -> None:
    mine = proposal_events.c.proposal_id == proposal_id
    last = conn.execute(sa.select(sa.func.max(proposal_events.c.seq)).where(mine)).scalar_one_or_none()
    row = {"proposal_id": proposal_id, "seq": (last or 0) + 1, "at": at, "kind": event.value, "actor": actor}
    conn.execute(sa.insert(proposal_events), {**row, "data": storable(dict(data))})
    audit.record(conn, event.value, actor, {"proposal": proposal_id, **data}, at)
