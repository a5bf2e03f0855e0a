"""Cost per step and ready-to-start latency of the engine, beside a bare SQLite commit in the same run.

    python -m tests.bench            plans of 100, 1,000 and 10,000 steps, 20 wide, and a chain of 100
    python -m tests.bench --quick    without the 10,000

Each step is a full one: claim with the journalled intent, a provider that does
nothing, outcome, readiness of what follows; on the embedded SQLite file with
synchronous FULL. The bare commit is one row a transaction on the same disk.
"""

import argparse
import resource
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from orchestrator.domain.model import RunState
from orchestrator.store import runs
from orchestrator.store.database import Database
from providers.base import Finding, Presence
from tests.integration.engine_world import Engine, World, step

IDLE_SECONDS = 10.0
LOOK_EVERY = 0.25
"""Seconds; the run's own end is in its journal, so looking seldom costs no accuracy and takes nothing from it."""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    per_step: float
    bare: float
    latency: float
    worst: float


def bare_commit(directory: Path, commits: int = 500) -> float:
    """Milliseconds of one small transaction, WAL and FULL, on the same disk."""
    connection = sqlite3.connect(directory / f"bare-{time.monotonic_ns()}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE bare (n INTEGER PRIMARY KEY, text TEXT)")
    started = time.perf_counter()
    for number in range(commits):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO bare VALUES (?, ?)", (number, "x" * 100))
        connection.execute("COMMIT")
    spent = time.perf_counter() - started
    connection.close()
    return spent / commits * 1000


def measure(engine: Engine, directory: Path, name: str, steps: int, width: int) -> Row:
    """One run of `steps` no-op steps in `width` chains side by side."""
    before = bare_commit(directory)
    plan = [step(f"s{n}", *([f"s{n - width}"] if n >= width else []), uses="test.noop") for n in range(steps)]
    started = time.time()
    engine.start_run(name, *plan)
    while engine.state(name) == RunState.RUNNING.value:
        time.sleep(LOOK_EVERY)
    ready: dict[str, float] = {}
    waits: list[float] = []
    with engine.database.read() as conn:
        ended = runs.get_run(conn, name).ended_at
        for event in runs.list_events(conn, name):
            if event.kind == "step.ready" and event.step is not None:
                ready[event.step] = event.at
            elif event.kind == "step.intent" and event.step is not None:
                waits.append((event.at - ready[event.step]) * 1000)
    bare = statistics.mean([before, bare_commit(directory)])
    return Row(name, (ended - started) / steps * 1000, bare, statistics.median(waits), max(waits))


def idle_share(engine: Engine) -> float:
    """Percent of one core that the service uses while no run is active."""
    time.sleep(12.0)
    used, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return cpu / (time.perf_counter() - started) * 100


class NoopWorld(World):
    """Every step's effect is there at once."""

    def write(self, step_id: str) -> Finding:
        return Finding(Presence.OURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the plan of 10,000 steps")
    arguments = parser.parse_args()
    plans = [("chain of 100", 100, 1), ("100, 20 wide", 100, 20), ("1,000, 20 wide", 1000, 20)]
    if not arguments.quick:
        plans.append(("10,000, 20 wide", 10_000, 20))
    table = Table(title="Engine: no-op steps on SQLite (WAL, FULL)")
    for column in ("plan", "ms a step", "bare commit ms", "ratio", "ready to start, median ms", "worst ms"):
        table.add_column(column, justify="left" if column == "plan" else "right")
    with tempfile.TemporaryDirectory(prefix="bascule-bench-") as name:
        directory = Path(name)
        database = Database(f"sqlite:///{directory / 'bascule.db'}")
        database.migrate()
        engine = Engine(database, NoopWorld())
        engine.worker.start()
        measure(engine, directory, "warm-up", 40, 20)
        for plan, steps, width in plans:
            row = measure(engine, directory, plan, steps, width)
            ratio = f"{row.per_step / row.bare:.1f}"
            table.add_row(
                plan, f"{row.per_step:.2f}", f"{row.bare:.2f}", ratio, f"{row.latency:.0f}", f"{row.worst:.0f}"
            )
        idle = idle_share(engine)
        engine.worker.stop()
        database.close()
    console = Console()
    console.print(table)
    console.print(f"idle: {idle:.1f} % of one core")


if __name__ == "__main__":
    main()
