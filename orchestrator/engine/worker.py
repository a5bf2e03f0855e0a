"""One worker: takes dispatches, keeps watch over deadlines and over other workers, and stops cleanly."""

import logging
import os
import threading
import time
from collections.abc import Callable

from orchestrator.domain.journal import StepEvent
from orchestrator.domain.model import StepState
from orchestrator.engine.act import Act
from orchestrator.engine.durable import Durable
from orchestrator.engine.output import Output
from orchestrator.engine.progress import Clock, Progress
from orchestrator.engine.spec import StepSpec
from orchestrator.engine.undo import Undo
from orchestrator.engine.waiting import WITHOUT_PROVIDER, Waiting
from orchestrator.engine.work import Bench, Boundary, Stale, Work
from orchestrator.engine.workshop import Workshop
from orchestrator.store import runs, workers
from orchestrator.store.database import Database, DatabaseAwayError
from orchestrator.store.journal import Dispatch, step_view

log = logging.getLogger("bascule.engine")

WATCH_EVERY = 1.0
SEARCH_EVERY = 60.0
"""Seconds between two searches for lost dispatches."""
SLOW_AFTER = 10.0
"""Seconds without an active run before the queue is looked at less often."""

GRACE = 30.0
"""Seconds past its timeout that an attempt has before the watch gives it up."""


_MISHAPS = {
    StepState.READY: StepEvent.FAILED,
    StepState.RUNNING: StepEvent.UNKNOWN,
    StepState.SETTLING: StepEvent.UNKNOWN,
    StepState.VERIFYING: StepEvent.FAILED,
    StepState.WAITING: StepEvent.FAILED,
    StepState.UNDO_READY: StepEvent.UNDO_FAILED,
    StepState.UNDOING: StepEvent.UNDO_FAILED,
    StepState.UNDO_SETTLING: StepEvent.UNDO_FAILED,
}


