"""The kill switch as a worker at work sees it: whoever is at several effects in a row is told before the next one.

No claim relies on this: it asks the database in its own transaction (`RunJournal.may_begin`). What is looked up here
stops what was claimed before the halt.
"""

import logging
import threading
from collections.abc import Callable

from orchestrator.store import halts
from orchestrator.store.database import Database, DatabaseAwayError

log = logging.getLogger("bascule.engine")

LOOK_EVERY = 0.5
"""Seconds between two looks, while something is at an effect."""


class Halting:
    """Whether a halt is in force, as known here. `busy`: whether something is at an effect on this worker."""

    def __init__(self, database: Database, busy: Callable[[], bool]) -> None:
        self._database = database
        self._busy = busy
        self._in_force = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="halt-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def in_force(self) -> bool:
        """As it was `LOOK_EVERY` seconds ago at most, while something is at an effect; older otherwise. Never waits."""
        return self._in_force

    def look(self) -> bool:
        """As it is now."""
        with self._database.read() as conn:
            self._in_force = halts.in_force(conn) is not None
        return self._in_force

    def _look_on(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            try:
                if self._busy():
                    self.look()
            except DatabaseAwayError as error:
                log.warning("whether a halt is in force can't be read, what is under way goes on: %s", error)
            except Exception:
                log.exception("the look for a halt failed once and goes on")
