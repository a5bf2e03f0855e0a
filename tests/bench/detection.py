"""How soon a loss is noticed, and how often one is noticed that is none, on generated months of observations.

    python -m tests.bench.detection            1,000,000 vendor-hours of troubles that are no loss, and 200 losses
    python -m tests.bench.detection --quick    10,000 vendor-hours, and 40 losses
    python -m tests.bench.detection --tune     the seeds on which thresholds are tuned, instead of the held-out ones

Probes look every five minutes from two trust domains. The months hold outages of single vendors, our own networks
and resolvers failing, certificates and credentials of ours that ran out, flapping, a lying vantage, a source whose
every sensor is forged, clocks that jump, and the rhythm of days and weeks (`detection_world`). Nothing in them is a
loss: each `cut` is false. The losses are hard cuts, erosions that take a service within three days (with and without
a lag that shows), and the refusal of one account.

The rules that it is compared with see the same observations (`detection_rules`). Delays are from the onset to the
alarm, in minutes; of verdicts with the lateness that is waited for stragglers. Ends with 1 when a measure is missed.
"""

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from orchestrator.catalogue_files import shipped
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.replay import replay
from orchestrator.domain.signals.thresholds import DEFAULT, Thresholds
from tests.bench.detection_rules import RULES, alarms
from tests.bench.detection_world import DAY, INTERVAL, REAL, VENDORS, Kind, World, months, observations, stricken

HELD_OUT = 2_000_000
"""Seeds from here on are for measuring; thresholds are tuned on those below."""
WORKERS = 2
MONTHS = 60.0
"""Days of one world; its vendors' hours are counted together."""
YEAR_HOURS = 8766.0
TENTH = 3 * DAY / 10
"""After so many seconds of an erosion a tenth of the service is gone."""

VARIANTS: Sequence[tuple[str, Thresholds]] = (
    ("verdict, at once", replace(DEFAULT, hold_cut=0.0, alpha=1e-2, thorough=0.3, refusal_bar=1.0, lateness=60.0)),
    ("verdict, quick", replace(DEFAULT, hold_cut=0.0)),
    ("verdict", DEFAULT),
    ("verdict, slow", replace(DEFAULT, hold_cut=900.0)),
    ("verdict, alpha 1e-8", replace(DEFAULT, alpha=1e-8)),
)


@dataclass(frozen=True, slots=True)
class Quiet:
    """What one world without losses gave. `false`: sentences of false cuts."""

    hours: float
    readings: int
    false: tuple[str, ...]
    verdicts: Counter[str]


@dataclass(frozen=True, slots=True)
class Loss:
    """Seconds from the onset to the verdict that it must reach, None when it never did. `account`: found to be hit."""

    kind: Kind
    seed: int
    delay: float | None
    account: str | None
    elsewhere: int
    """Verdicts of eroding or cut on vendors that nothing happened to."""


def quiet(seed: int) -> Quiet:
    world = months(seed, MONTHS)
    found = replay(observations(world), shipped())
    vendors = [one for one in found.changes if ":" not in one.subject]
    false = tuple(f"seed {seed}: {one.words['en']}" for one in found.changes if one.verdict is Verdict.CUT)
    hours = world.days * 24 * len(world.vendors)
    return Quiet(hours, found.count, false, Counter(one.verdict.value for one in vendors))


def loss(task: tuple[Kind, int]) -> Loss:
    kind, seed = task
    world = stricken(seed, kind)
    found = replay(observations(world), shipped())
    wanted = Verdict.CUT if kind == "cut" else Verdict.ERODING
    first = _first(found.changes, world, wanted)
    elsewhere = sum(
        one.verdict.rank >= 2 and one.subject not in (world.vendors[0], "jurisdiction:US") for one in found.changes
    )
    delay = None if first is None else first.at + DEFAULT.lateness - _onset(world)
    return Loss(kind, seed, delay, first.targeted if first else None, elsewhere)


def variant(task: tuple[int, Sequence[int], Sequence[int]]) -> tuple[str, float, list[float | None]]:
    """False alarms in a vendor-year, and the delays of hard cuts, for one set of thresholds."""
    number, calm, cuts = task
    name, bars = VARIANTS[number]
    false, hours = 0, 0.0
    for seed in calm:
        world = months(seed, MONTHS)
        changes = replay(observations(world), shipped(), bars).changes
        false += sum(one.verdict is Verdict.CUT and ":" not in one.subject for one in changes)
        hours += world.days * 24 * len(world.vendors)
    delays: list[float | None] = []
    for seed in cuts:
        world = stricken(seed, "cut")
        first = _first(replay(observations(world), shipped(), bars).changes, world, Verdict.CUT)
        delays.append(None if first is None else first.at + bars.lateness - _onset(world))
    return name, false / hours * YEAR_HOURS, delays


def rules(task: tuple[Sequence[int], Sequence[int]]) -> list[tuple[str, float, list[float | None]]]:
    """The same for each of the rules."""
    calm, cuts = task
    false: Counter[str] = Counter()
    delays: dict[str, list[float | None]] = {rule.name: [] for rule in RULES}
    hours = 0.0
    for seed in calm:
        world = months(seed, MONTHS)
        hours += world.days * 24 * len(world.vendors)
        for name, raised in alarms(RULES, observations(world)).items():
            false[name] += len(raised)
    for seed in cuts:
        world = stricken(seed, "cut")
        for name, raised in alarms(RULES, observations(world)).items():
            onset = _onset(world)
            hits = [at - onset for at, vendor in raised if vendor == world.vendors[0] and at >= onset]
            delays[name].append(hits[0] if hits else None)
    return [(rule.name, false[rule.name] / hours * YEAR_HOURS, delays[rule.name]) for rule in RULES]


