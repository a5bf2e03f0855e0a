"""A worker that stops takes no more work, and what is under way has its outcome in the journal before it is gone."""

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.domain.model import RunState, StepState
from orchestrator.engine import durable
from orchestrator.store.database import Database
from providers.base import Finding, Tag
from tests.integration.engine_world import Engine, World, step

PATIENCE = 20.0


@dataclass
class Held:
    """An engine at work on a step that does not end before `go`; `after` needs it."""

    engine: Engine
    go: threading.Event

    def stopping(self) -> threading.Thread:
        thread = threading.Thread(target=self.engine.worker.stop)
        thread.start()
        return thread

    def gone_on_with(self) -> None:
        """The next worker finishes the run; nothing was done twice."""
        later = Engine(self.engine.database, self.engine.world)
        later.worker.start()
        try:
            later.wait("r", RunState.SUCCEEDED)
        finally:
            later.worker.stop()
        assert later.world.wrote == {"slow": 1, "after": 1}
        later.check_fold("r")


@pytest.fixture
def held(database: Database) -> Held:
    at_work, made = threading.Event(), Held(Engine(database, World()), threading.Event())

    def slow(_: World, __: Tag) -> Finding | None:
        at_work.set()
        assert made.go.wait(PATIENCE)
        return None

    made.engine.world.on_apply["slow"] = slow
    made.engine.worker.start()
    made.engine.start_run("r", step("slow"), step("after", "slow"))
    assert at_work.wait(PATIENCE)
    return made


def test_work_under_way_is_ended_and_nothing_new_begun(held: Held) -> None:
    stopping = held.stopping()
    stopping.join(0.5)
    assert stopping.is_alive(), "it does not wait for the step"
    held.go.set()
    stopping.join(PATIENCE)
    assert not stopping.is_alive()
    assert (held.engine.state("r", "slow"), held.engine.world.wrote) == ("succeeded", {"slow": 1})
    assert held.engine.state("r", "after") == "ready"
    held.gone_on_with()


def test_work_that_outlasts_the_worker_has_its_outcome_all_the_same(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "STOP_WITHIN", 0.1)
    stopping = held.stopping()
    stopping.join(PATIENCE)
    assert held.engine.state("r", "slow") == "running"
    held.go.set()
    held.engine.wait("r", StepState.SUCCEEDED, "slow")
    held.gone_on_with()


def test_it_starts_and_stops_again_on_the_same_data(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'bascule.db'}")
    database.migrate()
    for run_id in ("r-1", "r-2", "r-3"):
        engine = Engine(database, World())
        engine.worker.start()
        try:
            engine.start_run(run_id, step("a"))
            engine.wait(run_id, RunState.SUCCEEDED)
        finally:
            engine.worker.stop()
    database.close()
