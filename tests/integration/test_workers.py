"""Several workers on one PostgreSQL: a killed one's work is taken over, its effect is not repeated."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.journal import RunEvent, fold
from orchestrator.domain.model import RunState
from orchestrator.engine.progress import Progress
from orchestrator.operations.halt import Halt
from orchestrator.store import runs
from orchestrator.store.database import Database
from tests.databases import new_postgres_database
from tests.integration.engine_world import step

ROOT = Path(__file__).parents[2]


class Workers:
    """Worker processes on one database. Runs are written by this process; the workers' sweep enqueues them."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.directory = directory
        self.database = Database(url)
        self.database.migrate()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        known = len(list(self.directory.glob("worker-*")))
        command = [sys.executable, "-m", "tests.integration.worker_process", self.url, str(self.directory)]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        self.processes.append(process)
        self.until(lambda: len(list(self.directory.glob("worker-*"))) > known, "the worker to start")
        return process

    def begin(self, run_id: str, *names: str) -> None:
        plan = [step(name, *([names[n - 1]] if n else [])) for n, name in enumerate(names)]
        with self.database.write() as conn:
            runs.save_plan(conn, f"d-{run_id}", "c", 0.0, {})
        values = {"id": run_id, "plan_digest": f"d-{run_id}", "commit": "c", "scope": "test", "mode": "rehearsal"}
        more: dict[str, Any] = {"direction": "failover", "services": [], "requested_by": "olga", "reason": ""}
        row = {**values, **more, "releases_needed": 0, "created_at": time.time()}
        progress = Progress(self.database, lambda conn, dispatch: None, time.time)
        with progress.journal(run_id, lambda conn: runs.insert_run(conn, row, plan)) as journal:
            journal.run_event(RunEvent.CREATED, data={"steps": len(plan)})
            journal.run_event(RunEvent.STARTED)
            journal.start_steps()
        with self.database.write() as conn:
            for name in names[:1]:
                runs.put_back(conn, run_id, name, 1)

    def state(self, run_id: str) -> str:
        with self.database.read() as conn:
            return str(runs.get_run(conn, run_id).state)

    def written(self, run_id: str, name: str) -> int:
        path = self.directory / f"{run_id}.{name}"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def until(self, holds: Callable[[], bool], what: str, within: float = 40.0) -> None:
        deadline = time.monotonic() + within
        while not holds():
            assert time.monotonic() < deadline, f"waited {within} s for {what}"
            for process in self.processes:
                assert process.poll() in (None, -signal.SIGKILL), f"a worker ended with {process.returncode}"
            _pause()

    def stop(self) -> None:
        (self.directory / "stop").touch()
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=5)
        self.database.close()


def _pause() -> None:
    threading.Event().wait(0.05)


@pytest.fixture
def workers(postgres: str, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(new_postgres_database(postgres), tmp_path)
    yield made
    made.stop()


def test_a_killed_workers_step_is_taken_over_and_its_effect_adopted(workers: Workers) -> None:
    first = workers.start()
    workers.begin("r", "slow", "after")
    workers.until(lambda: workers.written("r", "slow") == 1, "the effect")
    second = workers.start()
    first.kill()
    assert first.wait(timeout=5) == -signal.SIGKILL
    workers.until(lambda: workers.state("r") == RunState.SUCCEEDED.value, "the run to end on the other worker")
    assert second.poll() is None
    assert workers.written("r", "slow") == 1
    with workers.database.read() as conn:
        kinds = [event.kind for event in runs.list_events(conn, "r") if event.step == "slow"]
        _, views = fold(runs.graph_of(conn, "r"), runs.list_events(conn, "r"))
        assert views == runs.views_of(conn, "r")
    assert kinds == ["step.ready", "step.intent", "step.reclaimed", "step.succeeded"]


@pytest.mark.faults
def test_a_halt_stops_every_worker_and_what_a_killed_one_left_is_not_gone_on_with(workers: Workers) -> None:
    """One is killed in the middle of its effect while halted: the other adopts it, and begins nothing after it."""
    first, second = workers.start(), workers.start()
    runs_ = [f"r{number}" for number in range(6)]
    for run_id in runs_:
        workers.begin(run_id, "slow", "after")
    workers.until(lambda: all(workers.written(run, "slow") for run in runs_), "the first effect of each run")
    halt = Halt.without_engine(workers.database, time.time)
    engaged = halt.engage("olga", "stop")
    assert set(engaged.paused) == set(runs_)
    first.kill()
    (workers.directory / "go").touch()

    def adopted() -> bool:
        with workers.database.read() as conn:
            found = [runs.get_step(conn, run, name) for run in runs_ for name in ("slow", "after")]
        states = [(step.state, step.queued) for step in found if step is not None]
        return all(one in (("succeeded", True), ("ready", False)) for one in states)

    workers.until(adopted, "all to be proven, and what follows to be put back")
    assert [workers.written(run, name) for run in runs_ for name in ("slow", "after")] == [1, 0] * 6
    assert second.poll() is None
    halt.lift("olga", "fine")
    for run_id in runs_:
        with Progress(workers.database, lambda conn, dispatch: None, time.time).journal(run_id) as journal:
            journal.run_event(RunEvent.RESUMED, "olga")
    workers.until(lambda: {workers.state(run) for run in runs_} == {"succeeded"}, "all runs to end")
    assert [workers.written(run, name) for run in runs_ for name in ("slow", "after")] == [1, 1] * 6


@pytest.mark.faults
def test_a_frozen_worker_that_wakes_writes_nothing(workers: Workers) -> None:
    """While it is frozen its session lives, so nobody takes its work; a connection cut by the server ends it."""
    first = workers.start()
    workers.begin("r", "slow", "after")
    workers.until(lambda: workers.written("r", "slow") == 1, "the effect")
    workers.start()
    first.send_signal(signal.SIGSTOP)
    with workers.database.engine.connect() as conn:
        conn.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"
            f" AND pid <> pg_backend_pid() AND application_name LIKE '%%{first.pid}%%'"
        )
    workers.until(lambda: workers.state("r") == RunState.SUCCEEDED.value, "the other worker to take over")
    (workers.directory / "go").touch()
    workers.processes.remove(first)
    first.send_signal(signal.SIGCONT)
    assert first.wait(timeout=20) == 75
    with workers.database.read() as conn:
        kinds = [event.kind for event in runs.list_events(conn, "r") if event.step == "slow"]
    assert kinds.count("step.succeeded") == 1
    assert workers.written("r", "slow") == 1
