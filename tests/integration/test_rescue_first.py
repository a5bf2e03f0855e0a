"""In a crowded queue, what fetches data goes before everything that waits."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from orchestrator.domain.model import RunState
from orchestrator.store.database import Database
from providers.base import Finding, Tag
from tests.integration.engine_world import Engine, World, step


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    made = Engine(database, World(), concurrency=2)
    made.worker.start()
    yield made
    made.worker.stop()


def test_a_rescue_that_becomes_ready_late_goes_before_ordinary_steps_that_wait(engine: Engine) -> None:
    begun: list[str] = []
    go = threading.Event()

    def note(world: World, tag: Tag) -> Finding | None:
        begun.append(tag.step)
        if tag.step in ("bucket", "o0"):
            go.wait(20)
        return None

    ordinary = [step(f"o{number}") for number in range(12)]
    rescues = [replace(one, rescue=True) for one in (step("bucket"), step("copy", "bucket"))]
    steps = [*rescues, *ordinary]
    engine.world.on_apply = dict.fromkeys((one.step_id for one in steps), note)
    engine.start_run("r", *steps)
    while len(begun) < 2:
        threading.Event().wait(0.02)
    go.set()
    engine.wait("r", RunState.SUCCEEDED)
    assert begun.index("copy") <= 4, begun
    assert set(engine.world.wrote.values()) == {1}
