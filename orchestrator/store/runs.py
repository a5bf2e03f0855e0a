"""Named queries on runs, plans, holds and output."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain.journal import Event, Graph, RunEvent, StepEvent, StepView
from orchestrator.domain.model import ENDED_RUN, RunState, StepState
from orchestrator.store import identities
from orchestrator.store.journal import Dispatch, RunNotFound, step_view
from orchestrator.store.tables import (
    edges,
    events,
    holds,
    idempotency_keys,
    output_lines,
    plans,
    runs,
    snapshots,
    steps,
    workers,
)
from orchestrator.store.text import storable

Row = sa.Row[Any]

_OUTPUT_TURN = 0x6F757470
"""The advisory lock by which workers take turns at writing output; no worker's own lock is that small."""


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step row to be: `spec` is what the engine needs to work on it, without the plan."""

    step_id: str
    uses: str
    spec: Mapping[str, Any]
    needs: tuple[str, ...]
    rescue: bool = False


@dataclass(frozen=True, slots=True)
class OutputLine:
    run_id: str
    step_id: str
    attempt: int
    at: float
    text: str


def insert_or_ignore(conn: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """True when the row is new. Asks by RETURNING: rowcount is not to be trusted on PostgreSQL."""
    return inserted_key(conn, table, row) is not None


def inserted_key(conn: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> Any:
    """The first column of the new row's key; None when such a row is there already."""
    return conn.execute(_insertion(conn.dialect.name, table), dict(row)).scalar_one_or_none()


