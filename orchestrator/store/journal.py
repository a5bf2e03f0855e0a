"""One transaction on one run: its events and the rows that are their fold move together, or not at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.journal import (
    Event,
    RunEvent,
    RunView,
    StepEvent,
    StepView,
    ends_forward,
    ends_undo,
    next_run,
    next_step,
    undo_counts,
)
from orchestrator.domain.model import RunState, StepState
from orchestrator.store.tables import edges, events, runs, steps

SYSTEM = "bascule"
"""The actor of what the engine does by itself."""

_VIEW = (
    "state attempt undo_attempt open_needs undo_open had_intent drift_accepted fence before outputs effect "
    "waits_for message started_at ended_at wake_at"
).split()
_VIEW_COLUMNS = [steps.c[name] for name in _VIEW]


class RunNotFound(Exception):
    """No run has this id."""


class StepNotFound(Exception):
    """The run has no step of this id."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A step to be worked on: `number` makes the one before it stale."""

    run_id: str
    step_id: str
    number: int
    delay: float = 0.0

    @property
    def workflow_id(self) -> str:
        return f"{self.run_id}/{self.step_id}/{self.number}"


def step_view(row: Any) -> StepView:
    values = {name: getattr(row, name) for name in _VIEW}
    values["state"] = StepState(values["state"])
    return StepView(**values)


