"""The durable queue under the journal, and recovery after a crash. The only importer of DBOS.

A dispatch is one DBOS workflow whose id is the run, the step and the dispatch
number. It is enqueued in the transaction that journals the step as ready, and
its body is linear: the journal is its checkpoint. A body may go on with one
dispatch that its own made ready (`Worker.work`). DBOS's own step retries,
timeouts and cancellation are left alone, for a cancelled workflow loses its
outcome.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence

from dbos import DBOS, DBOSClient, DBOSConfig
from dbos._serialization import DBOSPortableJSON

from orchestrator.store.database import Connection, Database
from orchestrator.store.journal import Dispatch

log = logging.getLogger("bascule.engine")

APPLICATION = "bascule"
QUEUE = "bascule-work"
APPLICATION_VERSION = "1"
"""Changes only when dispatches of an older version can no longer be worked on."""

BUSY_POLL = 0.02
IDLE_POLL = 0.7
"""Seconds between two looks at the queue: DBOS shortens a longer one by a tenth per look."""

STOP_POLL = 0.05
"""Seconds between two looks whether the work under way has ended, while the worker stops."""
STOP_WITHIN = 10.0
"""Seconds that bodies under way have to end; what is not done by then is reconciled after the next start."""

RESCUE, ORDINARY = 1, 2
"""Places in the queue: among those that wait, the smaller number goes first."""

LIVE = ["PENDING", "ENQUEUED", "DELAYED"]
"""What DBOS calls a workflow that is at work or will be."""
ASKED_AT_ONCE = 500

Body = Callable[[str, str, int], None]

_body: Body | None = None


@DBOS.workflow(name="work", max_recovery_attempts=1000)
def _work(run_id: str, step_id: str, number: int) -> None:
    if _body is None:
        raise RuntimeError("a dispatch arrived before the engine was ready")
    _body(run_id, step_id, number)


class Durable:
    """Enqueues dispatches with the caller's transaction and hands them to `body`, on one worker."""

    def __init__(self, database: Database, worker_id: str, *, concurrency: int = 16) -> None:
        self._database = database
        self._worker_id = worker_id
        self._concurrency = concurrency
        self._client: DBOSClient | None = None
        self._dbos: DBOS | None = None
        self._pace = threading.Lock()
        self._busy: bool | None = None

    def launch(self, body: Body) -> None:
        """Create DBOS's tables where they are missing, and begin to take work."""
        global _body
        _body = body
        os.environ.pop("DBOS__CONDUCTOR_KEY", None)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._database.url,
            "system_database_engine": self._database.engine,
            "executor_id": self._worker_id,
            "application_version": APPLICATION_VERSION,
            "serializer": DBOSPortableJSON,
            "log_level": "WARNING",
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": STOP_POLL,
            "scheduler_polling_interval_sec": 60.0,
        }
        self._dbos = DBOS(config=config)
        self._client = DBOSClient(
            system_database_engine=self._database.engine, serializer=DBOSPortableJSON, application_name=APPLICATION
        )
        self._client._sys_db.run_migrations()
        # Before the launch, for DBOS looks for queues that it does not know once a second only.
        self._client.register_queue(
            QUEUE, worker_concurrency=self._concurrency, polling_interval_sec=BUSY_POLL, on_conflict="always_update"
        )
        self._busy = True
        DBOS.launch()

    def enqueue(self, conn: Connection, dispatch: Dispatch) -> None:
        """Put a dispatch on the queue; it is there when the caller's transaction commits, and not before."""
        if self._client is None:
            raise RuntimeError("the durable queue is not launched")
        options = {"queue_name": QUEUE, "workflow_name": "work", "workflow_id": dispatch.workflow_id}
        options["app_version"] = APPLICATION_VERSION
        options["priority"] = RESCUE if dispatch.rescue else ORDINARY  # type: ignore[assignment]
        if dispatch.delay > 0:
            options["delay_seconds"] = dispatch.delay  # type: ignore[assignment]
        self._client.enqueue_in_transaction(
            conn,
            options,  # type: ignore[arg-type]
            dispatch.run_id,
            dispatch.step_id,
            dispatch.number,
        )

    def keep_pace(self, *, busy: bool) -> None:
        """Look often while runs are active, and seldom while there is nothing to do."""
        with self._pace:
            if busy == self._busy:
                return
            queue = DBOS.retrieve_queue(QUEUE)
            if queue is not None:
                queue.set_polling_interval_sec(BUSY_POLL if busy else IDLE_POLL)
                self._busy = busy

    def recover(self, dead_workers: Sequence[str]) -> None:
        """Give the dispatches that dead workers had begun to whoever takes them; safe to repeat."""
        if dead_workers:
            DBOS._recover_pending_workflows(list(dead_workers))

    def lost(self, dispatches: Sequence[Dispatch]) -> list[Dispatch]:
        """Those that nobody will take any more: not enqueued, or at their end."""
        live: set[str] = set()
        for at in range(0, len(dispatches), ASKED_AT_ONCE):
            ids = [one.workflow_id for one in dispatches[at : at + ASKED_AT_ONCE]]
            found = DBOS.list_workflows(workflow_ids=ids, status=LIVE, load_input=False, load_output=False)
            live.update(one.workflow_id for one in found)
        return [one for one in dispatches if one.workflow_id not in live]

    def close(self) -> None:
        """Take no more work. What is under way can still enqueue what it makes ready, however long it takes."""
        if self._dbos is not None:
            _finish(self._dbos)
            DBOS.destroy()
            self._dbos = None


def _finish(running: DBOS) -> None:
    """Have DBOS take nothing more, and wait for what is under way. Its own such wait begins with a second's sleep."""
    for stopping in running.background_thread_stop_events:
        stopping.set()
    until = time.monotonic() + STOP_WITHIN
    while _at_work(running) and time.monotonic() < until:
        time.sleep(STOP_POLL)


def _at_work(running: DBOS) -> bool:
    """Whether a body is under way, or one that was taken from the queue is about to be."""
    takers = [one for one in threading.enumerate() if one.name.startswith("queue-worker-")]
    return bool(takers or running._active_workflows_set.activeList())
