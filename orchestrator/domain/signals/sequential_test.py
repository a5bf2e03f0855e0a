"""Wald's sequential probability ratio test of one sensor, restarted at zero, capped, and fading with time."""

import math

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
    What is chance is learned from all readings so far, between `chance` and twenty times that; a rise of the
    share teaches it next to nothing before it is noticed.
    """

    __slots__ = (
        "_burst",
        "_chance",
        "_hits",
        "_interval",
        "_most",
        "_part",
        "_started",
        "at",
        "level",
        "loss",
        "since",
    )

    def __init__(self, chance: float, part: float, bar: float, interval: float) -> None:
        self._chance, self._part = chance, part
        self.level = 0.0
        self.since = 0.0
        self.loss = math.log((1 - chance) / (1 - part))
        self._most = bar * 3
        self._interval = interval
        self._burst, self._started = 0, float("-inf")
        self.at = float("-inf")
        """Of the latest event."""
        self._hits = 0

    def hit(self, at: float, readings: int) -> None:
        """An event among so many readings since the beginning."""
        self.at = at
        if at - self._started >= self._interval:
            self._started, self._burst = at, 0
        self._burst += 1
        if self._burst > 2:
            return
        if self.level <= 0.0:
            self.since = at
        self.level = min(self.level + math.log(self._part / self._usual(readings)), self._most)
        self._hits += 1

    def miss(self) -> None:
        level = self.level - self.loss
        self.level = level if level > 0.0 else 0.0

    def _usual(self, readings: int) -> float:
        prior = 2000.0
        learned = (self._hits + prior * self._chance) / (readings + prior)
        return min(max(learned, self._chance), 20 * self._chance, self._part / 2)
