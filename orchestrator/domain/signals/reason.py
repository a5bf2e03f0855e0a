"""Why a verdict is what it is: what was observed, by whom, since when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.domain.signals.observation import Observation, iso
from orchestrator.domain.signals.sensor import Sensor
from orchestrator.domain.signals.view import View

What = Literal[
    "refused", "failing", "rising", "partly-refused", "partly-failing", "silent", "answering",
    "controls-healthy", "controls-failing", "controls-unproven", "vendor", "recovered",
]  # fmt: skip
"""`rising`: a value runs away from its usual; `recovered`: the evidence is gone, and nobody has acknowledged it yet;
`vendor`: of a jurisdiction, one vendor's verdict."""
MOST_SHOWN = 6
"""Observations that a reason carries."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`since`: seconds since the epoch, UTC. `value`: the latest of the values that rise. `subject`: of `vendor`."""

    what: What
    aspect: str = ""
    sensor: str = ""
    vantages: tuple[str, ...] = ()
    trust_domains: tuple[str, ...] = ()
    since: float | None = None
    value: float | None = None
    account: str | None = None
    subject: str | None = None
    verdict: str | None = None
    observations: tuple[Observation, ...] = ()

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"what": self.what}
        for key in ("aspect", "sensor", "value", "account", "subject", "verdict"):
            value = getattr(self, key)
            if value not in (None, ""):
                told[key] = value
        if self.since is not None:
            told["since"] = iso(self.since)
        if self.vantages:
            told |= {"vantages": list(self.vantages), "trust_domains": list(self.trust_domains)}
        return {**told, "observations": [one.as_json() for one in self.observations]}


def reasons_of(views: Iterable[View], now: float) -> list[Reason]:
    """What is held against a vendor, refusals first; steady seconds throughout."""
    views = list(views)
    found: dict[tuple[What, str, str], list[Sensor]] = {}
    for view in views:
        for sensor in view.hot:
            what = _what(sensor, now)
            if what:
                found.setdefault((what, sensor.aspect, sensor.name), []).append(sensor)
    reasons = [_of_sensors(*key, sensors) for key, sensors in found.items()]
    if not any(one.what == "refused" for one in reasons):
        reasons += _of_pools(views, now)
    return sorted(reasons, key=lambda one: (_ORDER.index(one.what), one.aspect, one.sensor))


_ORDER: Sequence[What] = ("refused", "partly-refused", "failing", "partly-failing", "rising")
_POOLS: Mapping[str, What] = {"denied": "partly-refused", "failed": "partly-failing"}


def _what(sensor: Sensor, now: float) -> What | None:
    if sensor.refuses(now):
        return "refused"
    if sensor.runs_away(now):
        return "rising"
    return "failing" if sensor.fails(now) else None


def _of_sensors(what: What, aspect: str, name: str, sensors: Sequence[Sensor]) -> Reason:
    value, since = None, min(one.onset for one in sensors)
    if what == "rising":
        rising = [one.slope for one in sensors if one.slope is not None]
        value = max(one.value or 0.0 for one in rising)
        since = min(one.since for one in rising)
    accounts = {one.account for one in sensors}
    return Reason(
        what,
        aspect,
        name,
        tuple(sorted({one.vantage for one in sensors})),
        tuple(sorted({one.view.domain for one in sensors})),
        since,
        value,
        accounts.pop() if len(accounts) == 1 else None,
        observations=_shown(sensors),
    )


def _of_pools(views: Sequence[View], now: float) -> Iterable[Reason]:
    for name, what in _POOLS.items():
        full = [view for view in views if (view.refused_lately(now) if name == "denied" else view.partly_failed(now))]
        if not full:
            continue
        outcome = "denied" if name == "denied" else "fail"
        everywhere = [one for view in full for found in view.sensors.values() for one in found]
        sensors = [
            one
            for one in everywhere
            if one.bad is not None and one.bad.outcome == outcome and one.bad.at >= getattr(one.view, name).since
        ]
        yield Reason(
            what,
            ", ".join(sorted({one.aspect for one in sensors})),
            vantages=tuple(sorted({one.vantage for one in sensors or everywhere})),
            trust_domains=tuple(sorted(view.domain for view in full)),
            since=min(getattr(view, name).since for view in full),
            observations=_shown(sensors),
        )


def _shown(sensors: Sequence[Sensor]) -> tuple[Observation, ...]:
    """The latest of each first, then the ones before."""
    latest = [one.bad for one in sensors if one.bad is not None]
    before = [one.bad_before for one in sensors if one.bad_before is not None]
    return tuple(sorted([*latest, *before][:MOST_SHOWN], key=lambda one: (one.at, one.sensor, one.vantage)))