class Worker:
    """Carries runs on, from `start` until `stop`."""

    def __init__(
        self,
        database: Database,
        workshop: Workshop,
        clock: Clock,
        *,
        boundary: Boundary | None = None,
        concurrency: int = 24,
    ) -> None:
        self.database = database
        self.lease = workers.Lease(database, clock)
        self._durable = Durable(database, self.lease.worker_id, concurrency=concurrency)
        self.progress = Progress(database, self._durable.enqueue, clock)
        self._clock = clock
        self._busy_until = 0.0
        self._search_at = 0.0
        self._looked_at = time.monotonic()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._output = Output(database, clock, self.progress.announce)
        self._concurrency = concurrency
        self._at_work = 0
        self._at_hand: set[str] = set()
        """Dispatches that threads go on with: they have no workflow, and are not lost."""
        self._count = threading.Lock()
        self._bench = Bench(self.progress, workshop, self._output, self.lease.worker_id, boundary)
        self._bench.has_room = self._has_room
        self._act = Act(self._bench)
        self._waiting = Waiting(self._bench, self._act)
        self._undo = Undo(self._bench)

    def start(self) -> None:
        self._output.start()
        self._bench.halting.start()
        self.progress.on_dispatch = self._hurry
        self._busy_until = time.monotonic() + SLOW_AFTER
        self.lease.take()
        self._durable.launch(self.work)
        self._take_over()
        self.progress.drain()
        self._find_lost()
        self._looked_at = time.monotonic()
        self._watcher.start()

    def quiet_for(self) -> float:
        """Seconds since this worker last looked around to the end; it does so once a second."""
        return time.monotonic() - self._looked_at

    def stop(self) -> None:
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join(timeout=10)
        self._durable.close()
        self._bench.halting.stop()
        self._output.close()
        self.lease.give_back()

    def work(self, run_id: str, step_id: str, number: int) -> None:
        """The body of a workflow: its dispatch, then those that its thread goes on with, one after the other.

        One that was kept has no workflow of its own: if this worker dies, the search for lost dispatches finds it.
        """
        with self._count:
            self._at_work += 1
        try:
            kept = self._one(run_id, step_id, number)
            while kept is not None:
                self._at_hand.add(kept.workflow_id)
                at_hand, kept = kept, self._one(kept.run_id, kept.step_id, kept.number)
                self._at_hand.discard(at_hand.workflow_id)
        finally:
            with self._count:
                self._at_work -= 1

    def _has_room(self) -> bool:
        return self._at_work < self._concurrency and not self._stopping.is_set()

    def _one(self, run_id: str, step_id: str, number: int) -> Dispatch | None:
        """One dispatch: what it does follows from the step's state alone. Answers the one to go on with."""
        work = None
        try:
            work = self._bench.load(run_id, step_id, number)
            if work is not None:
                self._todo(work)(work)
        except Stale as gone:
            log.info("nothing written: %s", gone)
        except DatabaseAwayError:
            log.exception("the database went away from step %s of run %s", step_id, run_id)
            self._again(Dispatch(run_id, step_id, number))
        except Exception as error:
            log.exception("step %s of run %s met an unexpected fault", step_id, run_id)
            try:
                self._mishap(run_id, step_id, number, type(error).__name__)
            except DatabaseAwayError:
                self._again(Dispatch(run_id, step_id, number))
        return work.kept[0] if work is not None and work.kept else None

    def _todo(self, work: Work) -> Callable[[Work], None]:
        begin = self._waiting.begin if work.spec.uses in WITHOUT_PROVIDER else self._act.attempt
        return {
            StepState.READY: begin,
            StepState.RUNNING: self._act.reconcile,
            StepState.SETTLING: self._waiting.settle,
            StepState.VERIFYING: self._waiting.verify,
            StepState.WAITING: self._waiting.wake,
            StepState.UNDO_READY: self._undo.attempt,
            StepState.UNDOING: self._undo.reconcile,
            StepState.UNDO_SETTLING: self._undo.settle,
        }.get(work.view.state, lambda _: None)

    def _again(self, dispatch: Dispatch) -> None:
        """Give the step to a new dispatch as soon as the database answers: as after a crash, it looks first."""
        while not self._stopping.wait(1.0):
            try:
                self._redispatch(dispatch)
                return
            except DatabaseAwayError as error:
                log.warning("the database does not answer yet: %s", error)

    def _redispatch(self, dispatch: Dispatch) -> None:
        with self.database.write() as conn:
            again = runs.redispatch(conn, dispatch)
            if again is not None:
                self.progress.enqueue(conn, again)

    def _find_lost(self) -> None:
        """Send again what a worker lost that was stopped while the database was away."""
        self._search_at = time.monotonic() + SEARCH_EVERY
        with self.database.read() as conn:
            counted_on = runs.dispatched(conn)
        counted_on = [dispatch for dispatch in counted_on if dispatch.workflow_id not in self._at_hand]
        for dispatch in self._durable.lost(counted_on):
            log.warning("the dispatch %s was lost, and is sent again", dispatch.workflow_id)
            self._redispatch(dispatch)

    def _mishap(self, run_id: str, step_id: str, number: int, what: str) -> None:
        """A fault of Bascule's own: the step says so and a person decides, instead of a run that hangs."""
        text = f"Unexpected {what} in Bascule itself; the service's log has the details. Retry, or skip with a reason."
        with self.progress.journal(run_id) as journal:
            row = journal.step(step_id)
            kind = _MISHAPS.get(StepState(row.state))
            if row.dispatch == number and kind is not None:
                journal.step_event(step_id, step_view(row), kind, {"message": text, "fence": "", "permanent": True})

    def _hurry(self) -> None:
        self._busy_until = time.monotonic() + SLOW_AFTER
        self._durable.keep_pace(busy=True)

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_EVERY):
            try:
                self._look_around()
                self._looked_at = time.monotonic()
            except workers.LeaseLost as lost:
                log.critical("%s: this worker stops at once, another takes its work", lost)
                os._exit(75)
            except Exception:
                log.exception("the watch failed once and goes on")

    def _look_around(self) -> None:
        with self.database.read() as conn:
            busy = runs.any_active(conn)
        now = time.monotonic()
        self._busy_until = now + SLOW_AFTER if busy else self._busy_until
        self._durable.keep_pace(busy=now < self._busy_until)
        self.lease.renew()
        if not busy:
            return
        self._take_over()
        self.progress.drain()
        self._give_up_overdue()
        if time.monotonic() >= self._search_at:
            self._find_lost()

    def _take_over(self) -> None:
        dead = self.lease.dead_workers()
        if dead:
            self._durable.recover(dead)
            self.lease.forget(dead)
            self._find_lost()

    def _give_up_overdue(self) -> None:
        """Only what this worker began: what a dead one left is looked at by whoever takes it over."""
        with self.database.read() as conn:
            under_way = runs.running_steps(conn)
        ours = [row for row in under_way if row.fence.startswith(f"{self.lease.worker_id}:")]
        for row in ours:
            timeout = StepSpec.model_validate(row.spec).timeout
            if self._clock() > (row.started_at or 0.0) + timeout + GRACE:
                self._give_up(row.run_id, row.step_id, row.fence, timeout)

    def _give_up(self, run_id: str, step_id: str, fence: str, timeout: float) -> None:
        text = f"No end within {timeout:g} s and {GRACE:g} s of grace. Find out what it did; then retry or skip."
        with self.progress.journal(run_id) as journal:
            row = journal.step(step_id)
            if row.fence != fence:
                return
            view = step_view(row)
            data = {"message": text, "fence": ""}
            if view.state is StepState.RUNNING:
                journal.step_event(step_id, view, StepEvent.UNKNOWN, data)
            elif view.state is StepState.UNDOING:
                journal.step_event(step_id, view, StepEvent.UNDO_FAILED, data)
