"""One sensor's readings, folded: whether it fails, whether it is refused, whether its value runs away."""

from typing import TYPE_CHECKING

from orchestrator.domain.signals.observation import NEVER_REFUSED, Observation
from orchestrator.domain.signals.sequential_test import SequentialTest
from orchestrator.domain.signals.slope import Slope
from orchestrator.domain.signals.thresholds import Thresholds

if TYPE_CHECKING:
    from orchestrator.domain.signals.view import View


class Sensor:
    """Of one vendor, aspect, vantage, trust domain and account. Constant time and memory for each reading."""

    __slots__ = (
        "_bars", "account", "aspect", "at", "bad", "bad_before", "denied", "denied_at", "failing", "name", "ok",
        "onset", "quiet", "recent", "recent_denied", "run", "signs_in", "slope", "vantage", "view",
    )  # fmt: skip

    def __init__(self, one: Observation, view: "View", bars: Thresholds) -> None:
        self.aspect, self.name, self.vantage, self.account = one.aspect, one.sensor, one.vantage, one.account
        self.signs_in = one.aspect not in NEVER_REFUSED
        """It shows a credential, which may be refused."""
        self.view = view
        self._bars = bars
        self.at = float("-inf")
        """Steady seconds of the latest reading."""
        self.ok = True
        self.quiet = True
        """Nothing is held against the vendor by this sensor."""
        self.run = 0
        """Failures since the last answer."""
        self.onset = 0.0
        self.recent = 0
        self.recent_denied = 0
        """The last eight readings, a bit each, the latest lowest: where it was no answer; where it was a refusal."""
        self.denied_at = float("-inf")
        self.bad: Observation | None = None
        self.bad_before: Observation | None = None
        self.failing = SequentialTest(bars)
        self.denied = SequentialTest(bars)
        self.slope: Slope | None = None

    def read(self, one: Observation, *, spotless: bool) -> None:
        """Any reading but an answer of a quiet sensor. `spotless`: its vantage's controls have not failed lately."""
        bars = self._bars
        passed = one.at - self.at
        fading = 0.5 ** (passed / bars.half_life) if 0.0 < passed < 100 * bars.half_life else float(passed <= 0.0)
        self.at = one.at
        if one.outcome == "ok":
            self._answered(one.at, fading, spotless=spotless)
        else:
            self._failed(one, fading)
        self.quiet = not (self.run or self.failing.level or self.denied.level)
        if self.quiet:
            self.recent = self.recent_denied = 0

    def rise(self, at: float, hour: int, value: float, *, calm: bool) -> None:
        """A reading that carries a value."""
        if self.slope is None:
            self.slope = Slope(self.aspect, self._bars)
        self.slope.read(at, hour, value, calm=calm)

    def fails(self, now: float) -> bool:
        """Its failing is no chance, and goes on."""
        return self.failing.on and (not self.ok or self.failing.firm) and self.fresh(now)

    def refuses(self, now: float) -> bool:
        return self.denied.on and (not self.ok or self.denied.firm) and self.fresh(now)

    def runs_away(self, now: float) -> bool:
        return self.slope is not None and self.slope.on and self.fresh(now)

    def fresh(self, now: float) -> bool:
        return now - self.at <= self.view.silence

    @property
    def hot(self) -> bool:
        """One of its tests speaks."""
        return self.failing.on or self.denied.on or (self.slope is not None and self.slope.on)

    def _answered(self, at: float, fading: float, *, spotless: bool) -> None:
        self.ok = True
        self.recent = self.recent << 1 & 255
        self.recent_denied = self.recent_denied << 1 & 255
        if self.run and not self.failing.on and spotless:
            for _ in range(min(self.run, 2)):
                self.view.failed.hit(at, self.view.count)
        self.run = 0
        self.failing.add(-self._bars.ok_loss, fading)
        self.denied.add(-self._bars.ok_loss, fading)

    def _failed(self, one: Observation, fading: float) -> None:
        if self.quiet:
            self.onset = one.at
        self.ok = False
        self.recent = self.recent << 1 & 255 | 1
        self.recent_denied = self.recent_denied << 1 & 255 | (one.outcome == "denied")
        self.bad_before, self.bad = self.bad, one
        if self.signs_in:
            self.view.note_bad(one)
        if one.outcome == "denied":
            self.failing.add(self._bars.denied_gain, fading)
            self.denied.add(self._bars.denied_gain, fading)
            self.denied_at = one.at
        else:
            self.run += 1
            self.failing.add(self._bars.fail_gain, fading)
            self.denied.add(-self._bars.ok_loss, fading)
