"""One transaction on one run: its events and the rows that are their fold move together, or not at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit.chain import canonical, entry_text, genesis, link, run_chain
from orchestrator.domain.halt import Halted
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
    pausable,
    undo_counts,
)
from orchestrator.domain.model import RunState, StepState
from orchestrator.store import audit, halts, identities
from orchestrator.store.tables import CanonicalText, edges, events, runs, steps
from orchestrator.store.text import storable
from providers.redaction import redact

SYSTEM = "bascule"
"""The actor of what the engine does by itself."""

_SMALL = [
    "state",
    "attempt",
    "undo_attempt",
    "open_needs",
    "undo_open",
    "had_intent",
    "drift_accepted",
    "fence",
    "waits_for",
    "message",
    "started_at",
    "ended_at",
    "wake_at",
]
_LARGE = ["before", "outputs", "effect"]
_VIEW = _SMALL + _LARGE
_VIEW_COLUMNS = [steps.c[name] for name in _VIEW]

_R: sa.BindParameter[str] = sa.bindparam("r")
_S: sa.BindParameter[str] = sa.bindparam("s")
_THIS = (steps.c.run_id == _R, steps.c.step_id == _S)

# The statements of every step, built once: building them costs more than SQLite takes to run them.
_SELECT_RUN = sa.select(runs).where(runs.c.id == _R).with_for_update()
_SELECT_STEP = sa.select(steps).where(*_THIS)
_UPDATE_SMALL = sa.update(steps).where(*_THIS).values({name: sa.bindparam(f"v_{name}") for name in _SMALL})
_UPDATE_ALL = sa.update(steps).where(*_THIS).values({name: sa.bindparam(f"v_{name}") for name in _VIEW})
_DISPATCH = {"dispatch": steps.c.dispatch + 1, "queued": sa.bindparam("v_queued", type_=sa.Boolean)}
_UPDATE_AND_DISPATCH = _UPDATE_SMALL.values(_DISPATCH).returning(steps.c.dispatch, steps.c.rescue)
_DISPATCH_ONLY = sa.update(steps).where(*_THIS).values(_DISPATCH).returning(steps.c.dispatch, steps.c.rescue)
_INSERT_EVENT = sa.insert(events)
_RUN_COLUMNS = [
    "seq",
    "head",
    "state",
    "paused",
    "remaining",
    "undo_remaining",
    "releases",
    "message",
    "started_at",
    "ended_at",
]
_UPDATE_RUN = sa.update(runs).where(runs.c.id == _R).values({name: sa.bindparam(f"v_{name}") for name in _RUN_COLUMNS})
_FULFIL = (
    sa.update(steps)
    .where(
        steps.c.run_id == _R,
        steps.c.step_id.in_(sa.select(edges.c.dependent).where(edges.c.run_id == _R, edges.c.need == _S)),
    )
    .values(open_needs=steps.c.open_needs - 1)
    .returning(steps.c.step_id, *_VIEW_COLUMNS)
)
_PASS_UNDO = (
    sa.update(steps)
    .where(
        steps.c.run_id == _R,
        steps.c.step_id.in_(sa.select(edges.c.need).where(edges.c.run_id == _R, edges.c.dependent == _S)),
    )
    .values(undo_open=steps.c.undo_open - 1)
    .returning(steps.c.step_id, *_VIEW_COLUMNS)
)

_ADMINISTERED = (RunEvent.CREATED.value, RunEvent.FINISHED.value)
_UNSTARTED = (StepState.PENDING, StepState.READY, StepState.WAITING)


class RunNotFound(Exception):
    """No run has this id."""


class StepNotFound(Exception):
    """The run has no step of this id."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A step to be worked on: `number` makes the one before it stale. `rescue`: it goes before those that are not."""

    run_id: str
    step_id: str
    number: int
    delay: float = 0.0
    rescue: bool = False

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
        row = conn.execute(_SELECT_RUN, {"r": run_id}).one_or_none()
        if row is None:
            raise RunNotFound(f"There is no run {run_id}. `bascule history` lists them.")
        self.row = row
        self.run = run_view(row)
        self._seq: int = row.seq
        self._head: str = row.head or genesis(run_chain(run_id))
        self._new: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}
        self.dispatches: list[Dispatch] = []

    def named(self, person: str) -> str:
        """How an event's data write a person's name: the chain holds a pseudonym, and everybody reads the name."""
        pseudonym = identities.pseudonym(self.connection, person, self._now)
        self._names[pseudonym] = person
        return pseudonym

    def step(self, step_id: str) -> "sa.Row[Any]":
        row = self.connection.execute(_SELECT_STEP, {"r": self.run_id, "s": step_id}).one_or_none()
        if row is None:
            raise StepNotFound(f"Run {self.run_id} has no step {step_id}. `bascule status {self.run_id}` lists them.")
        return row

    def view(self, step_id: str) -> StepView:
        return step_view(self.step(step_id))

    def may_begin(self, state: RunState) -> bool:
        """Whether a new effect may begin: the run is in this state and not paused, and no halt is in force.

        The one question before every effect, asked in the transaction that journals its intent.
        """
        if self.run.paused or self.run.state is not state:
            return False
        return not self.halted()

    def halted(self) -> bool:
        """Whether a halt is in force. It pauses the run, so that lifting the halt does not make it go on."""
        halt = halts.in_force(self.connection)
        if halt is not None and pausable(self.run):
            self.halt(halt)
        return halt is not None

    def halt(self, halt: Halted) -> None:
        """Pause the run for a halt, in the name of who engaged it."""
        self.run_event(RunEvent.PAUSED, halt.by, {"message": halt.message, "code": "halted"})

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
        new = self._next(step_id, view, kind, data, actor, attempt)
        small = all(getattr(new, name) is getattr(view, name) for name in _LARGE)
        statement = _UPDATE_SMALL if small else _UPDATE_ALL
        self.connection.execute(statement, self._values(step_id, new, _SMALL if small else _VIEW))
        if ends_forward(view.state, new.state):
            self._fulfil(step_id)
        if ends_undo(new.state):
            self._pass_undo(step_id)
        return new

    def dispatch(self, step_id: str, delay: float = 0.0) -> None:
        """Make the step's next piece of work the only valid one, and enqueue it while there is room."""
        values = {"r": self.run_id, "s": step_id, "v_queued": self._has_room}
        self._dispatched(step_id, self.connection.execute(_DISPATCH_ONLY, values).one(), delay)

    def ready(
        self,
        step_id: str,
        view: StepView,
        kind: StepEvent = StepEvent.READY,
        *,
        delay: float = 0.0,
        actor: str = SYSTEM,
        data: Mapping[str, Any] | None = None,
    ) -> StepView:
        """Journal that a step's next attempt (or its undo's) may begin, and dispatch it."""
        number = view.undo_attempt + 1 if kind is StepEvent.UNDO_READY else view.attempt + 1
        said = {**(data or {}), **({"wake_at": self._now + delay} if delay else {})}
        new = self._next(step_id, view, kind, said, actor, number)
        values = self._values(step_id, new, _SMALL) | {"v_queued": self._has_room}
        self._dispatched(step_id, self.connection.execute(_UPDATE_AND_DISPATCH, values).one(), delay)
        return new

    def undo_ready(self, step_id: str, view: StepView, *, delay: float = 0.0, actor: str = SYSTEM) -> StepView:
        return self.ready(step_id, view, StepEvent.UNDO_READY, delay=delay, actor=actor)

    def cancel_unstarted(self) -> None:
        """Nothing more begins. A held step has no intent either; one that failed before any stays as it is."""
        for step_id, view in list(self.steps_in(*_UNSTARTED, StepState.HELD)):
            if view.state is not StepState.HELD or not view.had_intent:
                self.step_event(step_id, view, StepEvent.CANCELLED)

    def start_steps(self) -> None:
        """Make ready every step that needs nothing."""
        query = sa.select(steps.c.step_id, *_VIEW_COLUMNS).where(steps.c.run_id == self.run_id, steps.c.open_needs == 0)
        for row in self.connection.execute(query.order_by(steps.c.ordinal)).all():
            self.ready(row.step_id, step_view(row))

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
        """Write the events, each with its link of the run's chain, and the run's row. Nothing is appended after it."""
        if not self._new:
            return
        self.connection.execute(_INSERT_EVENT, self._new)
        values = {f"v_{name}": getattr(self.run, name) for name in _RUN_COLUMNS if name not in ("seq", "head")}
        values |= {"r": self.run_id, "v_seq": self._seq, "v_head": self._head}
        values |= {"v_state": self.run.state.value, "v_releases": list(self.run.releases)}
        self.connection.execute(_UPDATE_RUN, values)
        self._new = []

    @property
    def _has_room(self) -> bool:
        return len(self.dispatches) < self._enqueue_at_most

    def _dispatched(self, step_id: str, row: "sa.Row[Any]", delay: float) -> None:
        if self._has_room:
            self.dispatches.append(Dispatch(self.run_id, step_id, row.dispatch, delay, row.rescue))

    def _next(
        self,
        step_id: str,
        view: StepView,
        kind: StepEvent,
        data: Mapping[str, Any] | None,
        actor: str,
        attempt: int | None,
    ) -> StepView:
        number = view.attempt if attempt is None else attempt
        return next_step(view, self._append(kind.value, actor, step_id, number, data or {}))

    def _values(self, step_id: str, view: StepView, names: list[str]) -> dict[str, Any]:
        values = {f"v_{name}": getattr(view, name) for name in names}
        return values | {"v_state": view.state.value, "r": self.run_id, "s": step_id}

    def _append(self, kind: str, actor: str, step_id: str | None, attempt: int, data: Mapping[str, Any]) -> Event:
        self._seq += 1
        actor, stored = storable(actor), redact.within(storable(dict(data)))
        event = Event(self._seq, float(self._now), kind, actor, step_id, attempt, stored)
        if self._names:
            event = replace(event, data=identities.with_names(stored, self._names))
        said, who = canonical(stored), actor if actor == SYSTEM else self.named(actor)
        self._head = link(self._head, entry_text(event.seq, event.at, kind, who, step_id, attempt, said))
        self._new.append(
            {
                "run_id": self.run_id,
                "seq": event.seq,
                "at": event.at,
                "kind": kind,
                "actor": who,
                "step_id": step_id,
                "attempt": attempt,
                "data": CanonicalText(said),
                "hash": self._head,
            }
        )
        if step_id is None and kind in _ADMINISTERED:
            self._administer(event)
        return event

    def _administer(self, event: Event) -> None:
        """The administration's chain tells of a run's beginning and ends: a run that is gone or cut is missed there."""
        if event.kind == RunEvent.CREATED:
            names = ("plan_digest", "commit", "scope", "mode", "direction", "services", "reason", "releases_needed")
            said = {name: getattr(self.row, name) for name in names}
        else:
            said = {"outcome": event.data["outcome"]}
        said |= {"run": self.run_id, "length": event.seq, "head": self._head}
        audit.record(self.connection, event.kind, event.actor, said, event.at)

    def _fulfil(self, step_id: str) -> None:
        """Count the edges out of a step that ended, and make ready what waited for it alone."""
        self.run = _less(self.run, remaining=1)
        found = self.connection.execute(_FULFIL, {"r": self.run_id, "s": step_id}).all()
        if self.run.state is not RunState.RUNNING:
            return
        for row in found:
            if row.open_needs == 0 and row.state == StepState.PENDING.value:
                self.ready(row.step_id, step_view(row))

    def _pass_undo(self, step_id: str) -> None:
        self.run = _less(self.run, undo_remaining=1)
        told = [step_id]
        while told:
            found = self.connection.execute(_PASS_UNDO, {"r": self.run_id, "s": told.pop()}).all()
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
