"""How fast requests go to one place: at most so many a second, and none while it asked to be left alone."""

import threading
import time
from collections.abc import Callable


class Pace:
    """Shared by all threads of this process that talk to one place. Thread-safe.

    `rate`: requests a second, None for as many as come. Turns are given out in
    the order of asking; a turn that lies beyond the caller's time is not taken.
    """

    def __init__(self, rate: float | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._now = now
        self._lock = threading.Lock()
        self._next = 0.0

    def turn(self, patience: float) -> float | None:
        """Seconds to wait before sending; None when that is more than `patience`, and then no turn is used up."""
        with self._lock:
            at = max(self._now(), self._next)
            wait = at - self._now()
            if wait > patience:
                return None
            if self.rate:
                self._next = at + 1 / self.rate
            return wait

    def hold(self, seconds: float) -> None:
        """The other side asked everybody to wait (429, Retry-After)."""
        with self._lock:
            self._next = max(self._next, self._now() + seconds)
