"""When a session or a token was used last: written as well as can be. Nobody is kept from looking for its sake."""

import logging
import threading
from collections.abc import Callable

from orchestrator.store.database import Connection, Database, DatabaseFault

log = logging.getLogger("bascule.people")

AGAIN_AFTER = 60.0
"""Seconds for which nothing is tried once the database took no mark: on a full disk, read-only, or locked for long."""
MISSED_AT_MOST = 10_000


class Marks:
    """Of one process. One mark at a time is written; whoever comes meanwhile is marked by their next request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing = threading.Lock()
        self._failed_at: float | None = None
        self._missed: dict[str, float] = {}

    def make(self, key: str, now: float, write: Callable[[Connection], None]) -> None:
        """`now`: UTC seconds. Raises nothing that a database does wrong."""
        if self._failed_at is not None and 0 <= now - self._failed_at < AGAIN_AFTER:
            self._miss(key, now)
            return
        if not self._writing.acquire(blocking=False):
            return
        try:
            with self._database.write() as conn:
                write(conn)
            self._failed_at = None
            self._missed.pop(key, None)
        except DatabaseFault as error:
            self._failed_at = now
            self._miss(key, now)
            log.warning("the database takes no mark of who is there (%s): people look on", type(error).__name__)
        finally:
            self._writing.release()

    def missed(self, key: str) -> float:
        """When it was used last as far as that could not be written; 0 where everything was. UTC seconds."""
        return self._missed.get(key, 0.0)

    def _miss(self, key: str, now: float) -> None:
        if key in self._missed or len(self._missed) < MISSED_AT_MOST:
            self._missed[key] = now
