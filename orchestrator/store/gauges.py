"""Named queries on how much there is of everything: numbers for a monitoring system, and no names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.model import ENDED_RUN
from orchestrator.store import verdicts
from orchestrator.store.tables import audit_checkpoints, estate_commits, notices, proposals, runs, steps


@dataclass(frozen=True, slots=True)
class Gauges:
    """`steps` and `queued`: of runs that have not ended. Times: seconds since the epoch, or None."""

    runs: Mapping[str, int]
    steps: Mapping[str, int]
    queued: int
    proposals: Mapping[str, int]
    verdicts: Mapping[str, int]
    notices: Mapping[str, int]
    checkpoint_at: float | None
    estate_at: float | None


def read(conn: sa.Connection) -> Gauges:
    return Gauges(
        runs=_by(conn, runs.c.state),
        steps=_by(conn, steps.c.state, _under_way()),
        queued=_by(conn, steps.c.queued, _under_way()).get("True", 0),
        proposals=_by(conn, proposals.c.state),
        verdicts=_verdicts(conn),
        notices=_by(conn, notices.c.state),
        checkpoint_at=_newest(conn, audit_checkpoints.c.at),
        estate_at=_newest(conn, estate_commits.c.accepted_at),
    )


def _under_way() -> "sa.ColumnElement[bool]":
    ended = [state.value for state in ENDED_RUN]
    return steps.c.run_id.in_(sa.select(runs.c.id).where(runs.c.state.not_in(ended)))


def _by(conn: sa.Connection, column: "sa.Column[Any]", where: "sa.ColumnElement[bool] | None" = None) -> dict[str, int]:
    query = sa.select(column, sa.func.count()).group_by(column)
    rows = conn.execute(query if where is None else query.where(where))
    return {str(state): int(count) for state, count in rows}


def _verdicts(conn: sa.Connection) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in verdicts.latest(conn):
        found[row.verdict] = found.get(row.verdict, 0) + 1
    return found


def _newest(conn: sa.Connection, column: "sa.Column[float]") -> float | None:
    value: float | None = conn.execute(sa.select(sa.func.max(column))).scalar_one_or_none()
    return value
