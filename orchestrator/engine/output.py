"""What a step says while it runs: gathered, written a few times a second, capped."""

import logging
import threading
from collections.abc import Callable

from orchestrator.store import runs
from orchestrator.store.database import Database, DatabaseAwayError
from orchestrator.store.runs import OutputLine
from providers.base import Report
from providers.redaction import redact

log = logging.getLogger("bascule.engine")

FLUSH_EVERY = 0.25
"""Seconds."""
LINES_PER_ATTEMPT = 20_000
LINE_LENGTH = 4_000


class Output:
    """One writer for all steps of this worker; a line is in the database within half a second."""

    def __init__(self, database: Database, clock: Callable[[], float], announce: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._announce = announce
        self._lines: list[OutputLine] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="output", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def reporter(self, run_id: str, step_id: str, attempt: int) -> Report:
        count = 0

        def report(text: str) -> None:
            nonlocal count
            count += 1
            if count > LINES_PER_ATTEMPT:
                return
            if count == LINES_PER_ATTEMPT:
                text = f"… more than {LINES_PER_ATTEMPT} lines: the rest is cut"
            # Before it is cut: half a secret would not be known.
            line = OutputLine(run_id, step_id, attempt, self._clock(), redact(text).rstrip()[:LINE_LENGTH])
            with self._lock:
                self._lines.append(line)
            self._wake.set()

        return report

    def flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            with self._database.write() as conn:
                runs.add_output(conn, lines)
        except DatabaseAwayError:
            with self._lock:
                self._lines = lines + self._lines
            raise
        self._announce()

    def close(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self.flush()

    def _write_on(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            self._stopping.wait(FLUSH_EVERY)
            try:
                self.flush()
            except DatabaseAwayError as error:
                log.warning("output waits for the database: %s", error)
                self._wake.set()
            except Exception:
                log.exception("some lines of output were lost")
