"""What a value usually is, by the hour of the week, learned so that a slow drift can't teach it."""

from dataclasses import dataclass

from orchestrator.domain.signals.thresholds import DAY, HOUR, Thresholds

_WEEK_HOURS = 168
_EPOCH_SHIFT = 72
"""1970 began on a Thursday: hours from the Monday before."""
_SECONDS_ASPECTS = frozenset({"sync", "freshness"})


@dataclass(slots=True)
class _Visit:
    """The present hour's readings."""

    hour: int
    count: int = 0
    total: float = 0.0


class Baseline:
    """The usual value of one sensor and its usual deviation.

    For `learning` seconds each reading that is not out of the ordinary teaches it. Then it is a reference: it
    follows a fall, and a rise by one deviation in all, ever. Invariant: after the learning no mean stands above
    its reference by more than that.
    """

    __slots__ = (
        "_ceiling", "_count", "_counts", "_first", "_mean", "_means", "_said", "_said_for", "_spread", "_thresholds",
        "_unit", "_visit",
    )  # fmt: skip

    def __init__(self, aspect: str, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._unit = thresholds.least_lag if aspect in _SECONDS_ASPECTS else 0.0
        self._count = 0
        self._first = 0.0
        self._mean = 0.0
        self._spread = 0.0
        self._means = [0.0] * _WEEK_HOURS
        self._counts = [0] * _WEEK_HOURS
        self._ceiling: list[float] | None = None
        self._visit = _Visit(0)
        self._said_for = -1
        self._said = (0.0, 0.0)

    def ready(self, at: float) -> bool:
        """Whether a day's rhythm has been seen."""
        return self._count >= self._thresholds.first_look and at - self._first >= DAY

    def usual(self, at: float, hour: int) -> tuple[float, float]:
        """The usual value, and the usual deviation from it, as they were when this hour began. `at`: seconds; `hour`:
        of the week."""
        if hour != self._said_for:
            self._said_for = hour
            self._said = self._usual(hour), self._scale(at, hour)
        return self._said

    def learn(self, at: float, hour: int, value: float) -> None:
        if not self._count:
            self._first, self._mean = at, value
        grown = at - self._first >= self._thresholds.learning
        if grown and self._ceiling is None:
            self._freeze()
        self._count += 1
        residual = value - self._usual(hour)
        self._mean += (value - self._mean) / min(self._count, 2016)
        if not grown:
            self._spread += (abs(residual) - self._spread) / min(self._count, 1000)
        if hour != self._visit.hour:
            self._keep()
            self._visit = _Visit(hour)
        self._visit.count += 1
        self._visit.total += value

    def _keep(self) -> None:
        """An hour is over: it counts from its next week on, so that a rise within it does not hide itself."""
        visit = self._visit
        if not visit.count:
            return
        seen = self._counts[visit.hour] = min(self._counts[visit.hour] + 1, 8)
        mean = self._means[visit.hour] + (visit.total / visit.count - self._means[visit.hour]) / seen
        self._means[visit.hour] = min(mean, self._ceiling[visit.hour]) if self._ceiling is not None else mean

    def _usual(self, hour: int) -> float:
        return self._means[hour] if self._counts[hour] else self._mean

    def _freeze(self) -> None:
        rise = max(self._spread, self._floor())
        self._means = [one if many else self._mean for one, many in zip(self._means, self._counts, strict=True)]
        self._ceiling = [one + rise for one in self._means]
        self._counts = [max(many, 4) for many in self._counts]

    def _scale(self, at: float, hour: int) -> float:
        """A mean absolute deviation in standard deviations; doubled while this hour of the week is new."""
        scale = max(1.25 * self._spread, self._floor())
        return scale if self._counts[hour] and at - self._first >= 7 * DAY else 2 * scale

    def _floor(self) -> float:
        unit = self._unit or (self._thresholds.least_share if abs(self._mean) <= 1.0 else self._thresholds.least_lag)
        return max(unit, 0.1 * abs(self._mean))


def hour_of_week(at: float) -> int:
    """From Monday midnight, UTC. `at`: seconds since the epoch."""
    return (int(at // HOUR) + _EPOCH_SHIFT) % _WEEK_HOURS
