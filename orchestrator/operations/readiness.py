"""Whether this process can take work now: its database takes a write, its worker is awake, it is not about to stop."""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow

from orchestrator.store import leases
from orchestrator.store.database import Database, DatabaseFault

log = logging.getLogger("bascule.readiness")

KNOWN_FOR = 2.0
"""Seconds that an answer is given again: whoever asks without a token costs no write each time."""
WRITES_WITHIN = 3.0
"""Seconds within which the database has to take a write."""
QUIET_AT_MOST = 15.0
"""Seconds since the worker last looked around; it does so once a second."""
LEASE = "readiness"


class Readiness:
    """`quiet_for`: seconds since the worker's last sign of life. `now` is monotonic, in seconds."""

    def __init__(
        self,
        database: Database,
        quiet_for: Callable[[], float],
        now: Callable[[], float] = time.monotonic,
        *,
        writes_within: float = WRITES_WITHIN,
    ) -> None:
        self._database = database
        self._quiet_for = quiet_for
        self._now = now
        self._writes_within = writes_within
        self._holder = secrets.token_hex(6)
        self._stopping = False
        self._lock = threading.Lock()
        self._known: tuple[float, bool] | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readiness")
        self._writing: Future[bool] | None = None

    def stop(self) -> None:
        """From now on the answer is no; what is under way is not waited for."""
        self._stopping = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ready(self) -> bool:
        with self._lock:
            if self._stopping:
                return False
            if self._known is None or not 0 <= self._now() - self._known[0] < KNOWN_FOR:
                self._known = (self._now(), self._look())
            return self._known[1] and not self._stopping

    def _look(self) -> bool:
        quiet = self._quiet_for()
        if quiet > QUIET_AT_MOST:
            log.warning("not ready: the worker has not looked around for %.0f s", quiet)
            return False
        if self._writing is None or self._writing.done():
            self._writing = self._pool.submit(self._write)
        try:
            return self._writing.result(timeout=self._writes_within)
        except TooSlow:
            log.warning("not ready: the database takes no write within %g s", self._writes_within)
            return False

    def _write(self) -> bool:
        """A row of its own, so that a full disk or a database that only reads shows itself."""
        try:
            with self._database.write() as conn:
                leases.take(conn, LEASE, self._holder, time.time(), KNOWN_FOR)
        except DatabaseFault as fault:
            log.warning("not ready: the database takes no write: %s", fault)
            return False
        return True