def run_view(row: Any) -> RunView:
    return RunView(
        state=RunState(row.state),
        paused=row.paused,
        remaining=row.remaining,
        undo_remaining=row.undo_remaining,
        releases=tuple(row.releases),
        message=row.message,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


class RunJournal:
    """Appends events to a run inside the caller's transaction.

    It locks the run's row first, so two workers never interleave on one run.
    `dispatches` are the steps that became ready; the caller enqueues them in
    the same transaction. Call `flush` last.
    """

    def __init__(self, conn: sa.Connection, run_id: str, now: float, enqueue_at_most: int = 100) -> None:
        self.connection = conn
        self._now = now
        self._enqueue_at_most = enqueue_at_most
        self.run_id = run_id
        row = conn.execute(sa.select(runs).where(runs.c.id == run_id).with_for_update()).one_or_none()
        if row is None:
            raise RunNotFound(f"There is no run {run_id}. `bascule history` lists them.")
        self.row = row
        self.run = run_view(row)
        self._seq: int = row.seq
        self._new: list[dict[str, Any]] = []
        self.dispatches: list[Dispatch] = []

    def step(self, step_id: str) -> "sa.Row[Any]":
        query = sa.select(steps).where(steps.c.run_id == self.run_id, steps.c.step_id == step_id)
        row = self.connection.execute(query).one_or_none()
        if row is None:
            raise StepNotFound(f"Run {self.run_id} has no step {step_id}. `bascule status {self.run_id}` lists them.")
        return row

    def view(self, step_id: str) -> StepView:
        return step_view(self.step(step_id))

    def run_event(self, kind: RunEvent, actor: str = SYSTEM, data: Mapping[str, Any] | None = None) -> None:
        self.run = next_run(self.run, self._append(kind.value, actor, None, 0, data or {}))
        if kind is RunEvent.UNDO_STARTED:
            self._start_undo()

    def step_event(
        self,
        step_id: str,
        view: StepView,
        kind: StepEvent,
        data: Mapping[str, Any] | None = None,
        *,
        actor: str = SYSTEM,
        attempt: int | None = None,
    ) -> StepView:
        """Append one event of a step, whose present view the caller has read in this transaction."""
        number = view.attempt if attempt is None else attempt
        new = next_step(view, self._append(kind.value, actor, step_id, number, data or {}))
        self._write(step_id, view, new)
        if ends_forward(view.state, new.state):
            self._fulfil(step_id)
        if ends_undo(new.state):
            self._pass_undo(step_id)
        return new

    def dispatch(self, step_id: str, delay: float = 0.0) -> None:
        """Make the step's next piece of work the only valid one, and enqueue it while there is room."""
        room = len(self.dispatches) < self._enqueue_at_most
        number = self.connection.execute(
            sa.update(steps)
            .where(steps.c.run_id == self.run_id, steps.c.step_id == step_id)
            .values(dispatch=steps.c.dispatch + 1, queued=room)
            .returning(steps.c.dispatch)
        ).scalar_one()
        if room:
            self.dispatches.append(Dispatch(self.run_id, step_id, number, delay))

    def ready(self, step_id: str, view: StepView, *, delay: float = 0.0, attempt: int | None = None) -> StepView:
        number = view.attempt + 1 if attempt is None else attempt
        data = {"wake_at": self._now + delay} if delay else {}
        new = self.step_event(step_id, view, StepEvent.READY, data, attempt=number)
        self.dispatch(step_id, delay)
        return new

    def start_steps(self) -> None:
        """Make ready every step that needs nothing."""
        query = sa.select(steps.c.step_id, *_VIEW_COLUMNS).where(steps.c.run_id == self.run_id, steps.c.open_needs == 0)
        for row in self.connection.execute(query.order_by(steps.c.ordinal)).all():
            self.ready(row.step_id, step_view(row))

    def undo_ready(self, step_id: str, view: StepView, *, delay: float = 0.0, actor: str = SYSTEM) -> StepView:
        data = {"wake_at": self._now + delay} if delay else {}
        number = view.undo_attempt + 1
        new = self.step_event(step_id, view, StepEvent.UNDO_READY, data, attempt=number, actor=actor)
        self.dispatch(step_id, delay)
        return new

    def count(self, *states: StepState) -> int:
        query = sa.select(sa.func.count()).where(steps.c.run_id == self.run_id, steps.c.state.in_(states))
        return int(self.connection.execute(query).scalar_one())

    def count_with_intent(self) -> int:
        query = sa.select(sa.func.count()).where(steps.c.run_id == self.run_id, steps.c.had_intent)
        return int(self.connection.execute(query).scalar_one())

    def steps_in(self, *states: StepState) -> Iterator[tuple[str, StepView]]:
        query = sa.select(steps.c.step_id, *_VIEW_COLUMNS).where(
            steps.c.run_id == self.run_id, steps.c.state.in_(states)
        )
        for row in self.connection.execute(query.order_by(steps.c.ordinal)).all():
            yield row.step_id, step_view(row)

    def flush(self) -> None:
        """Write the events and the run's row. Nothing may be appended after it."""
        if not self._new:
            return
        self.connection.execute(sa.insert(events), self._new)
        self.connection.execute(
            sa.update(runs)
            .where(runs.c.id == self.run_id)
            .values(
                seq=self._seq,
                state=self.run.state.value,
                paused=self.run.paused,
                remaining=self.run.remaining,
                undo_remaining=self.run.undo_remaining,
                releases=list(self.run.releases),
                message=self.run.message,
                started_at=self.run.started_at,
                ended_at=self.run.ended_at,
            )
        )
        self._new = []

    def _append(self, kind: str, actor: str, step_id: str | None, attempt: int, data: Mapping[str, Any]) -> Event:
        self._seq += 1
        event = Event(self._seq, self._now, kind, actor, step_id, attempt, data)
        self._new.append(
            {
                "run_id": self.run_id,
                "seq": event.seq,
                "at": event.at,
                "kind": kind,
                "actor": actor,
                "step_id": step_id,
                "attempt": attempt,
                "data": dict(data),
            }
        )
        return event

    def _write(self, step_id: str, old: StepView, new: StepView) -> None:
        changed = {name: getattr(new, name) for name in _VIEW if getattr(new, name) != getattr(old, name)}
        if "state" in changed:
            changed["state"] = new.state.value
        if changed:
            where = (steps.c.run_id == self.run_id, steps.c.step_id == step_id)
            self.connection.execute(sa.update(steps).where(*where).values(changed))

    def _fulfil(self, step_id: str) -> None:
        """Count the edges out of a step that ended, and make ready what waited for it alone."""
        self.run = _less(self.run, remaining=1)
        dependents = sa.select(edges.c.dependent).where(edges.c.run_id == self.run_id, edges.c.need == step_id)
        found = self.connection.execute(
            sa.update(steps)
            .where(steps.c.run_id == self.run_id, steps.c.step_id.in_(dependents))
            .values(open_needs=steps.c.open_needs - 1)
            .returning(steps.c.step_id, *_VIEW_COLUMNS)
        ).all()
        if self.run.state is not RunState.RUNNING:
            return
        for row in found:
            if row.open_needs == 0 and row.state == StepState.PENDING.value:
                self.ready(row.step_id, step_view(row))

    def _pass_undo(self, step_id: str) -> None:
        self.run = _less(self.run, undo_remaining=1)
        told = [step_id]
        while told:
            needs = sa.select(edges.c.need).where(edges.c.run_id == self.run_id, edges.c.dependent == told.pop())
            found = self.connection.execute(
                sa.update(steps)
                .where(steps.c.run_id == self.run_id, steps.c.step_id.in_(needs))
                .values(undo_open=steps.c.undo_open - 1)
                .returning(steps.c.step_id, *_VIEW_COLUMNS)
            ).all()
            for row in found:
                if row.undo_open:
                    continue
                if not row.had_intent:
                    told.append(row.step_id)
                elif row.state != StepState.UNKNOWN.value:
                    self.undo_ready(row.step_id, step_view(row))

    def _start_undo(self) -> None:
        rows = self.connection.execute(
            sa.select(steps.c.step_id, *_VIEW_COLUMNS).where(steps.c.run_id == self.run_id).order_by(steps.c.ordinal)
        ).all()
        needs: dict[str, list[str]] = {row.step_id: [] for row in rows}
        for edge in self.connection.execute(sa.select(edges).where(edges.c.run_id == self.run_id)):
            needs[edge.dependent].append(edge.need)
        with_intent = frozenset(row.step_id for row in rows if row.had_intent)
        counts = undo_counts({step: tuple(found) for step, found in needs.items()}, with_intent)
        waiting = [{"r": self.run_id, "s": step, "n": count} for step, count in counts.items() if count]
        if waiting:
            where = (steps.c.run_id == sa.bindparam("r"), steps.c.step_id == sa.bindparam("s"))
            self.connection.execute(sa.update(steps).where(*where).values(undo_open=sa.bindparam("n")), waiting)
        for row in rows:
            if row.had_intent and not counts[row.step_id] and row.state != StepState.UNKNOWN.value:
                self.undo_ready(row.step_id, step_view(row))


def _less(run: RunView, *, remaining: int = 0, undo_remaining: int = 0) -> RunView:
    return replace(run, remaining=run.remaining - remaining, undo_remaining=run.undo_remaining - undo_remaining)