def _first(changes: Iterable[Change], world: World, wanted: Verdict) -> Change | None:
    onset, vendor = _onset(world), world.vendors[0]
    hits = (one for one in changes if one.subject == vendor and one.at >= onset and one.verdict.rank >= wanted.rank)
    return next(hits, None)


def _onset(world: World) -> float:
    return next(one.start for one in world.troubles if one.kind in REAL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10,000 vendor-hours and 40 losses")
    parser.add_argument("--tune", action="store_true", help="the seeds that thresholds are tuned on")
    arguments = parser.parse_args()
    first = 1 if arguments.tune else HELD_OUT
    hours, each, calm = (10_000, 10, 1) if arguments.quick else (1_000_000, 50, 2)
    console = Console(width=100)
    with ProcessPoolExecutor(WORKERS) as pool:
        missed = [
            *_losses(console, pool.map(loss, [(kind, first + n) for kind in REAL for n in range(each)])),
            *_curve(console, pool, range(first, first + calm), range(first, first + each // 2)),
            *_quiet(console, pool, first, hours),
        ]
    for one in missed:
        console.print(f"MISSED: {one}", style="bold")
    sys.exit(1 if missed else 0)


def _losses(console: Console, found: Iterable[Loss]) -> list[str]:
    missed = []
    losses = list(found)
    table = Table(title="Losses", title_justify="left")
    for column in ("loss", "of", "found", "in time", "median min", "worst min", "named", "elsewhere"):
        table.add_column(column, justify="left" if column == "loss" else "right")
    for kind in REAL:
        mine = [one for one in losses if one.kind == kind]
        delays = sorted(one.delay for one in mine if one.delay is not None)
        bar = TENTH if "erosion" in kind else DAY
        timely = sum(delay <= bar for delay in delays)
        named = sum(one.account == "mayor" for one in mine)
        median = statistics.median(delays) if delays else float("nan")
        row = [kind, len(mine), len(delays), timely, f"{median / 60:.0f}", f"{max(delays, default=0) / 60:.0f}"]
        row += [named if kind == "targeted" else "", sum(one.elsewhere for one in mine)]
        table.add_row(*map(str, row))
        if kind != "quiet-erosion" and timely < len(mine):
            missed.append(f"{len(mine) - timely} of {len(mine)} losses of kind {kind}")
        if kind == "cut" and median > 4 * INTERVAL:
            missed.append(f"the median delay of a cut is {median / INTERVAL:.1f} probe intervals")
        if kind == "targeted" and named < len(mine):
            missed.append(f"{len(mine) - named} accounts were not named")
    console.print(table)
    return missed


def _curve(console: Console, pool: ProcessPoolExecutor, calm: Sequence[int], cuts: Sequence[int]) -> list[str]:
    compared = pool.submit(rules, (calm, cuts))
    ours = list(pool.map(variant, [(number, calm, cuts) for number in range(len(VARIANTS))]))
    table = Table(title="Delay of a hard cut against false alarms, on the same observations", title_justify="left")
    for column in ("rule", "false alarms a vendor-year", "median min", "worst min", "never"):
        table.add_column(column, justify="left" if column == "rule" else "right")
    ours_at = [(false, _median(delays)) for _, false, delays in ours]
    behind = []
    for name, false, delays in [*ours, *compared.result()]:
        never = sum(one is None for one in delays)
        worst = max((one for one in delays if one is not None), default=0.0)
        table.add_row(name, f"{false:.2f}", f"{_median(delays) / 60:.0f}", f"{worst / 60:.0f}", str(never))
        beaten = any(false_ours <= false and median <= _median(delays) for false_ours, median in ours_at)
        if not name.startswith("verdict") and not beaten:
            behind.append(f"`{name}` is ahead of every verdict on one axis")
    console.print(table)
    return behind


def _median(delays: Sequence[float | None]) -> float:
    return statistics.median(float("inf") if one is None else one for one in delays)


def _quiet(console: Console, pool: ProcessPoolExecutor, first: int, hours: float) -> list[str]:
    worlds = round(-(-hours // (MONTHS * 24 * len(VENDORS))))
    started = time.perf_counter()
    found = list(pool.map(quiet, range(first, first + worlds)))
    spent = time.perf_counter() - started
    total, readings = sum(one.hours for one in found), sum(one.readings for one in found)
    verdicts: Counter[str] = sum((one.verdicts for one in found), Counter())
    false = [sentence for one in found for sentence in one.false]
    console.print(
        f"{total:,.0f} vendor-hours without a loss, {readings:,} readings, {spent:.0f} s on {WORKERS} processes "
        f"({spent * WORKERS / readings * 1e6:.1f} µs a reading, with its making): {len(false)} false cuts; "
        f"{verdicts['eroding'] / total * YEAR_HOURS:.2f} times eroding and "
        f"{verdicts['suspect'] / total * YEAR_HOURS:.1f} times suspect a vendor-year",
        soft_wrap=True,
    )
    for sentence in false[:20]:
        console.print(f"  {sentence}", markup=False)
    return [f"{len(false)} false cuts in {total:,.0f} vendor-hours"] if false else []


if __name__ == "__main__":
    main()
