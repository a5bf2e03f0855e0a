"""10,000 webhooks a minute for two minutes, kill -9 in the middle, beside a bare endpoint under the same storm.

    python -m tests.bench.webhooks                 two minutes each
    python -m tests.bench.webhooks --seconds 30    less

Each side is a process of its own on loopback with a database on the same disk (`--place` chooses it) and takes its
turn. Deliveries leave at their own times, whatever became of those before; one that was not acknowledged is sent
again. In the middle the server is killed with SIGKILL and started again. Counted on both sides:

acked     acknowledged with 2xx, at whichever try
lost      acknowledged, and not in the database afterwards
twice     in the database more than once
cut       tries that got no answer: the kill was in the middle of them
p50, p99  milliseconds from sending to the acknowledgement, of the try that was acknowledged
late      seconds that the latest delivery left after its time: what the kill and the start took, and the catching up
MiB       the most that the server had resident, in either of its lives
page      milliseconds of `GET /` meanwhile, in the middle and of 95 in 100 looks that were answered; Bascule's is its
          page, the bare one's is a constant
gone      looks that found nobody: the time between the kill and the end of the start

Bascule's `serve` verifies, parses, maps, and stores raw body and observation; the bare endpoint commits one row.
CPU is user and system time of the whole server process, its two starts included, per delivery.
"""

import argparse
import json
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.webhook_storm import Served, bascule, free_port, served, stored, storm_with_a_kill

A_MINUTE = 10_000
WIDTH = 130


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    sent: int
    acknowledged: int
    lost: int
    twice: int
    refused: int
    cut: int
    p50: float
    p99: float
    late: float
    cpu: float
    memory: int
    page: float
    page95: float
    gone: int


@contextmanager
def bare(directory: Path) -> Iterator[Served]:
    port = free_port()
    (directory / "data").mkdir()
    (directory / "data" / "token").write_text("none")
    command = [sys.executable, "-m", "tests.bench.bare_webhook", str(directory / "data" / "bare.db"), str(port)]
    with served(directory, command, port) as made:
        yield made


def in_bascule(directory: Path) -> Counter[int]:
    return Counter(stored(directory).numbers)


def in_bare(directory: Path) -> Counter[int]:
    connection = sqlite3.connect(directory / "data" / "bare.db")
    bodies = connection.execute("SELECT body FROM deliveries").fetchall()
    connection.close()
    return Counter(int(json.loads(body)["alerts"][0]["annotations"]["n"]) for (body,) in bodies)


def measure(
    name: str,
    place: Path | None,
    start: Callable[[Path], AbstractContextManager[Served]],
    count: Callable[[Path], Counter[int]],
    seconds: float,
) -> Row:
    directory = Path(tempfile.mkdtemp(prefix="bascule-bench-", dir=place))
    try:
        with start(directory) as made:
            tally, page = storm_with_a_kill(made, A_MINUTE / 60, seconds)
            memory = made.memory()
            made.stop()
        found = count(directory)
    finally:
        shutil.rmtree(directory)
    sent = int(A_MINUTE / 60 * seconds)
    return Row(
        name=name,
        sent=sent,
        acknowledged=len(tally.acknowledged),
        lost=len(tally.acknowledged - found.keys()),
        twice=sum(times > 1 for times in found.values()),
        refused=sum(times for status, times in tally.statuses.items() if status >= 400),
        cut=tally.statuses[0],
        p50=tally.percentile(0.5),
        p99=tally.percentile(0.99),
        late=tally.late,
        cpu=made.cpu / sent * 1000,
        memory=memory,
        page=page.median * 1000,
        page95=page.p95 * 1000,
        gone=page.failed,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long the storm lasts on each side")
    parser.add_argument("--place", type=Path, default=None, help="the folder whose disk is written to")
    arguments = parser.parse_args()
    rows = [
        measure("Bascule", arguments.place, bascule, in_bascule, arguments.seconds),
        measure("bare", arguments.place, bare, in_bare, arguments.seconds),
    ]
    Console(width=WIDTH).print(_table(rows, arguments.seconds))
    ours = rows[0]
    if ours.lost or ours.acknowledged < ours.sent or ours.twice:
        raise SystemExit("Bascule lost a delivery, or stored one twice.")
    if not ours.cut:
        raise SystemExit("The kill met no delivery: measure again, for longer.")


def _table(rows: list[Row], seconds: float) -> Table:
    table = Table(title=f"{A_MINUTE:,} webhooks a minute for {seconds:g} s, kill -9 in the middle")
    for column in (
        *("server", "sent", "acked", "lost", "twice", "refused", "cut", "p50 ms", "p99 ms", "late s"),
        *("CPU ms", "MiB", "page ms", "p95", "gone"),
    ):
        table.add_column(column, justify="left" if column == "server" else "right")
    for row in rows:
        counts = (row.sent, row.acknowledged, row.lost, row.twice, row.refused, row.cut)
        times = (f"{row.p50:.1f}", f"{row.p99:.1f}", f"{row.late:.1f}", f"{row.cpu:.2f}")
        page = (f"{row.page:.0f}", f"{row.page95:.0f}", str(row.gone))
        table.add_row(row.name, *(f"{count:,}" for count in counts), *times, str(row.memory), *page)
    return table


if __name__ == "__main__":
    main()
