"""Named queries on what the journal proves of services: tested, and copied."""

import sqlalchemy as sa

from orchestrator.domain.model import Direction, Mode, RunState, StepState
from orchestrator.store.tables import runs, steps

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