@functools.cache
def _insertion(dialect: str, table: sa.Table) -> "sa.sql.dml.ReturningInsert[Any]":
    """Made once for a table: to put the statement together takes longer than to carry it out."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing().returning(next(iter(table.primary_key.columns)))


def save_plan(conn: sa.Connection, digest: str, commit: str, at: float, document: Mapping[str, Any]) -> None:
    """The same plan, made again, is kept as it was seen last: what the digest covers is the same."""
    row = {"digest": digest, "commit": commit, "created_at": at, "document": dict(document)}
    if not insert_or_ignore(conn, plans, row):
        conn.execute(sa.update(plans).where(plans.c.digest == digest).values(document=row["document"]))


def load_plan(conn: sa.Connection, digest: str) -> dict[str, Any] | None:
    return conn.execute(sa.select(plans.c.document).where(plans.c.digest == digest)).scalar_one_or_none()


def insert_run(conn: sa.Connection, values: Mapping[str, Any], new_steps: Sequence[NewStep]) -> None:
    """The run's row, its steps and its edges. The first event is the caller's."""
    empty = {"seq": 0, "state": RunState.AWAITING_RELEASE.value, "paused": False, "remaining": 0}
    empty |= {"undo_remaining": 0, "releases": [], "message": ""}
    conn.execute(sa.insert(runs), {**empty, **values})
    run_id = values["id"]
    rows = [_step_row(run_id, ordinal, step) for ordinal, step in enumerate(new_steps)]
    if rows:
        conn.execute(sa.insert(steps), rows)
    pairs = [{"run_id": run_id, "need": need, "dependent": step.step_id} for step in new_steps for need in step.needs]
    if pairs:
        conn.execute(sa.insert(edges), pairs)


def _step_row(run_id: str, ordinal: int, step: NewStep) -> dict[str, Any]:
    view = StepView(open_needs=len(step.needs))
    row: dict[str, Any] = {name: getattr(view, name) for name in StepView.__slots__}
    row |= {"state": view.state.value, "outputs": {}, "effect": {}}
    row |= {"run_id": run_id, "step_id": step.step_id, "ordinal": ordinal, "uses": step.uses}
    row |= {"spec": dict(step.spec), "queued": False, "dispatch": 0, "rescue": step.rescue}
    return row


def take_holds(conn: sa.Connection, scope: str, resources: Iterable[str], run_id: str) -> dict[str, str]:
    """Reserve what the run touches; answers who holds what was taken already (empty: all is ours)."""
    taken: dict[str, str] = {}
    for resource in sorted(resources):
        row = {"scope": scope, "resource": resource, "run_id": run_id}
        while not insert_or_ignore(conn, holds, row):
            where = (holds.c.scope == scope, holds.c.resource == resource)
            holder = conn.execute(sa.select(holds.c.run_id).where(*where)).scalar_one_or_none()
            if holder is None:
                continue  # released between the two statements
            if holder != run_id:
                taken[resource] = holder
            break
    return taken


def release_holds(conn: sa.Connection, run_id: str) -> None:
    conn.execute(sa.delete(holds).where(holds.c.run_id == run_id))


def idempotent_run(conn: sa.Connection, key: str) -> Row | None:
    return conn.execute(sa.select(idempotency_keys).where(idempotency_keys.c.key == key)).one_or_none()


def save_idempotency(conn: sa.Connection, key: str, fingerprint: str, run_id: str, at: float) -> bool:
    """False when the key names a run already."""
    row = {"key": key, "fingerprint": fingerprint, "run_id": run_id, "at": at}
    return insert_or_ignore(conn, idempotency_keys, row)


def get_run(conn: sa.Connection, run_id: str) -> Row:
    row = conn.execute(_RUN, {"r": run_id}).one_or_none()
    if row is None:
        raise RunNotFound(f"There is no run {run_id}. `bascule history` lists them.")
    return row


def find_run(conn: sa.Connection, run_id: str) -> Row | None:
    return conn.execute(_RUN, {"r": run_id}).one_or_none()


def is_known(conn: sa.Connection, run_id: str) -> bool:
    return find_run(conn, run_id) is not None


def list_runs(conn: sa.Connection, limit: int = 50, *, active_only: bool = False) -> Sequence[Row]:
    query = sa.select(runs).order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit)
    if active_only:
        query = query.where(runs.c.state.not_in([state.value for state in ENDED_RUN]))
    return conn.execute(query).all()


def list_steps(conn: sa.Connection, run_id: str) -> Sequence[Row]:
    return conn.execute(sa.select(steps).where(steps.c.run_id == run_id).order_by(steps.c.ordinal)).all()


_STEP = sa.select(steps).where(steps.c.run_id == sa.bindparam("r"), steps.c.step_id == sa.bindparam("s"))
_RUN = sa.select(runs).where(runs.c.id == sa.bindparam("r"))


def get_step(conn: sa.Connection, run_id: str, step_id: str) -> Row | None:
    return conn.execute(_STEP, {"r": run_id, "s": step_id}).one_or_none()


def outputs_of(conn: sa.Connection, run_id: str, step_ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    wanted = list(step_ids)
    if not wanted:
        return {}
    query = sa.select(steps.c.step_id, steps.c.outputs).where(steps.c.run_id == run_id, steps.c.step_id.in_(wanted))
    return {row.step_id: row.outputs for row in conn.execute(query)}


def list_edges(conn: sa.Connection, run_id: str) -> dict[str, tuple[str, ...]]:
    """Step -> the steps it needs."""
    found: dict[str, list[str]] = {}
    for row in conn.execute(sa.select(edges).where(edges.c.run_id == run_id).order_by(edges.c.need)):
        found.setdefault(row.dependent, []).append(row.need)
    return {step: tuple(needs) for step, needs in found.items()}


def graph_of(conn: sa.Connection, run_id: str) -> Graph:
    ids = conn.execute(sa.select(steps.c.step_id).where(steps.c.run_id == run_id)).scalars().all()
    needs = list_edges(conn, run_id)
    return Graph({step: needs.get(step, ()) for step in ids})


def list_events(conn: sa.Connection, run_id: str, after: int = 0, limit: int = 100_000) -> list[Event]:
    query = sa.select(events).where(events.c.run_id == run_id, events.c.seq > after).order_by(events.c.seq)
    known = identities.names(conn)
    return [
        identities.named(Event(row.seq, row.at, row.kind, row.actor, row.step_id, row.attempt, row.data), known)
        for row in conn.execute(query.limit(limit))
    ]


def approvals(conn: sa.Connection, run_id: str, step_id: str | None = None) -> list[Event]:
    """The releases that a run was given, or the approvals of one of its steps, with names; void ones as well."""
    kind = RunEvent.RELEASE_GIVEN if step_id is None else StepEvent.APPROVED
    where = events.c.step_id.is_(None) if step_id is None else events.c.step_id == step_id
    query = sa.select(events).where(events.c.run_id == run_id, events.c.kind == kind.value, where)
    known = identities.names(conn)
    return [
        identities.named(Event(row.seq, row.at, row.kind, row.actor, row.step_id, row.attempt, row.data), known)
        for row in conn.execute(query.order_by(events.c.seq))
    ]


def views_of(conn: sa.Connection, run_id: str) -> dict[str, StepView]:
    return {row.step_id: step_view(row) for row in list_steps(conn, run_id)}


def add_output(conn: sa.Connection, lines: Sequence[OutputLine]) -> None:
    """Ids become visible in their order, so whoever has read up to one misses none: workers take turns."""
    rows = [{name: storable(getattr(line, name)) for name in OutputLine.__slots__} for line in lines]
    if not rows:
        return
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_OUTPUT_TURN)))
    conn.execute(sa.insert(output_lines), rows)


def list_output(
    conn: sa.Connection, run_id: str, *, step_id: str | None = None, after: int = 0, limit: int = 5000
) -> Sequence[Row]:
    query = sa.select(output_lines).where(output_lines.c.run_id == run_id, output_lines.c.id > after)
    if step_id is not None:
        query = query.where(output_lines.c.step_id == step_id)
    return conn.execute(query.order_by(output_lines.c.id).limit(limit)).all()


_GOING_ON = (RunState.RUNNING.value, RunState.UNDOING.value)
_TO_DISPATCH = (StepState.READY.value, StepState.UNDO_READY.value)


def _outbox_query() -> "sa.Select[Any]":
    return (
        sa.select(steps.c.run_id, steps.c.step_id, steps.c.rescue)
        .join(runs, runs.c.id == steps.c.run_id)
        .where(steps.c.state.in_(_TO_DISPATCH), ~steps.c.queued, runs.c.state.in_(_GOING_ON), ~runs.c.paused)
    )


def has_outbox(conn: sa.Connection) -> bool:
    return conn.execute(_outbox_query().limit(1)).one_or_none() is not None


def outbox(conn: sa.Connection, limit: int = 100) -> list[Dispatch]:
    """Ready steps of runs that go on, which no transaction has enqueued yet; marks them enqueued."""
    query = _outbox_query().order_by(runs.c.created_at, steps.c.ordinal).limit(limit)
    found = []
    for row in conn.execute(query).all():
        number = conn.execute(
            sa.update(steps)
            .where(steps.c.run_id == row.run_id, steps.c.step_id == row.step_id, ~steps.c.queued)
            .values(dispatch=steps.c.dispatch + 1, queued=True)
            .returning(steps.c.dispatch)
        ).scalar_one_or_none()
        if number is not None:
            found.append(Dispatch(row.run_id, row.step_id, number, rescue=row.rescue))
    return found


def put_back(conn: sa.Connection, run_id: str, step_id: str, number: int) -> None:
    """A paused run's step goes back to the outbox, unless it was dispatched anew meanwhile."""
    where = (steps.c.run_id == run_id, steps.c.step_id == step_id, steps.c.dispatch == number)
    conn.execute(sa.update(steps).where(*where).values(queued=False))


