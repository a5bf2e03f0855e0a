"""How soon a loss is noticed, and how often one is noticed that is none, on generated months of observations.

    python -m tests.bench.detection              losses, the curve, and 1,000,000 vendor-hours that are no loss
    python -m tests.bench.detection --quick      40 losses and 10,000 vendor-hours
    python -m tests.bench.detection --tune       the seeds that thresholds are tuned on, instead of the held-out ones
    python -m tests.bench.detection --only quiet --part 2/4     one of: losses, curve, quiet; a quarter of it
    python -m tests.bench.detection --jobs 2     on two cores

Probes look every five minutes from two trust domains. The months hold outages of single vendors, our own networks
and resolvers failing, certificates and credentials of ours that ran out, flapping, a lying vantage, a source whose
every sensor is forged, clocks that jump, and the rhythm of days and weeks (`detection_world`). Nothing in them is a
loss: each `cut` is false, and so is each proposal to leave that a policy would make of a verdict (`cut` for 15
minutes, `eroding` for an hour). The losses are hard cuts, erosions that take a service within three days (with a lag
that shows, or by refusals alone), and the refusal of one account.

The rules that it is compared with see the same observations (`detection_rules`). A rival is dominated when a verdict,
at one of its thresholds, has no more false alarms, no more delay and misses no more. Delays are from the onset to the
alarm; of verdicts with the lateness that is waited for stragglers. Ends with 1 when a measure is missed.
"""

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from tests.bench.detection_chart import chart
from tests.bench.detection_curve import Task, judged, points, sample, unbeaten
from tests.bench.detection_measures import WORLD_DAYS, YEAR_HOURS, Quiet, loss, quiet
from tests.bench.detection_world import DAY, INTERVAL, REAL, VENDORS, Kind

HELD_OUT = 2_000_000
"""Seeds from here on are for measuring; thresholds are tuned on those below."""
TENTH = 3 * DAY / 10
"""After so many seconds of an erosion, one request in ten is refused."""
LOSSES: dict[Kind, int] = {"cut": 50, "erosion": 50, "quiet-erosion": 200, "thin-erosion": 50, "targeted": 50}
UNMEASURED: Kind = "thin-erosion"
"""Shown for what it is: two sensors that sign in see too little of it to tell it from chance in time."""
R = TypeVar("R")


class Work:
    """Maps tasks over so many processes, in order, and says now and then how far it is."""

    def __init__(self, jobs: int) -> None:
        self._pool = ProcessPoolExecutor(jobs) if jobs > 1 else None
        self._progress = Console(stderr=True)

    def run(self, what: str, do: Callable[[Any], R], tasks: Sequence[Any]) -> Iterator[R]:
        started = said = time.monotonic()
        found = self._pool.map(do, tasks) if self._pool else map(do, tasks)
        for number, one in enumerate(found, start=1):
            yield one
            now = time.monotonic()
            if now - said >= 10 or number == len(tasks):
                said = now
                self._progress.print(f"{what}: {number} of {len(tasks)}, {now - started:.0f} s")

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown()


