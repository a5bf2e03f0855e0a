"""The seconds that one provider call may take in all."""

import time
from collections.abc import Callable

from providers.base import ProviderError


class TimeIsUpError(ProviderError):
    """The call used up its time; another attempt may fare better."""

    def __init__(self) -> None:
        super().__init__(
            "The time that this attempt may take is over; try again, or raise the step's `timeout`.", permanent=False
        )


class Deadline:
    """Counts down from `seconds`; every wait of a call is bounded by what is left."""

    def __init__(
        self,
        seconds: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._end = now() + seconds

    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - self._now())

    def within(self, longest: float) -> float:
        """Seconds that the next wait may take. Raises TimeIsUpError when none are left."""
        left = self.left()
        if left <= 0:
            raise TimeIsUpError
        return min(longest, left)

    def pause(self, seconds: float) -> bool:
        """Wait before looking again; False, at once, when no time is left for that."""
        if self.left() <= seconds:
            return False
        self._sleep(seconds)
        return True
