"""Wald's sequential probability ratio test of one sensor, restarted at zero, capped, and fading with time."""

from orchestrator.domain.signals.thresholds import Thresholds


class SequentialTest:
    """Whether the readings speak of a lost vendor rather than of chance.

    `level` is the log-likelihood ratio. Invariant: 0 <= level <= cap. `on` rises at
    the bar and falls at zero: between them the test stays as it was.
    """

    __slots__ = ("_bar", "_cap", "level", "on")

    def __init__(self, thresholds: Thresholds) -> None:
        self._bar = thresholds.bar
        self._cap = thresholds.bar * thresholds.cap
        self.level = 0.0
        self.on = False

    def add(self, gain: float, fading: float) -> None:
        """One reading's log-likelihood, after what was known has faded to this share."""
        level = self.level * fading + gain
        self.level = level = 0.0 if level <= 0.0 else min(level, self._cap)
        if level >= self._bar:
            self.on = True
        elif level <= 0.0:
            self.on = False

    @property
    def firm(self) -> bool:
        """So sure that one reading to the contrary changes nothing."""
        return self.on and self.level >= 0.75 * self._cap


class Pool:
    """A CUSUM of rare events over all sensors of one trust domain: a share that rose from chance to a part.

    Bursts count little: what fails together in one interval has one cause, so at most two events count in it.
    """

    __slots__ = ("_at", "_burst", "_interval", "_most", "gain", "level", "loss", "since")

    def __init__(self, gain: float, loss: float, thresholds: Thresholds) -> None:
        self.gain, self.loss = gain, loss
        self.level = 0.0
        self.since = 0.0
        self._most = thresholds.pool_bar * 3
        self._interval = thresholds.interval
        self._burst, self._at = 0, float("-inf")

    def hit(self, at: float) -> None:
        if at - self._at >= self._interval:
            self._at, self._burst = at, 0
        self._burst += 1
        if self._burst > 2:
            return
        if self.level <= 0.0:
            self.since = at
        self.level = min(self.level + self.gain, self._most)

    def miss(self) -> None:
        level = self.level - self.loss
        self.level = level if level > 0.0 else 0.0
