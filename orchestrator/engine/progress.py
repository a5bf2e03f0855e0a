"""Every change of a run: one transaction that journals, folds, enqueues, and ends the run when it is over."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.domain.journal import RunEvent
from orchestrator.domain.model import ENDED_RUN, RunState, StepState
from orchestrator.store import runs
from orchestrator.store.database import Connection, Database
from orchestrator.store.journal import Dispatch, RunJournal

Clock = Callable[[], float]
"""Seconds since the epoch, UTC."""

Enqueue = Callable[[Connection, Dispatch], None]


class Progress:
    """Opens journal transactions, and tells those who watch that something moved."""

    def __init__(self, database: Database, enqueue: Enqueue, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.enqueue = enqueue
        self.on_dispatch: Callable[[], None] = lambda: None
        """Called after a commit that made steps ready: the worker then looks at its queue more often."""
        self._moved = threading.Condition()
        self._moves = 0

    @contextmanager
    def journal(
        self,
        run_id: str,
        first: Callable[[Connection], None] | None = None,
        *,
        keep: list[Dispatch] | None = None,
        urgent: bool = False,
    ) -> Iterator[RunJournal]:
        """The one way to change a run. An exception inside takes everything back.

        `first` runs in the same transaction before the run's row is read: a new run is inserted there.
        `keep` receives, once committed, one step that can begin at once: the caller works on it instead of the queue.
        `urgent`: what begins an effect goes before what records one, so that effects run side by side soonest.
        """
        with self.database.write(urgent=urgent) as conn:
            if first is not None:
                first(conn)
            journal = RunJournal(conn, run_id, self.clock())
            yield journal
            _conclude(journal, conn)
            kept = _at_once(journal.dispatches) if keep is not None else None
            for dispatch in journal.dispatches:
                if dispatch is not kept:
                    self.enqueue(conn, dispatch)
            journal.flush()
        if keep is not None and kept is not None:
            keep.append(kept)
        self.announce()
        if journal.dispatches:
            self.on_dispatch()
        if len(journal.dispatches) >= 100:
            self.drain()

    def drain(self) -> int:
        """Enqueue ready steps that no transaction has enqueued, a hundred at a time; answers how many."""
        total = 0
        while True:
            with self.database.read() as conn:
                if not runs.has_outbox(conn):
                    return total
            with self.database.write() as conn:
                found = runs.outbox(conn)
                for dispatch in found:
                    self.enqueue(conn, dispatch)
            if not found:
                return total
            total += len(found)

    def announce(self) -> None:
        with self._moved:
            self._moves += 1
            self._moved.notify_all()

    def wait_for_move(self, seen: int, timeout: float) -> int:
        """Block until something moved since `seen`, or `timeout` seconds; answers the new count."""
        with self._moved:
            self._moved.wait_for(lambda: self._moves != seen, timeout)
            return self._moves


def _at_once(dispatches: list[Dispatch]) -> Dispatch | None:
    """A rescue, if there is one."""
    return min((one for one in dispatches if not one.delay), key=lambda one: not one.rescue, default=None)


def _conclude(journal: RunJournal, conn: Connection) -> None:
    """Move the run itself, when its steps have come far enough."""
    state = journal.run.state
    if state is RunState.UNDO_REQUESTED and not journal.count(StepState.RUNNING):
        journal.run_event(RunEvent.UNDO_STARTED, data={"steps": journal.count_with_intent()})
        state = journal.run.state
    outcome = _outcome(journal, state)
    if outcome is not None:
        journal.run_event(RunEvent.FINISHED, data={"outcome": outcome.value})
    if journal.run.state in ENDED_RUN:
        runs.release_holds(conn, journal.run_id)


def _outcome(journal: RunJournal, state: RunState) -> RunState | None:
    if state is RunState.RUNNING and journal.run.remaining == 0:
        clean = not journal.count(StepState.SKIPPED, StepState.TOLERATED)
        return RunState.SUCCEEDED if clean else RunState.INCOMPLETE
    if state is RunState.CANCELLING:
        busy = journal.count(StepState.RUNNING, StepState.SETTLING, StepState.VERIFYING)
        return None if busy else RunState.CANCELLED
    if state is RunState.UNDOING and journal.run.undo_remaining == 0:
        return RunState.PARTLY_UNDONE if journal.count(StepState.LEFT) else RunState.UNDONE
    return None
