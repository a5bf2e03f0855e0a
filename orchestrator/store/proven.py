"""Named queries on what the journal proves of services: tested, and copied."""

from collections.abc import Collection

import sqlalchemy as sa

from orchestrator.domain.journal import RunEvent
from orchestrator.domain.model import DONE_FORWARD, ENDED_RUN, Direction, Mode, RunState, StepState
from orchestrator.store.runs import Row
from orchestrator.store.tables import events, runs, steps

LOOKED_AT = 2000
"""The newest runs, or steps, that are looked at."""


def last_tests(conn: sa.Connection) -> dict[str, float]:
    """Service -> when its latest failover succeeded in a rehearsal or a drill (seconds since the epoch, UTC)."""
    query = (
        sa.select(runs.c.services, runs.c.ended_at)
        .where(
            runs.c.state == RunState.SUCCEEDED.value,
            runs.c.mode.in_([Mode.REHEARSAL.value, Mode.DRILL.value]),
            runs.c.direction == Direction.FAILOVER.value,
            runs.c.ended_at.is_not(None),
        )
        .order_by(runs.c.ended_at.desc())
        .limit(LOOKED_AT)
    )
    found: dict[str, float] = {}
    for row in conn.execute(query):
        for service in row.services:
            found.setdefault(str(service), float(row.ended_at))
    return found


def last_copies(conn: sa.Connection) -> dict[str, float]:
    """Service -> when its data was last copied; a rehearsal's copy is of the simulator's data and does not count."""
    query = (
        sa.select(steps.c.spec, steps.c.ended_at)
        .join(runs, runs.c.id == steps.c.run_id)
        .where(
            steps.c.uses == "storage.copy",
            steps.c.state == StepState.SUCCEEDED.value,
            runs.c.mode != Mode.REHEARSAL.value,
            steps.c.ended_at.is_not(None),
        )
        .order_by(steps.c.ended_at.desc())
        .limit(LOOKED_AT)
    )
    found: dict[str, float] = {}
    for row in conn.execute(query):
        found.setdefault(str(row.spec.get("service", "")), float(row.ended_at))
    return found


def ended_failovers(conn: sa.Connection) -> list[Row]:
    """The newest failovers that ended, the latest in front: what they were and when, without their reasons."""
    c = runs.c
    query = sa.select(c.id, c.services, c.mode, c.state, c.started_at, c.ended_at).where(
        c.state.in_([state.value for state in ENDED_RUN]),
        c.direction == Direction.FAILOVER.value,
        c.ended_at.is_not(None),
    )
    return [*conn.execute(query.order_by(c.ended_at.desc()).limit(LOOKED_AT))]


def first_ends(conn: sa.Connection, run_ids: Collection[str]) -> dict[str, tuple[str, float]]:
    """Run -> how it ended at first, before it was undone, and when (seconds since the epoch, UTC)."""
    query = sa.select(events.c.run_id, events.c.at, events.c.data).where(
        events.c.run_id.in_(run_ids), events.c.kind == RunEvent.FINISHED.value
    )
    found: dict[str, tuple[str, float]] = {}
    for row in conn.execute(query.order_by(events.c.seq)) if run_ids else ():
        found.setdefault(row.run_id, (str(row.data.get("outcome", "")), float(row.at)))
    return found


def moved_at(conn: sa.Connection, run_ids: Collection[str]) -> dict[tuple[str, str], float]:
    """Run and service -> when the last of the service's steps was done (seconds since the epoch, UTC)."""
    service = steps.c.spec["service"].as_string()
    query = sa.select(steps.c.run_id, service.label("service"), sa.func.max(steps.c.ended_at).label("at")).where(
        steps.c.run_id.in_(run_ids), steps.c.state.in_([state.value for state in DONE_FORWARD])
    )
    rows = conn.execute(query.group_by(steps.c.run_id, service)) if run_ids else ()
    return {(row.run_id, str(row.service)): float(row.at) for row in rows if row.at is not None}


def runs_of(conn: sa.Connection, service: str, limit: int) -> list[Row]:
    """The newest runs of a service, in whichever mode and direction, the latest in front."""
    query = sa.select(runs).order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(LOOKED_AT)
    return [row for row in conn.execute(query) if service in row.services][:limit]
