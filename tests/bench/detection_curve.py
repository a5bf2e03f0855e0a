"""Delay of a hard cut against false alarms: verdicts over a scale of thresholds, beside the usual rules."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from orchestrator.catalogue_files import shipped
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.thresholds import DEFAULT, Thresholds
from orchestrator.domain.signals.watch import Watch
from tests.bench.detection_measures import WORLD_DAYS, YEAR_HOURS, onset, reached
from tests.bench.detection_rules import RULES, Watcher
from tests.bench.detection_world import World, months, observations, stricken

VARIANTS: Sequence[tuple[str, Thresholds]] = (
    ("verdict, at once", replace(DEFAULT, hold_cut=0.0, alpha=1e-2, thorough=0.3, refusal_bar=1.0, lateness=60.0)),
    ("verdict, quick", replace(DEFAULT, hold_cut=0.0)),
    ("verdict", DEFAULT),
    ("verdict, slow", replace(DEFAULT, hold_cut=900.0)),
    ("verdict, alpha 1e-6", replace(DEFAULT, alpha=1e-6)),
    ("verdict, alpha 1e-8", replace(DEFAULT, alpha=1e-8)),
)


class Task(NamedTuple):
    """One world: one without a loss, or one with a hard cut."""

    seed: int
    cut: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one world, by rule: false alarms in so many vendor-hours, or seconds from the onset to the alarm."""

    hours: float
    false: Counter[str]
    delays: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Point:
    """`false`: alarms a vendor-year. `delays`: seconds, None where there was no alarm."""

    name: str
    ours: bool
    false: float
    delays: tuple[float | None, ...]

    @property
    def found(self) -> int:
        return sum(one is not None for one in self.delays)

    @property
    def median(self) -> float:
        return statistics.median(float("inf") if one is None else one for one in self.delays)

    def no_worse(self, other: "Point") -> bool:
        return self.false <= other.false and self.median <= other.median and self.found >= other.found


def sample(task: Task) -> Sample:
    """All variants and all rules see the same observations, once."""
    world = stricken(task.seed, "cut") if task.cut else months(task.seed, WORLD_DAYS)
    watches = [(name, bars, Watch(shipped(), bars)) for name, bars in VARIANTS]
    changes: dict[str, list[Change]] = {name: [] for name, _ in VARIANTS}
    rules = Watcher()
    for one in observations(world):
        rules.take(one)
        for name, _, watch in watches:
            changes[name] += watch.take(one)
    for name, _, watch in watches:
        changes[name] += watch.finish()
    return _cut_sample(world, changes, rules) if task.cut else _quiet_sample(world, changes, rules)


def points(samples: Sequence[Sample]) -> list[Point]:
    hours = sum(one.hours for one in samples)
    false: Counter[str] = sum((one.false for one in samples), Counter())
    cuts = [one.delays for one in samples if one.delays]
    names = [(name, True) for name, _ in VARIANTS] + [(rule.name, False) for rule in RULES]
    return [
        Point(name, ours, false[name] / hours * YEAR_HOURS, tuple(one[name] for one in cuts)) for name, ours in names
    ]


def judged(rival: Point, ours: Sequence[Point]) -> str:
    """Whether one of ours is ahead of the rival on both axes, the calmest; else what its earlier alarm costs."""
    ahead = [one for one in ours if one.no_worse(rival)]
    if ahead:
        return f"dominated by {min(ahead, key=lambda one: (one.false, one.median)).name}"
    if rival.found < len(rival.delays):
        return "misses losses"
    calmest = min(ours, key=lambda one: (one.false, one.median))
    sooner = (calmest.median - rival.median) / 60
    return f"NOT dominated: {sooner:.0f} min sooner, {rival.false - calmest.false:.2f} more false alarms"


def unbeaten(all_points: Sequence[Point]) -> list[Point]:
    """Rivals that find every loss, have no false alarm at all, and of which none of ours is ahead."""
    ours = [one for one in all_points if one.ours]
    rivals = [one for one in all_points if not one.ours and one.found == len(one.delays) and not one.false]
    return [one for one in rivals if not any(mine.no_worse(one) for mine in ours)]


def _quiet_sample(world: World, changes: dict[str, list[Change]], rules: Watcher) -> Sample:
    false = Counter(name for name, _, _ in rules.raised)
    for name, mine in changes.items():
        false[name] = sum(one.verdict is Verdict.CUT and ":" not in one.subject for one in mine)
    return Sample(world.days * 24 * len(world.vendors), false, {})


def _cut_sample(world: World, changes: dict[str, list[Change]], rules: Watcher) -> Sample:
    start = onset(world)
    delays: dict[str, float | None] = {rule.name: None for rule in RULES}
    for name, at, vendor in rules.raised:
        if vendor == world.vendors[0] and at >= start and delays[name] is None:
            delays[name] = at - start
    for name, bars in VARIANTS:
        first = reached(changes[name], world, Verdict.CUT)
        delays[name] = None if first is None else first.at + bars.lateness - start
    return Sample(0.0, Counter(), delays)