def main() -> None:
    asked = _asked()
    first = 1 if asked.tune else HELD_OUT
    console, work = Console(width=130), Work(asked.jobs)
    missed: list[str] = []
    if asked.only in (None, "losses"):
        missed += _losses(console, work, first, 10 if asked.quick else None)
    if asked.only in (None, "curve"):
        missed += _curve(console, work, first, (1, 10) if asked.quick else (2, 25), asked.svg)
    if asked.only in (None, "quiet"):
        hours = 10_000 if asked.quick else 1_000_000
        seeds = range(first, first + round(-(-hours // (WORLD_DAYS * 24 * len(VENDORS)))))
        part, of = asked.part
        missed += _quiet(console, work, seeds[part - 1 :: of])
    work.close()
    for one in missed:
        console.print(f"MISSED: {one}", style="bold")
    sys.exit(1 if missed else 0)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10,000 vendor-hours and 40 losses")
    parser.add_argument("--tune", action="store_true", help="the seeds that thresholds are tuned on")
    parser.add_argument("--only", choices=("losses", "curve", "quiet"), help="one of the three measurements")
    parser.add_argument("--part", type=_part, default=(1, 1), help="of the quiet hours: 2/4 is the second quarter")
    parser.add_argument("--jobs", type=int, default=1, help="processes; 1 unless said")
    parser.add_argument("--svg", type=Path, help="where the curve is drawn")
    return parser.parse_args()


def _part(written: str) -> tuple[int, int]:
    part, of = (int(one) for one in written.split("/"))
    if not 1 <= part <= of:
        raise ValueError(written)
    return part, of


def _losses(console: Console, work: Work, first: int, each: int | None) -> list[str]:
    missed = []
    tasks = [(kind, first + n) for kind in REAL for n in range(each or LOSSES[kind])]
    losses = list(work.run("losses", loss, tasks))
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
        if kind != UNMEASURED and timely < len(mine):
            missed.append(f"{len(mine) - timely} of {len(mine)} losses of kind {kind}")
        if kind == "cut" and not median <= 4 * INTERVAL:
            missed.append(f"the median delay of a cut is {median / INTERVAL:.1f} probe intervals")
        if kind == "targeted" and named < len(mine):
            missed.append(f"{len(mine) - named} accounts were not named")
    console.print(table)
    return missed


def _curve(console: Console, work: Work, first: int, counts: tuple[int, int], svg: Path | None) -> list[str]:
    calm, cuts = counts
    tasks = [Task(first + n, cut=False) for n in range(calm)] + [Task(first + n, cut=True) for n in range(cuts)]
    found = points(list(work.run("curve", sample, tasks)))
    ours = [one for one in found if one.ours]
    table = Table(title="Delay of a hard cut against false alarms, on the same observations", title_justify="left")
    for column in ("rule", "false a vendor-year", "median min", "worst min", "found", ""):
        table.add_column(column, justify="right" if column and column != "rule" else "left")
    for one in found:
        worst = max((delay for delay in one.delays if delay is not None), default=0.0)
        judgement = "" if one.ours else judged(one, ours)
        row = [f"{one.false:.2f}", f"{one.median / 60:.0f}", f"{worst / 60:.0f}", f"{one.found}/{len(one.delays)}"]
        table.add_row(one.name, *row, judgement)
    console.print(table)
    rivals = [one for one in found if not one.ours]
    dominated = sum(any(mine.no_worse(one) for mine in ours) for one in rivals)
    console.print(f"{dominated} of {len(rivals)} rivals dominated")
    if svg:
        svg.write_text(chart(found))
    return [f"`{one.name}` has no false alarm, and none of ours is ahead of it" for one in unbeaten(found)]


def _quiet(console: Console, work: Work, seeds: Sequence[int]) -> list[str]:
    hours, readings, cuts, cut_proposals, eroding_proposals = 0.0, 0, 0, 0, 0
    verdicts: Counter[str] = Counter()
    started = time.perf_counter()
    for one in work.run("quiet", quiet, seeds):
        hours, readings, verdicts = hours + one.hours, readings + one.readings, verdicts + one.verdicts
        cuts += one.verdicts["cut"]
        cut_proposals, eroding_proposals = cut_proposals + one.cut_proposals, eroding_proposals + one.eroding_proposals
        _tell(console, one)
    spent = time.perf_counter() - started
    console.print(
        f"{hours:,.0f} vendor-hours without a loss, {readings:,} readings, {spent:.0f} s: {cuts} false cuts, "
        f"{cut_proposals} proposals of cut for 15m, {eroding_proposals} of eroding for 1h; "
        f"{verdicts['eroding'] / hours * YEAR_HOURS:.2f} times eroding and "
        f"{verdicts['suspect'] / hours * YEAR_HOURS:.1f} times suspect a vendor-year",
        soft_wrap=True,
    )
    wrong = {"false cuts": cuts, "proposals of cut for 15m": cut_proposals, "of eroding for 1h": eroding_proposals}
    return [f"{many} {what} in {hours:,.0f} vendor-hours" for what, many in wrong.items() if many]


def _tell(console: Console, one: Quiet) -> None:
    for sentence in one.false[:5]:
        console.print(f"  {sentence}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
