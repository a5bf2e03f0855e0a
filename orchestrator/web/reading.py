"""Reads runs for the API and the page. What it costs follows what is shown, never the plan's size twice."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.halt import Halted
from orchestrator.domain.model import ENDED_RUN
from orchestrator.store import halts, moves, runs, watching
from orchestrator.store.database import Connection, Database
from orchestrator.store.journal import StepNotFound
from orchestrator.web.api.answers import LogLine, RunAnswer, RunColumns, RunDetail, RunWithSteps, StepAnswer
from orchestrator.web.attention import LOOKED_AT, waits_of

EVENTS_AT_ONCE = 500
LINES_AT_ONCE = 500

Expectation = tuple[float, tuple[str, ...]]
"""Seconds that a plan expected, and its critical path."""


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """How much of a run someone has heard: the last event, and the last line of output."""

    event: int = 0
    line: int = 0

    def __str__(self) -> str:
        return f"{self.event}.{self.line}"


@dataclass(frozen=True, slots=True)
class Batch:
    """What is new after a cursor: lines, then changed steps in the order of their last events, then the run.

    `steps` have the event that they are as of. `whole` is false when there is more to read at once. `halted`: the halt
    that is in force, whatever the cursor.
    """

    lines: tuple[LogLine, ...]
    steps: tuple[tuple[int, StepAnswer], ...]
    run: RunAnswer
    cursor: Cursor
    whole: bool
    halted: Halted | None

    @property
    def ended(self) -> bool:
        return self.run.state in ENDED_RUN


@dataclass(frozen=True, slots=True)
class StepDetail:
    """A step, what the engine was told to do, and who needs it."""

    step: StepAnswer
    spec: Mapping[str, Any]
    needed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinePage:
    """Lines of one step, and whether there are earlier and later ones."""

    lines: tuple[LogLine, ...]
    earlier: bool
    later: bool


@dataclass(frozen=True, slots=True)
class WaitingStep:
    """Of a step that people are waited for at: its service, and since when it stands there (UTC seconds)."""

    service: str = ""
    since: float | None = None


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run that has not ended. `expected`: seconds that its plan expected; `unmoved`: services with steps left."""

    run: RunAnswer
    expected: float
    waiting: dict[str, WaitingStep]
    unmoved: frozenset[str]


