"""A small world for engine tests: effects are rows in memory with their tags, and behaviour is set per step."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.journal import RunEvent, fold
from orchestrator.domain.model import RunState, StepState
from orchestrator.domain.plan import Plan
from orchestrator.engine.progress import Clock
from orchestrator.engine.worker import Worker
from orchestrator.engine.workshop import Action, Workshop, resolve
from orchestrator.store import runs
from orchestrator.store.database import Database
from orchestrator.store.runs import NewStep
from providers.base import Finding, Halted, JsonMap, Presence, ProviderError, Report, Tag, never
from tests.audit_whole import assert_audit_whole

Behaviour = Callable[["World", Tag], Finding | None]


@dataclass
class World:
    """What is outside: one value per tag. `wrote` counts writes, `undone` lists take-backs in order."""

    there: dict[str, str] = field(default_factory=dict)
    wrote: Counter[str] = field(default_factory=Counter)
    undone: list[str] = field(default_factory=list)
    on_apply: dict[str, Behaviour] = field(default_factory=dict)
    on_undo: dict[str, Behaviour] = field(default_factory=dict)
    on_observe: dict[str, Behaviour] = field(default_factory=dict)
    halted: dict[str, Halted] = field(default_factory=dict)
    """What each step's attempt asks before a further effect."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, step: str) -> Finding:
        with self.lock:
            self.there[step] = "ours"
            self.wrote[step] += 1
        return Finding(Presence.OURS, {"at": "ours"}, {"id": step}, {"made": step}, f"made {step}")

    def forget(self) -> None:
        """As it was at the beginning, for the next test."""
        for part in (self.there, self.wrote, self.undone, self.on_apply, self.on_undo, self.on_observe, self.halted):
            part.clear()


class WorldProvider:
    """Follows the provider protocol over the world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def observe(self, want: Any, tag: Tag, before: JsonMap | None) -> Finding:
        special = self._world.on_observe.get(tag.step)
        found = special(self._world, tag) if special else None
        if found is not None:
            return found
        if tag.step in self._world.there:
            return Finding(Presence.OURS, {"at": "ours"}, {"id": tag.step}, {"made": tag.step}, "found")
        return Finding(Presence.ABSENT, {"at": "absent"})

    def apply(self, want: Any, tag: Tag, before: JsonMap, report: Report) -> Finding:
        report(f"applying {tag.step}")
        special = self._world.on_apply.get(tag.step)
        found = special(self._world, tag) if special else None
        return found or self._world.write(tag.step)

    def undo(self, want: Any, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        special = self._world.on_undo.get(tag.step)
        found = special(self._world, tag) if special else None
        if found is not None:
            return found
        with self._world.lock:
            if effect and tag.step in self._world.there:
                del self._world.there[tag.step]
                self._world.undone.append(tag.step)
        return Finding(Presence.ABSENT, message="taken back")


class WorldWorkshop:
    def __init__(self, world: World) -> None:
        self._world = world

    def action(
        self,
        run: Any,
        step_id: str,
        spec: Any,
        outputs: Mapping[str, Any],
        deadline: float,
        halted: Halted = never,
    ) -> Action:
        self._world.halted[step_id] = halted
        return Action(WorldProvider(self._world), spec.with_)

    def wish(self, run: Any, spec: Any) -> Any:
        return resolve(spec, {}, run.id)


def step(name: str, *needs: str, uses: str = "test.effect", **spec: Any) -> NewStep:
    full = {"uses": uses, "with": {}, "service": "s", "runbook": "r", **spec}
    return NewStep(name, uses, full, needs)


class Engine:
    """A worker on a database, with helpers to start runs and to wait for conditions, bounded."""

    def __init__(
        self,
        database: Database,
        world: World,
        clock: Clock = time.time,
        workshop: Workshop | None = None,
        concurrency: int = 24,
    ) -> None:
        self.database = database
        self.world = world
        self.worker = Worker(database, workshop or WorldWorkshop(world), clock, concurrency=concurrency)
        self.progress = self.worker.progress

    def start_run(self, run_id: str, *steps: NewStep) -> None:
        with self.database.write() as conn:
            plan = Plan(commit="c", scope="test", mode="rehearsal", direction="failover", services=("s",), steps=())
            runs.save_plan(conn, f"d-{run_id}", "c", 0.0, plan.model_dump(mode="json"))
        values = {"id": run_id, "plan_digest": f"d-{run_id}", "commit": "c", "scope": "test", "mode": "rehearsal"}
        more: dict[str, Any] = {"direction": "failover", "services": ["s"], "requested_by": "olga", "reason": ""}
        more |= {"releases_needed": 0, "created_at": time.time()}
        with self.progress.journal(run_id, lambda conn: runs.insert_run(conn, {**values, **more}, steps)) as journal:
            journal.run_event(RunEvent.CREATED, data={"steps": len(steps)})
            journal.run_event(RunEvent.STARTED)
            journal.start_steps()

    def state(self, run_id: str, step_id: str | None = None) -> str:
        with self.database.read() as conn:
            if step_id is None:
                return str(runs.get_run(conn, run_id).state)
            row = runs.get_step(conn, run_id, step_id)
            return str(row.state) if row is not None else "missing"

    def wait(self, run_id: str, wanted: RunState | StepState, step_id: str | None = None, within: float = 30.0) -> None:
        until = time.monotonic() + within
        seen = -1
        while self.state(run_id, step_id) != wanted.value:
            if time.monotonic() > until:
                raise AssertionError(
                    f"{step_id or run_id} is {self.state(run_id, step_id)}, not {wanted.value}: {self.story(run_id)}"
                )
            seen = self.progress.wait_for_move(seen, 0.2)

    def story(self, run_id: str) -> list[str]:
        with self.database.read() as conn:
            return [
                f"{e.seq} {e.kind} {e.step or ''} {e.data.get('message', '')}" for e in runs.list_events(conn, run_id)
            ]

    def output_of(self, run_id: str, step_id: str, within: float = 5.0) -> list[str]:
        """What the step said, once it has arrived."""
        until = time.monotonic() + within
        while True:
            with self.database.read() as conn:
                lines = [str(row.text) for row in runs.list_output(conn, run_id, step_id=step_id)]
            if lines or time.monotonic() > until:
                return lines
            self.progress.wait_for_move(-1, 0.1)

    def kinds(self, run_id: str, step_id: str) -> list[str]:
        with self.database.read() as conn:
            return [event.kind for event in runs.list_events(conn, run_id) if event.step == step_id]

    def check_fold(self, run_id: str) -> None:
        """Invariant: the rows are the fold of the journal."""
        with self.database.read() as conn:
            run, views = fold(runs.graph_of(conn, run_id), runs.list_events(conn, run_id))
            assert views == runs.views_of(conn, run_id)
            row = runs.get_run(conn, run_id)
        assert (run.state.value, run.paused, run.remaining) == (row.state, row.paused, row.remaining)
        assert run.undo_remaining == row.undo_remaining
        assert_audit_whole(self.database)


def fail(message: str, *, permanent: bool = False, effect_possible: bool = False) -> Behaviour:
    def behave(world: World, tag: Tag) -> Finding | None:
        raise ProviderError(message, permanent=permanent, effect_possible=effect_possible)

    return behave
