"""What of the readings that were no answer lately were refusals: an outage refuses seldom, an erosion mostly."""

import math

from orchestrator.domain.signals.thresholds import Thresholds


class Balance:
    """Refusals and failures of one trust domain's sensors that sign in; both fade by half in `half_life` seconds."""

    __slots__ = ("_at", "_bars", "_failed", "_refused")

    def __init__(self, bars: Thresholds) -> None:
        self._bars = bars
        self._at = 0.0
        self._refused = self._failed = 0.0

    def note(self, at: float, *, refused: bool) -> None:
        """One reading that was no answer."""
        fading = self._fading(at)
        self._refused = self._refused * fading + refused
        self._failed = self._failed * fading + (not refused)
        self._at = max(at, self._at)

    def refuses(self, now: float, rate: float) -> bool:
        """Whether what is no answer is mostly refused, or too little to say. `rate`: readings a second."""
        fading = self._fading(now)
        refused, failed = self._refused * fading, self._beyond_chance(self._failed * fading, rate)
        return refused >= self._bars.mostly * (refused + failed)

    def is_outage(self, rate: float) -> bool:
        """Whether the latest reading is one of many failures with few refusals among them."""
        failed = self._beyond_chance(self._failed, rate)
        return failed >= self._bars.outage_failures and self._refused < self._bars.outage_refusals * failed

    def _beyond_chance(self, failed: float, rate: float) -> float:
        """Failures above two deviations of what chance makes in that time."""
        usual = rate * self._bars.chance * self._bars.half_life / math.log(2)
        return max(failed - usual - 2 * math.sqrt(usual), 0.0)

    def _fading(self, at: float) -> float:
        return float(0.5 ** min(max(at - self._at, 0.0) / self._bars.half_life, 100.0))
