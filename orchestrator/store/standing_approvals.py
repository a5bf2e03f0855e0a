"""Named queries on standing approvals: a row each, and in the audit's chain what made it what it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.proposals.standing_approval import (
    OPEN,
    Covered,
    StandingApproval,
    StandingEvent,
    StandingState,
    next_state,
)
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.store import audit
from orchestrator.store.runs import Row
from orchestrator.store.standing_tables import standing_approvals
from orchestrator.store.text import storable

_OPEN = tuple(state.value for state in OPEN)


def insert(conn: sa.Connection, what: Covered, needed: int, reason: str, at: float) -> None:
    """A new one, asked for and signed by nobody."""
    row = {
        "id": what.id, "rule": what.rule, "subject": what.subject, "services": list(what.services),
        "scope": what.scope, "commit": what.commit, "verdict": what.verdict.value, "held_for": what.held_for,
        "asked_by": what.asked_by, "asked_at": at, "reason": storable(reason), "expires_at": what.expires_at,
        "needed": needed, "digest": what.digest, "state": next_state(None, StandingEvent.ASKED).value,
        "signatures": [], "uses": 0,
    }  # fmt: skip
    conn.execute(sa.insert(standing_approvals), row)
    said: dict[str, Any] = {"rule": what.rule, "services": list(what.services), "scope": what.scope}
    said |= {"commit": what.commit, "verdict": what.verdict.value, "held_for": float(what.held_for)}
    said |= {"expires_at": float(what.expires_at)}
    told = {"standing_approval": what.id, "digest": what.digest, **said, "reason": reason}
    audit.record(conn, StandingEvent.ASKED.value, what.asked_by, told, at)


def move(
    conn: sa.Connection,
    row: Row,
    event: StandingEvent,
    at: float,
    actor: str,
    values: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """One event: what it makes of the state, `values` of the row, and `data` for the audit.

    Raises IllegalStandingEvent. `row` must have been read by `locked` in this transaction.
    """
    state = next_state(StandingState(row.state), event)
    change = {**(values or {}), "state": state.value}
    if state not in OPEN:
        change |= {"ended_at": at, "ended_by": actor}
    conn.execute(sa.update(standing_approvals).where(standing_approvals.c.id == row.id).values(storable(change)))
    audit.record(conn, event.value, actor, {"standing_approval": row.id, "digest": row.digest, **(data or {})}, at)


def locked(conn: sa.Connection, approval_id: str) -> Row | None:
    """The row, which nobody else changes before this transaction ends."""
    query = sa.select(standing_approvals).where(standing_approvals.c.id == approval_id).with_for_update()
    return conn.execute(query).one_or_none()


def get(conn: sa.Connection, approval_id: str) -> Row | None:
    return conn.execute(sa.select(standing_approvals).where(standing_approvals.c.id == approval_id)).one_or_none()


def open_ones(conn: sa.Connection) -> Sequence[Row]:
    """Those that are asked for or in force, in the order in which they were asked for."""
    query = sa.select(standing_approvals).where(standing_approvals.c.state.in_(_OPEN))
    return conn.execute(query.order_by(standing_approvals.c.asked_at, standing_approvals.c.id)).all()


def in_force(conn: sa.Connection, rule: str) -> Sequence[Row]:
    """A rule's own; the one that lasts longest first."""
    columns = standing_approvals.c
    query = sa.select(standing_approvals).where(columns.state == StandingState.IN_FORCE.value, columns.rule == rule)
    return conn.execute(query.order_by(columns.expires_at.desc(), columns.id)).all()


def listed(conn: sa.Connection, limit: int) -> Sequence[Row]:
    """The newest first."""
    query = sa.select(standing_approvals).order_by(standing_approvals.c.asked_at.desc(), standing_approvals.c.id.desc())
    return conn.execute(query.limit(limit)).all()


def approval_of(row: Row) -> StandingApproval:
    """The decision's form of a row."""
    covered = Covered(
        id=row.id,
        rule=row.rule,
        subject=row.subject,
        services=tuple(row.services),
        scope=row.scope,
        commit=row.commit,
        verdict=Verdict(row.verdict),
        held_for=row.held_for,
        asked_by=row.asked_by,
        expires_at=row.expires_at,
    )
    signers = tuple(str(one["by"]) for one in row.signatures)
    return StandingApproval(covered, StandingState(row.state), row.digest, row.asked_at, signers)
