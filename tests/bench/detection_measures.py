"""What one generated world shows of verdicts: false alarms where nothing was lost, delays where something was."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.catalogue_files import shipped
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.replay import replay
from orchestrator.domain.signals.thresholds import DEFAULT
from tests.bench.detection_world import HOUR, MINUTE, REAL, Kind, World, months, observations, stricken

WORLD_DAYS = 60.0
"""Days of one world; its vendors' hours are counted together."""
YEAR_HOURS = 8766.0
CUT_FOR, ERODING_FOR = 15 * MINUTE, HOUR
"""So long a policy waits before it proposes to leave a vendor that is cut, and one that is eroding."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """What one world without losses gave. `false`: sentences of false verdicts, worst first. `cut_proposals`,
    `eroding_proposals`: verdicts that stood for as long as a policy waits; a cut counts in both."""

    hours: float
    readings: int
    verdicts: Counter[str]
    false: tuple[str, ...]
    cut_proposals: int
    eroding_proposals: int


@dataclass(frozen=True, slots=True)
class Loss:
    """Seconds from the onset to the verdict that it must reach, None when it never did. `account`: found to be hit."""

    kind: Kind
    seed: int
    delay: float | None
    account: str | None
    elsewhere: int
    """Verdicts of eroding or cut on vendors that nothing happened to."""


def quiet(seed: int, days: float = WORLD_DAYS) -> Quiet:
    world = months(seed, days)
    found = replay(observations(world), shipped())
    vendors = [one for one in found.changes if ":" not in one.subject]
    false = sorted((one for one in vendors if one.verdict.rank >= 2), key=lambda one: -one.verdict.rank)
    spans = list(_bad_spans(vendors, world))
    return Quiet(
        world.days * 24 * len(world.vendors),
        found.count,
        Counter(one.verdict.value for one in vendors),
        tuple(f"seed {seed}: {one.words['en']}" for one in false),
        sum(cut >= CUT_FOR for cut, _ in spans),
        sum(bad >= ERODING_FOR for _, bad in spans),
    )


def loss(task: tuple[Kind, int]) -> Loss:
    kind, seed = task
    world = stricken(seed, kind)
    found = replay(observations(world), shipped())
    first = reached(found.changes, world, Verdict.CUT if kind == "cut" else Verdict.ERODING)
    elsewhere = sum(
        one.verdict.rank >= 2 and one.subject not in (world.vendors[0], "jurisdiction:US") for one in found.changes
    )
    delay = None if first is None else first.at + DEFAULT.lateness - onset(world)
    return Loss(kind, seed, delay, first.targeted if first else None, elsewhere)


def reached(changes: Iterable[Change], world: World, wanted: Verdict) -> Change | None:
    """The first change of the struck vendor to that verdict, or to a worse one, after the onset."""
    start, vendor = onset(world), world.vendors[0]
    hits = (one for one in changes if one.subject == vendor and one.at >= start and one.verdict.rank >= wanted.rank)
    return next(hits, None)


def onset(world: World) -> float:
    return next(one.start for one in world.troubles if one.kind in REAL)


def _bad_spans(changes: Iterable[Change], world: World) -> Iterator[tuple[float, float]]:
    """Seconds for which a vendor was cut, and for which it was eroding or cut, without a break."""
    by_vendor: dict[str, list[Change]] = {}
    for one in changes:
        by_vendor.setdefault(one.subject, []).append(one)
    for mine in by_vendor.values():
        since: float | None = None
        cut = 0.0
        for one, end in zip(mine, [*(after.at for after in mine[1:]), world.end], strict=True):
            if one.verdict.rank < Verdict.ERODING.rank:
                if since is not None:
                    yield cut, one.at - since
                since, cut = None, 0.0
                continue
            since = one.at if since is None else since
            cut = max(cut, end - one.at if one.verdict is Verdict.CUT else 0.0)
        if since is not None:
            yield cut, world.end - since
