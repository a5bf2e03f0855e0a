"""Named queries on plans as a list; their documents are read one at a time, by `store/runs`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orchestrator.store.tables import plans, runs


@dataclass(frozen=True, slots=True)
class RunOfPlan:
    """A run that was made of a plan. `created_at`: seconds since the epoch, UTC."""

    id: str
    state: str
    created_at: float


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What the list says of a plan. `made_at`: when a plan of this digest was first made, UTC seconds."""

    digest: str
    commit: str
    made_at: float
    scope: str
    mode: str
    direction: str
    services: tuple[str, ...]
    expected_seconds: float


def listed(conn: sa.Connection, limit: int, offset: int = 0) -> list[PlanRow]:
    """The newest first. The database picks the few fields out of each document, which may be megabytes."""
    document = plans.c.document
    query = (
        sa.select(
            plans.c.digest,
            plans.c.commit,
            plans.c.created_at,
            *(document[name].as_string().label(name) for name in ("scope", "mode", "direction")),
            document["services"].as_json().label("services"),
            document["expected_seconds"].as_float().label("expected_seconds"),
        )
        .order_by(plans.c.created_at.desc(), plans.c.digest)
        .limit(limit)
        .offset(offset)
    )
    return [_row(row) for row in conn.execute(query)]


def made_at(conn: sa.Connection, digest: str) -> float | None:
    return conn.execute(sa.select(plans.c.created_at).where(plans.c.digest == digest)).scalar_one_or_none()


def runs_made(conn: sa.Connection, digests: Collection[str]) -> Mapping[str, Sequence[RunOfPlan]]:
    """By the plan's digest, the newest first; plans without runs are left out."""
    found: dict[str, list[RunOfPlan]] = {}
    query = sa.select(runs.c.plan_digest, runs.c.id, runs.c.state, runs.c.created_at)
    query = query.where(runs.c.plan_digest.in_(digests)).order_by(runs.c.created_at.desc(), runs.c.id.desc())
    for row in conn.execute(query):
        found.setdefault(row.plan_digest, []).append(RunOfPlan(row.id, row.state, row.created_at))
    return found


def _row(row: Any) -> PlanRow:
    return PlanRow(
        row.digest,
        row.commit,
        row.created_at,
        row.scope,
        row.mode,
        row.direction,
        tuple(row.services),
        row.expected_seconds or 0.0,
    )
