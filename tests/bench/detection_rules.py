"""What most monitoring does instead, on the same observations: failures in a row, and alerts with a `for:`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.domain.signals.observation import Observation


@dataclass(frozen=True, slots=True)
class Rule:
    """`count`: a sensor fails so often in a row; or `lasting`: for so many seconds without an answer in between.
    `places`: from so many vantages at once. With one it is the usual rule; with two a careful one."""

    name: str
    count: int = 0
    lasting: float = 0.0
    places: int = 1


_MINUTES = (5, 10, 15, 30, 60, 120, 240, 360)
_PLACES = ((1, ""), (2, ", both places"))
RULES: Sequence[Rule] = (
    *(Rule(f"{n} in a row{said}", count=n, places=places) for places, said in _PLACES for n in range(1, 21)),
    *(Rule(f"for: {n}m{said}", lasting=n * 60.0, places=places) for places, said in _PLACES for n in _MINUTES),
)


@dataclass(slots=True)
class _Run:
    count: int = 0
    since: float = 0.0


_Firing = dict[str, dict[tuple[str, str], set[str]]]
"""By vendor, by aspect and sensor, the vantages from which it fires."""


@dataclass(slots=True)
class Watcher:
    """All rules over one stream. Each raises its next alarm for a vendor after all has answered in between."""

    rules: Sequence[Rule] = RULES
    raised: list[tuple[str, float, str]] = field(default_factory=list)
    """By which rule, when, for which vendor."""
    _runs: dict[tuple[str, str, str, str], _Run] = field(default_factory=dict)
    _firing: dict[str, _Firing] = field(default_factory=dict)
    _on: set[tuple[str, str]] = field(default_factory=set)

    def take(self, one: Observation) -> None:
        if one.is_control:
            return
        run = self._runs.setdefault((one.vendor, one.aspect, one.sensor, one.vantage), _Run())
        if one.outcome == "ok":
            if not run.count:
                return
            run.count = 0
        else:
            run.since = run.since if run.count else one.at
            run.count += 1
        for rule in self.rules:
            self._weigh(rule, run, one)

    def _weigh(self, rule: Rule, run: _Run, one: Observation) -> None:
        firing = self._firing.setdefault(rule.name, {}).setdefault(one.vendor, {})
        places = firing.setdefault((one.aspect, one.sensor), set())
        on = run.count >= rule.count if rule.count else run.count > 0 and one.at - run.since >= rule.lasting
        if not on:
            places.discard(one.vantage)
            if not any(firing.values()):
                self._on.discard((rule.name, one.vendor))
            return
        places.add(one.vantage)
        if len(places) >= rule.places and (rule.name, one.vendor) not in self._on:
            self._on.add((rule.name, one.vendor))
            self.raised.append((rule.name, one.at, one.vendor))
