"""What one trust domain sees of one vendor, and the vote that follows."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.domain.signals.balance import Balance
from orchestrator.domain.signals.controls import Health
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.sensor import Sensor
from orchestrator.domain.signals.sequential_test import Pool
from orchestrator.domain.signals.thresholds import Thresholds

_REGULAR = 12
"""So many readings make a trust domain one whose silence is noticed."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One trust domain's say on one vendor at one moment.

    `refused`, `failing`: aspects of which most fresh sensors say so. `whole`: all aspects that it watches, two at
    least. `eroding`: something is refused, failing in part for long, or running away. `doubt`: anything at all is held
    against the vendor. `targeted`: the one account, or the one sensor, that is refused while others are let in.
    `drip`: the log-likelihood of refusals here and there, where they are all that it has; infinite elsewhere.
    """

    domain: str
    fresh: bool = True
    regular: bool = True
    sound: bool = True
    """The controls of a vantage that counts are healthy."""
    refused: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    whole: bool = False
    eroding: bool = False
    doubt: bool = False
    targeted: str | None = None
    drip: float = math.inf

    @property
    def well(self) -> bool:
        """It sees the vendor, and nothing that would make a verdict."""
        return self.fresh and not (self.eroding or self.refused or self.failing)


class View:
    """One trust domain's sensors at one vendor. `failed` and `denied` pool what single sensors show too seldom."""

    __slots__ = (
        "_balance", "_bars", "at", "count", "denied", "domain", "failed", "first", "hot", "last", "sensors", "vendor",
        "waits", "width",
    )  # fmt: skip

    def __init__(self, one: Observation, bars: Thresholds) -> None:
        self.vendor, self.domain = one.vendor, one.trust_domain
        self._bars = bars
        self.at = self.first = one.at
        self.last = one
        self.count = 0
        self.waits = True
        """The vendor is unknown: any reading may end that."""
        self.sensors: dict[str, list[Sensor]] = {}
        self.width = 0
        """How many sensors there are."""
        self.hot: dict[Sensor, None] = {}
        self.failed = Pool(bars.chance, bars.partial, bars.pool_bar, bars.interval)
        self.denied = Pool(bars.chance_pooled, bars.partial_denied, bars.pool_bar_denied, bars.interval)
        self._balance = Balance(bars)

    @property
    def silence(self) -> float:
        """Seconds without a reading after which its sensors are silent; by its own rhythm, once that is known."""
        bars = self._bars
        rounds = self.count / self.width if self.width else 0.0
        if rounds < 2:
            return bars.silence
        rhythm = (self.at - self.first) / (rounds - 1)
        return bars.silent_after * min(max(rhythm, bars.interval), bars.slowest * bars.interval)

    def add(self, sensor: Sensor) -> None:
        self.sensors.setdefault(sensor.aspect, []).append(sensor)
        self.width += 1

    def resume(self, at: float) -> None:
        """A pause, longer than the slowest rhythm allows, is no part of it."""
        if at - self.at > self._bars.silent_after * self._bars.slowest * self._bars.interval:
            self.first += at - self.at

    def note_bad(self, one: Observation) -> None:
        """A sensor that signs in had no answer, and the controls say that it is not us."""
        refused = one.outcome == "denied"
        self._balance.note(one.at, refused=refused)
        if self._balance.is_outage(self._rate):
            self.denied.level = 0.0
        elif refused:
            self.denied.hit(one.at, self.count)

    def vote(self, now: float, healths: Callable[[Sensor], Health]) -> Vote:
        """`healths` says how the controls are where a sensor stands; what stands where they fail does not count."""
        silence = self.silence
        fresh = now - self.at <= silence
        regular = self.count >= _REGULAR and now - self.at <= 7 * 86400
        if not fresh or not (self.hot or self._parts(now)):
            return Vote(self.domain, fresh, regular)
        healthy = {sensor: healths(sensor) for found in self.sensors.values() for sensor in found}
        counted = [one for one, where in healthy.items() if not where.failing and now - one.at <= silence]
        sound = any(healthy[one].sound for one in counted)
        if not counted:
            return Vote(self.domain, fresh=False, regular=regular, sound=False)
        refusing = [one for one in counted if one.refuses(now)]
        failing = [one for one in counted if one.fails(now)]
        lost = _most({*refusing, *failing}, counted)
        rising = any(one.runs_away(now) for one in counted)
        aspects = {one.aspect for one in counted}
        mostly = self._balance.refuses(now, self._rate)
        more = rising or self._lingers(now) or (mostly and bool(refusing))
        return Vote(
            self.domain,
            fresh,
            regular,
            sound,
            refused=_most(refusing, counted) if self._thorough(counted, now) else frozenset(),
            failing=lost,
            whole=len(aspects) >= 2 and lost == aspects,
            eroding=more or (mostly and self.refused_lately(now)),
            doubt=bool(refusing or failing) or rising or self._clearly_parts(now),
            targeted=_targeted(refusing, counted),
            drip=math.inf if more else self.denied.level,
        )

    def _thorough(self, counted: Iterable[Sensor], now: float) -> bool:
        """Of what has been refused lately, most is lost, and its refusals are no outage's: an erosion refuses now here,
        now there, and an outage answers with a refusal now and then."""
        lately = [one for one in counted if now - one.denied_at <= self._bars.lately]
        lost = sum((one.recent & 7).bit_count() for one in lately)
        denied = sum(one.recent_denied.bit_count() for one in lately)
        failed = sum(one.recent.bit_count() for one in lately) - denied
        refusing = denied * self._bars.refusal_gain - failed * self._bars.failure_loss
        return lost >= self._bars.thorough * 3 * len(lately) and refusing >= self._bars.refusal_bar

    def _clearly_parts(self, now: float) -> bool:
        """What one trust domain's word alone makes suspect: chance fills a pool now and then."""
        if self.denied.level >= 2 * self._bars.pool_bar_denied and self.refused_lately(now):
            return True
        return self.failed.level >= 1.5 * self._bars.pool_bar and self.partly_failed(now)

    def _lingers(self, now: float) -> bool:
        """Parts have failed for longer than outages last."""
        return self.failed.level >= self._bars.pool_bar and now - self.failed.since >= self._bars.outage_longest

    @property
    def _rate(self) -> float:
        """Readings a second."""
        seen = self.at - self.first
        return self.count / seen if seen > 0 else 0.0

    def _parts(self, now: float) -> bool:
        return self.refused_lately(now) or self.partly_failed(now)

    @property
    def speaks(self) -> bool:
        """A pool has reached its bar."""
        return self.partly_refused or self.failed.level >= self._bars.pool_bar

    @property
    def partly_refused(self) -> bool:
        return self.denied.level >= self._bars.pool_bar_denied

    def refused_lately(self, now: float) -> bool:
        """Refusals here and there are no chance, and go on."""
        return self.partly_refused and now - self.denied.at <= self._bars.lately

    def partly_failed(self, now: float) -> bool:
        return self.failed.level >= self._bars.pool_bar and now - self.failed.since >= self._bars.pool_age


def _most(some: Iterable[Sensor], counted: Iterable[Sensor]) -> frozenset[str]:
    """The aspects of which more than half of the sensors are among `some`."""
    held, all_ = [one.aspect for one in some], [one.aspect for one in counted]
    return frozenset(aspect for aspect in held if 2 * held.count(aspect) > all_.count(aspect))


def _targeted(refusing: list[Sensor], counted: list[Sensor]) -> str | None:
    """The one account that is refused; or the one sensor, beside others of its aspect that are let in."""
    if not refusing:
        return None
    accounts = {one.account for one in refusing}
    if len(accounts) == 1 and None not in accounts:
        return accounts.pop()
    names = {one.name for one in refusing}
    beside = [one for one in counted if one.aspect in {each.aspect for each in refusing} and one.name not in names]
    if len(names) == 1 and beside and not any(one.refuses(one.at) or not one.ok for one in beside):
        return names.pop()
    return None
