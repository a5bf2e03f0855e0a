"""The starter estate against the simulator: its own repository and data directory, one Bascule in this process."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.app import Bascule, Settings
from orchestrator.domain.journal import fold
from orchestrator.domain.model import ENDED_RUN, TROUBLED, Direction, RunState, StepState
from orchestrator.store import runs
from tests.databases import put_tables
from tests.simulator_fixture import Simulator

PLAYBOOKS = Path(__file__).parent.parent / "playbooks"
PEOPLE = ("alice", "bob")
TEXTS = {".yaml", ".yml", ".md", ".j2", ".cfg"}


def commit_estate(target: Path, index: int, source: Path = PLAYBOOKS) -> Path:
    """A Git repository with the estate, rewritten for the simulator of this index."""
    shutil.copytree(source, target)
    for path in target.rglob("*"):
        if path.suffix in TEXTS:
            text = path.read_text()
            moved = text.replace("127.77.0.", f"127.77.{index}.").replace("198.18.0.", f"198.18.{index}.")
            path.write_text(moved)
    git(target, "init", "--quiet", "--initial-branch", "main")
    commit_all(target, "estate")
    return target


def commit_all(repository: Path, message: str) -> str:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(repository, "rev-parse", "HEAD").strip()


def git(repository: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Test", "-c", "user.email=test@valbourg.example", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *arguments], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout


class TownHall:
    """Bascule with the starter estate, and the people who answer its hold points."""

    def __init__(
        self,
        simulator: Simulator,
        directory: Path,
        database_url: str = "",
        change: Callable[[Path], None] | None = None,
    ) -> None:
        """`change`: what is done to the starter estate before the first commit that is read."""
        self.simulator = simulator
        self.estate = commit_estate(directory / "estate", simulator.index)
        if change is not None:
            change(self.estate)
            commit_all(self.estate, "changed")
        data = directory / "data"
        (data / "secrets").mkdir(parents=True)
        shutil.copytree(simulator.data / "secrets", data / "secrets" / "rehearsal")
        put_tables(data)
        self.bascule = Bascule(Settings(data, str(self.estate), database_url=database_url))
        self.bascule.start()

    def stop(self) -> None:
        self.bascule.stop()

    def begin(self, services: list[str], direction: str = "failover", **parameters: Any) -> str:
        plan = self.bascule.plans.make(services, "rehearsal", Direction(direction), parameters)
        return self.bascule.runs.start(plan.digest, "olga").run_id

    def run(self, services: list[str], direction: str = "failover", **parameters: Any) -> str:
        """A whole run with its hold points answered, to its good end."""
        run_id = self.begin(services, direction, **parameters)
        assert self.end(run_id) is RunState.SUCCEEDED
        return run_id

    def undo(self, run_id: str) -> None:
        self.bascule.decisions.undo(run_id, "olga", "test over")
        assert self.end(run_id) is RunState.UNDONE

    def end(self, run_id: str, within: float = 90.0) -> RunState:
        """The run's end; people answer what waits for them. Trouble that needs a decision is an error here."""
        self.until(lambda: self._go_on(run_id), f"run {run_id} to end", within)
        return self.state(run_id)

    def until(self, holds: Callable[[], bool], what: str, within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        seen = -1
        while not holds():
            assert time.monotonic() < deadline, f"waited {within} s for {what}"
            seen = self.bascule.progress.wait_for_move(seen, 0.2)

    def state(self, run_id: str) -> RunState:
        with self.bascule.database.read() as conn:
            return RunState(runs.get_run(conn, run_id).state)

    def steps(self, run_id: str) -> dict[str, Any]:
        with self.bascule.database.read() as conn:
            return {row.step_id: row for row in runs.list_steps(conn, run_id)}

    def check_fold(self, run_id: str) -> None:
        """Invariant: the rows are the fold of the journal."""
        with self.bascule.database.read() as conn:
            _, views = fold(runs.graph_of(conn, run_id), runs.list_events(conn, run_id))
            assert views == runs.views_of(conn, run_id)

    def _go_on(self, run_id: str) -> bool:
        for step_id, row in self.steps(run_id).items():
            assert StepState(row.state) not in TROUBLED or row.wake_at, self._trouble(run_id, row)
            waits = row.waits_for or {}
            if row.state == StepState.WAITING.value and waits.get("for") in ("approval", "task"):
                for person in PEOPLE[len(waits["given"]) : waits["count"]]:
                    self.bascule.decisions.approve(run_id, step_id, person)
        return self.state(run_id) in ENDED_RUN

    def _trouble(self, run_id: str, row: Any) -> str:
        with self.bascule.database.read() as conn:
            lines = [line.text for line in runs.list_output(conn, run_id, step_id=row.step_id)]
        return f"{row.step_id} is {row.state}: {row.message}\n" + "\n".join(lines[-30:])
