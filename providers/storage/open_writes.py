"""Writes to a store without an answer: how long one may still arrive, and bring back what was taken back.

S3 has conditions for a write, and none that a late write fails once all is again as
it was before. So each write is noted in the step's workspace before it goes, and the
note ends with its answer. While one is there, a copy is not said to be complete (a late
write would replace what others put there since), and an undo keeps its notes of what
was there. A step that another machine takes over has no such note there. What arrives
after `IN_FLIGHT_SECONDS` cannot be told from somebody else's write.
"""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests
from libcloud.common.exceptions import BaseHTTPError

from providers.vendor_http import is_lost

IN_FLIGHT_SECONDS = 10.0
"""How long after a write was given up the store may still carry it out: seconds are what a queue or a stalled
connection takes; a body that did not arrive whole is refused by its checksum."""


class OpenWrites:
    """One step's writes that have no answer, a file for each, so that threads and processes need not agree."""

    def __init__(self, workspace: Path) -> None:
        self._folder = workspace / "open-writes"

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around one write. Its note stays when the answer was lost, or the block never ends."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        note = self._folder / uuid.uuid4().hex
        note.touch()
        try:
            yield
        except (BaseHTTPError, requests.RequestException) as error:
            if is_lost(error):
                note.touch()
            else:
                note.unlink(missing_ok=True)
            raise
        note.unlink(missing_ok=True)

    def left(self) -> float:
        """Seconds until none can arrive any more; 0 when all have their answers."""
        with suppress(FileNotFoundError):
            return max((_left(Path(note)) for note in os.scandir(self._folder)), default=0.0)
        return 0.0


def _left(note: Path) -> float:
    """Of one write. What is over is forgotten; one from the future was noted before the clock was set back."""
    with suppress(FileNotFoundError):
        since = note.stat().st_mtime
        now = time.time()
        if since > now:
            os.utime(note, (now, now))
            return IN_FLIGHT_SECONDS
        if now - since < IN_FLIGHT_SECONDS:
            return IN_FLIGHT_SECONDS - (now - since)
        note.unlink()
    return 0.0
