"""A clock that goes on by itself and can be put forward: what policy waits for in hours then passes at once."""

import threading
import time

DAY = 86_400.0


class ShiftedClock:
    """Seconds since the epoch, `behind` the machine's own to begin with.

    Whoever sends to a service that has this clock keeps the machine's: its times lie in the service's future, so the
    service takes its own instead (`AHEAD` of orchestrator.domain.signals.mapping). News of real senders thereby happen
    when the service hears of them, however far it was put forward. Put it forward by less than `behind` in all.
    """

    def __init__(self, behind: float = 30 * DAY) -> None:
        self._left = behind
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return time.time() - self._left

    def forward(self, seconds: float) -> float:
        """Put it forward; answers what it says then."""
        with self._lock:
            assert 0 <= seconds < self._left, "the clock would no longer be behind those who send"
            self._left -= seconds
        return self()