class Reading:
    """Reads one database. A plan's numbers never change, so those of the last plans are kept in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._expectation = functools.lru_cache(maxsize=64)(self._read_expectation)

    def revision(self) -> str:
        """Another word whenever anything that pages show moved."""
        with self._database.read() as conn:
            return moves.revision(conn)

    def run(self, run_id: str) -> RunAnswer:
        """Raises RunNotFound."""
        with self._database.read() as conn:
            return _run(conn, run_id)

    def detail(self, run_id: str) -> RunDetail:
        """Raises RunNotFound."""
        expected = self._expected(run_id)
        with self._database.read() as conn:
            return _detail(conn, run_id, expected)

    def with_steps(self, run_id: str) -> RunWithSteps:
        """The run and its steps as of one moment. Raises RunNotFound."""
        expected = self._expected(run_id)
        with self._database.read() as conn:
            run = _detail(conn, run_id, expected)
            rows = watching.steps_shown(conn, run_id)
            needs = runs.list_edges(conn, run_id)
        return RunWithSteps(run=run, steps=[StepAnswer.of(row, list(needs.get(row.step_id, ()))) for row in rows])

    def _expected(self, run_id: str) -> Expectation:
        """What the run's plan expected, read apart: it never changes, and no read waits within another."""
        return self._expectation(self.run(run_id).plan_digest)

    def listed(self, limit: int, *, active_only: bool) -> list[RunColumns]:
        with self._database.read() as conn:
            return [RunColumns.model_validate(row) for row in runs.list_runs(conn, limit, active_only=active_only)]

    def active(self, limit: int) -> list[ActiveRun]:
        """The newest runs that have not ended, with what they wait for."""
        found = []
        for listed in self.listed(limit, active_only=True):
            expected, _ = self._expectation(listed.plan_digest)
            with self._database.read() as conn:
                rows = watching.steps_in(conn, listed.id, LOOKED_AT)
                run = RunAnswer(
                    **dict(RunColumns.model_validate(runs.get_run(conn, listed.id))),
                    step_counts=watching.count_states(conn, listed.id),
                )
                unmoved = watching.unmoved(conn, listed.id)
            run.waits = waits_of(run, rows)
            waiting = {
                row.step_id: WaitingStep(row.spec.get("service", ""), row.ended_at or row.started_at) for row in rows
            }
            if run.ended_at is None:
                found.append(ActiveRun(run, expected, waiting, unmoved))
        return found

    def latest_lines(self, run_id: str, limit: int) -> list[LogLine]:
        with self._database.read() as conn:
            return [LogLine.of(row) for row in watching.latest_output(conn, run_id, limit)]

    def step(self, run_id: str, step_id: str) -> tuple[RunDetail, StepDetail]:
        """As of one moment. Raises RunNotFound, StepNotFound."""
        expected = self._expected(run_id)
        with self._database.read() as conn:
            run = _detail(conn, run_id, expected)
            row = runs.get_step(conn, run_id, step_id)
            if row is None:
                raise StepNotFound(f"Run {run_id} has no step {step_id}.")
            needs = watching.needs_of(conn, run_id, [step_id])
            needed_by = watching.dependents_of(conn, run_id, step_id)
        return run, StepDetail(StepAnswer.of(row, needs.get(step_id, [])), row.spec, tuple(needed_by))

    def procedure(self, run_id: str) -> tuple[RunDetail, list[StepDetail]]:
        """Every step with what the engine was told to do; who needs it is left out. Raises RunNotFound."""
        expected = self._expected(run_id)
        with self._database.read() as conn:
            run = _detail(conn, run_id, expected)
            rows = watching.steps_shown(conn, run_id)
            needs = runs.list_edges(conn, run_id)
        return run, [StepDetail(StepAnswer.of(row, list(needs.get(row.step_id, ()))), row.spec, ()) for row in rows]

    def step_lines(
        self, run_id: str, step_id: str, limit: int, *, after: int | None = None, before: int | None = None
    ) -> LinePage:
        """At most `limit` lines of a step: those after a line, else the last ones, or the last before one."""
        with self._database.read() as conn:
            found = watching.step_output(conn, run_id, step_id, limit=limit + 1, after=after, before=before)
        lines = [LogLine.of(row) for row in found]
        over = len(lines) > limit
        if after is not None:
            return LinePage(tuple(lines[:limit]), earlier=after > 0, later=over)
        return LinePage(tuple(lines[-limit:]), earlier=over, later=before is not None)

    def after(self, run_id: str, cursor: Cursor) -> Batch:
        """What is new. Rows are read after the events that changed them, so never older. Raises RunNotFound."""
        with self._database.read() as conn:
            lines = runs.list_output(conn, run_id, after=cursor.line, limit=LINES_AT_ONCE)
            events = runs.list_events(conn, run_id, after=cursor.event, limit=EVENTS_AT_ONCE)
            last = {event.step: event.seq for event in events if event.step is not None}
            rows = watching.steps_by_id(conn, run_id, last.keys())
            needs = watching.needs_of(conn, run_id, last.keys())
            run = _run(conn, run_id)
            halted = halts.in_force(conn)
        steps = [(last[row.step_id], StepAnswer.of(row, needs.get(row.step_id, []))) for row in rows]
        heard = Cursor(events[-1].seq if events else cursor.event, lines[-1].id if lines else cursor.line)
        return Batch(
            lines=tuple(LogLine.of(row) for row in lines),
            steps=tuple(sorted(steps, key=lambda pair: pair[0])),
            run=run,
            cursor=heard,
            whole=len(events) < EVENTS_AT_ONCE and len(lines) < LINES_AT_ONCE,
            halted=halted,
        )

    def _read_expectation(self, digest: str) -> Expectation:
        with self._database.read() as conn:
            plan: dict[str, Any] = runs.load_plan(conn, digest) or {}
        return float(plan.get("expected_seconds", 0.0)), tuple(plan.get("critical_path", ()))


def _detail(conn: Connection, run_id: str, expected: Expectation) -> RunDetail:
    seconds, path = expected
    first = next(iter(runs.list_events(conn, run_id, limit=1)), None)
    exceptions = first.data.get("exceptions", []) if first is not None else []
    answer = dict(_run(conn, run_id))
    return RunDetail(**answer, expected_seconds=seconds, critical_path=list(path), exceptions=exceptions)


def _run(conn: Connection, run_id: str) -> RunAnswer:
    columns = RunColumns.model_validate(runs.get_run(conn, run_id))
    waits = waits_of(columns, watching.steps_in(conn, run_id, LOOKED_AT))
    counts = watching.count_states(conn, run_id)
    return RunAnswer(**dict(columns), waits=waits, step_counts=counts)