def redispatch(conn: sa.Connection, dispatch: Dispatch, delay: float = 1.0) -> Dispatch | None:
    """A new dispatch in place of one that was cut short; None when the step has moved on without it."""
    where = (steps.c.run_id == dispatch.run_id, steps.c.step_id == dispatch.step_id)
    row = conn.execute(
        sa.update(steps)
        .where(*where, steps.c.dispatch == dispatch.number)
        .values(dispatch=steps.c.dispatch + 1, queued=True)
        .returning(steps.c.dispatch, steps.c.rescue)
    ).one_or_none()
    return None if row is None else Dispatch(dispatch.run_id, dispatch.step_id, row.dispatch, delay, row.rescue)


_UNDER_WAY = (StepState.RUNNING.value, StepState.UNDOING.value)
_LOOKED_AT_AGAIN = (StepState.SETTLING.value, StepState.VERIFYING.value, StepState.WAITING.value)
_DISPATCHED = (*_TO_DISPATCH, *_UNDER_WAY, *_LOOKED_AT_AGAIN, StepState.UNDO_SETTLING.value)
_ACTIVE = (*_GOING_ON, RunState.UNDO_REQUESTED.value, RunState.CANCELLING.value)


def dispatched(conn: sa.Connection) -> list[Dispatch]:
    """The dispatches that active runs count on; those that a known worker is at are its own affair."""
    at_it = sa.exists().where(steps.c.fence.like(workers.c.id + ":%"))
    query = (
        sa.select(steps.c.run_id, steps.c.step_id, steps.c.dispatch)
        .join(runs, runs.c.id == steps.c.run_id)
        .where(steps.c.state.in_(_DISPATCHED), steps.c.queued, runs.c.state.in_(_ACTIVE))
        .where(sa.or_(steps.c.state.not_in(_UNDER_WAY), ~at_it))
    )
    return [Dispatch(row.run_id, row.step_id, row.dispatch) for row in conn.execute(query)]


def running_steps(conn: sa.Connection) -> Sequence[Row]:
    """Steps whose attempt is under way, for the deadline watch."""
    return conn.execute(sa.select(steps).where(steps.c.state.in_(_UNDER_WAY))).all()


def going_on(conn: sa.Connection) -> Sequence[str]:
    """The runs that go on by themselves unless they are paused."""
    states = (*_GOING_ON, RunState.UNDO_REQUESTED.value)
    return conn.execute(sa.select(runs.c.id).where(runs.c.state.in_(states), ~runs.c.paused)).scalars().all()


def any_active(conn: sa.Connection) -> bool:
    query = sa.select(runs.c.id).where(runs.c.state.in_(_ACTIVE)).limit(1)
    return conn.execute(query).one_or_none() is not None


def save_snapshot(conn: sa.Connection, scope: str, subject: str, at: float, values: Mapping[str, Any]) -> None:
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    look = {"at": at, "values": dict(values)}
    query = dialect.insert(snapshots).values({"scope": scope, "subject": subject, **look})
    conn.execute(query.on_conflict_do_update(index_elements=list(snapshots.primary_key.columns), set_=look))


def load_snapshot(conn: sa.Connection, scope: str, subject: str) -> Row | None:
    where = (snapshots.c.scope == scope, snapshots.c.subject == subject)
    return conn.execute(sa.select(snapshots).where(*where)).one_or_none()
