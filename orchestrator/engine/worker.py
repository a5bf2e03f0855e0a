"""One worker: takes dispatches, keeps watch over deadlines and over other workers, and stops cleanly."""

import logging
import os
import threading
import time

from orchestrator.domain.journal import StepEvent
from orchestrator.domain.model import StepState
from orchestrator.engine.act import Act, Boundary, Stale
from orchestrator.engine.durable import Durable
from orchestrator.engine.output import Output
from orchestrator.engine.progress import Clock, Progress
from orchestrator.engine.spec import StepSpec
from orchestrator.engine.undo import Undo
from orchestrator.engine.workshop import Workshop
from orchestrator.store import runs, workers
from orchestrator.store.database import Database
from orchestrator.store.journal import step_view

log = logging.getLogger("bascule.engine")

WATCH_EVERY = 1.0
SLOW_AFTER = 10.0
"""Seconds without an active run before the queue is looked at less often."""

GRACE = 30.0
"""Seconds past its timeout that an attempt has before the watch gives it up."""


class Worker:
    """Carries runs on, from `start` until `stop`."""

    def __init__(
        self,
        database: Database,
        workshop: Workshop,
        clock: Clock,
        *,
        boundary: Boundary | None = None,
        concurrency: int = 16,
    ) -> None:
        self.database = database
        self.lease = workers.Lease(database, clock)
        self._durable = Durable(database, self.lease.worker_id, concurrency=concurrency)
        self.progress = Progress(database, self._durable.enqueue, clock)
        self._workshop = workshop
        self._boundary = boundary
        self._clock = clock
        self._busy_until = 0.0
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._output: Output | None = None
        self._act: Act | None = None

    def start(self) -> None:
        self._output = Output(self.database, self._clock, self.progress.announce)
        self._act = Act(self.progress, self._workshop, self._output, self.lease.worker_id, self._boundary)
        self._undo = Undo(self._act)
        self.lease.take()
        self._durable.launch(self.work)
        self._take_over()
        self.progress.drain()
        self._watcher.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join(timeout=10)
        self._durable.close()
        if self._output is not None:
            self._output.close()
        self.lease.give_back()

    def work(self, run_id: str, step_id: str, number: int) -> None:
        """The body of a dispatch: what it does follows from the step's state alone."""
        act, undo = self._act, self._undo
        assert act is not None
        work = act.load(run_id, step_id, number)
        if work is None:
            return
        todo = {
            StepState.READY: act.attempt,
            StepState.RUNNING: act.reconcile,
            StepState.SETTLING: act.settle,
            StepState.VERIFYING: act.verify,
            StepState.WAITING: act.wake,
            StepState.UNDO_READY: undo.attempt,
            StepState.UNDOING: undo.reconcile,
            StepState.UNDO_SETTLING: undo.settle,
        }.get(work.view.state)
        if todo is None:
            return
        try:
            todo(work)
        except Stale as gone:
            log.info("nothing written: %s", gone)

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_EVERY):
            try:
                self._look_around()
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

    def _take_over(self) -> None:
        dead = self.lease.dead_workers()
        if dead:
            self._durable.recover(dead)
            self.lease.forget(dead)

    def _give_up_overdue(self) -> None:
        with self.database.read() as conn:
            under_way = runs.running_steps(conn)
        for row in under_way:
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
