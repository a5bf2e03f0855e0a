"""A value that rises and stays up: Page-Hinkley's test over its deviations from the learned usual."""

from orchestrator.domain.signals.baseline import Baseline
from orchestrator.domain.signals.thresholds import Thresholds


class Slope:
    """Of one sensor. `on` rises at the bar and falls at zero; `since` is when the rise that made it began."""

    __slots__ = ("_baseline", "_thresholds", "level", "on", "since", "value")

    def __init__(self, aspect: str, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._baseline = Baseline(aspect, thresholds)
        self.level = 0.0
        self.since = 0.0
        self.on = False
        self.value: float | None = None

    def read(self, at: float, hour: int, value: float, *, calm: bool) -> None:
        """One reading. What is out of the ordinary teaches the baseline as if it were just ordinary, and only while
        the vendor is `calm`."""
        bars = self._thresholds
        self.value = value
        if not self._baseline.ready(at):
            self._baseline.learn(at, hour, value)
            return
        usual, scale = self._baseline.usual(at, hour)
        deviation = (value - usual) / scale
        level = self.level + min(deviation, bars.steepest) - bars.slack
        if level > 0.0 and self.level <= 0.0:
            self.since = at
        self.level = level = min(max(level, 0.0), 2 * bars.slope_bar)
        if level >= bars.slope_bar:
            self.on = True
        elif level <= 0.0:
            self.on = False
        if calm and not self.on:
            self._baseline.learn(at, hour, min(value, usual + bars.slack * scale))
