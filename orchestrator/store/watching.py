"""Named queries for those who watch a run: what they cost follows what changed, never the plan's size."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.model import DONE_FORWARD, StepState
from orchestrator.store.tables import edges, output_lines, steps

Row = sa.Row[Any]


def steps_by_id(conn: sa.Connection, run_id: str, step_ids: Collection[str]) -> Sequence[Row]:
    if not step_ids:
        return []
    return conn.execute(_steps_of(run_id).where(steps.c.step_id.in_(step_ids))).all()


_SHOWN = [column for column in steps.c if column.name not in ("before", "effect", "fence")]
"""What people are shown of a step: the large values that only the engine reads are left where they are."""


def steps_shown(conn: sa.Connection, run_id: str) -> Sequence[Row]:
    return conn.execute(sa.select(*_SHOWN).where(steps.c.run_id == run_id).order_by(steps.c.ordinal)).all()


def steps_in(conn: sa.Connection, run_id: str, states: Iterable[StepState]) -> Sequence[Row]:
    return conn.execute(_steps_of(run_id).where(steps.c.state.in_([state.value for state in states]))).all()


def count_states(conn: sa.Connection, run_id: str) -> dict[str, int]:
    """How many steps are in each state; states that no step is in are left out.

    Naming every state lets the database count in the index on state and run.
    """
    query = sa.select(steps.c.state, sa.func.count().label("number")).group_by(steps.c.state)
    query = query.where(steps.c.run_id == run_id, steps.c.state.in_([state.value for state in StepState]))
    return {row.state: row.number for row in conn.execute(query)}


def unmoved(conn: sa.Connection, run_id: str) -> frozenset[str]:
    """The services of a run that have steps left to do."""
    service = steps.c.spec["service"].as_string()
    query = sa.select(service.label("service")).where(
        steps.c.run_id == run_id, steps.c.state.not_in([state.value for state in DONE_FORWARD])
    )
    return frozenset(str(row.service) for row in conn.execute(query.distinct()))


def needs_of(conn: sa.Connection, run_id: str, step_ids: Collection[str]) -> dict[str, list[str]]:
    """Step -> the steps it needs, for these steps alone."""
    found: dict[str, list[str]] = {}
    if not step_ids:
        return found
    query = sa.select(edges).where(edges.c.run_id == run_id, edges.c.dependent.in_(step_ids)).order_by(edges.c.need)
    for row in conn.execute(query):
        found.setdefault(row.dependent, []).append(row.need)
    return found


def dependents_of(conn: sa.Connection, run_id: str, step_id: str) -> list[str]:
    """The steps that need this one."""
    query = sa.select(edges.c.dependent).where(edges.c.run_id == run_id, edges.c.need == step_id)
    return list(conn.execute(query.order_by(edges.c.dependent)).scalars())


def step_output(
    conn: sa.Connection, run_id: str, step_id: str, *, limit: int, after: int | None = None, before: int | None = None
) -> list[Row]:
    """Lines that one step wrote, the oldest first: those after a line, else the last ones, or the last before one."""
    query = sa.select(output_lines).where(output_lines.c.run_id == run_id, output_lines.c.step_id == step_id)
    if after is not None:
        return list(conn.execute(query.where(output_lines.c.id > after).order_by(output_lines.c.id).limit(limit)))
    if before is not None:
        query = query.where(output_lines.c.id < before)
    return list(reversed(conn.execute(query.order_by(output_lines.c.id.desc()).limit(limit)).all()))


def latest_output(conn: sa.Connection, run_id: str, limit: int) -> list[Row]:
    """The last lines that a run's steps wrote, the oldest of them first."""
    query = sa.select(output_lines).where(output_lines.c.run_id == run_id).order_by(output_lines.c.id.desc())
    return list(reversed(conn.execute(query.limit(limit)).all()))


def _steps_of(run_id: str) -> "sa.Select[Any]":
    return sa.select(steps).where(steps.c.run_id == run_id).order_by(steps.c.ordinal)
