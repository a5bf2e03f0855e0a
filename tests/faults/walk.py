"""One run with its crashes: begun, killed, started again, answered and decided by people, until it has ended."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.journal import StepEvent, fold
from orchestrator.domain.model import ENDED_RUN, TROUBLED, RunState, StepState
from orchestrator.store import runs
from tests.audit_whole import assert_audit_whole
from tests.faults.cases import Case, Point, name_and_turn
from tests.faults.desk import Boundary, Died
from tests.faults.outside import Effects, comparable, effects_of, touched, without_owner
from tests.faults.stand import Stand
from tests.faults.triggers import Trigger, trigger_of

END_SECONDS = 60.0
LAST_SECONDS = 5.0
POLL = 0.03
"""Seconds between two looks at the run's rows."""
PEOPLE = ("alice", "bob")


@dataclass(frozen=True, slots=True)
class Lasting:
    """The worlds at the end of a run and of its undo, and the state and outputs of its steps."""

    forward: dict[str, Any]
    after: dict[str, Any]
    steps: dict[str, Any]

    def but_unproven(self) -> "Lasting":
        """Without what a person may find either way."""
        return Lasting({**self.forward, "messages": []}, {**self.after, "messages": []}, {})


def _timeless(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Without the moments that it came at, which a crash puts off."""
    return {name: value for name, value in outputs.items() if not name.endswith("_at")}


@dataclass(slots=True)
class Walk:
    """A run of one case on the stand, crashed at a point or not at all.

    After `go`: `prepared`, `forward` and `after` are the worlds before the run, at
    its end, and after its undo (without one: once more); `ends` the state and
    outputs of each step; `effects` what was written meanwhile; `unproven` the steps
    of which the journal says that their effect, or their undo's, could not be
    proved; `outcome` the run's state; `told` its story; `crashed` counts the lives
    of the service that ended.
    """

    stand: Stand
    case: Case
    point: Point | None = None
    mark: str = ""
    run_id: str = ""
    prepared: dict[str, Any] = field(default_factory=dict)
    forward: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    ends: dict[str, Any] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)
    unproven: list[str] = field(default_factory=list)
    outcome: RunState = RunState.RUNNING
    told: str = ""
    crashed: int = 0
    _boundaries: list[Boundary] = field(default_factory=list)
    _trigger: Trigger | None = None
    _late: Trigger | None = None

    def go(self) -> "Walk":
        self.mark = self.stand.new_mark()
        self.stand.prepare(self.case, self.mark)
        self.prepared = self._world()
        earlier = effects_of(self.stand.simulator, self.mark, "none")
        self._arm()
        try:
            self._run()
        except BaseException:
            self.stand.begin_anew()
            raise
        finally:
            self.stand.clear(self.mark)
        self.effects = effects_of(self.stand.simulator, self.mark, self.run_id) - earlier
        self.told = self.story()
        self.unproven = self._unproven()
        self.outcome = self.state
        self.ends = {step_id: [row.state, _timeless(row.outputs)] for step_id, row in self.steps.items()}
        self._check_fold()
        return self

    def _run(self) -> None:
        parameters = {"mark": self.mark, "node": self.stand.node}
        digest = self._insist(lambda: self.stand.service.ask("plan", self.case.name, parameters))
        self.run_id = self._insist(lambda: self.stand.service.ask("start", digest, self.mark))
        self._until_ended()
        while self._late is not None and not self._late.over():
            time.sleep(POLL)
        self.forward = self._world()
        if self.case.undo:
            self._insist(self._ask_undo)
            self._until_ended()
        self._await_last_crash()
        self.after = self._world()

    @property
    def state(self) -> RunState:
        with self.stand.database.read() as conn:
            return RunState(runs.get_run(conn, self.run_id).state)

    @property
    def steps(self) -> Mapping[str, Any]:
        with self.stand.database.read() as conn:
            return {row.step_id: row for row in runs.list_steps(conn, self.run_id)}

    def _unproven(self) -> list[str]:
        told = (StepEvent.UNKNOWN.value, StepEvent.UNDO_FAILED.value)
        with self.stand.database.read() as conn:
            return sorted({str(e.step) for e in runs.list_events(conn, self.run_id) if e.kind in told})

    @property
    def fired(self) -> bool:
        """Whether every crash that was asked for happened."""
        return not self._boundaries and self._trigger is None

    def lasting(self) -> "Lasting":
        """The worlds that the run and its undo left, comparable with those of other runs of the case."""
        parts = (self.forward, self.after, self.ends)
        return Lasting(*(comparable(part, self.mark, self.run_id) for part in parts))

    def without_owner(self) -> list[str]:
        return without_owner(self.forward, self.prepared, self.run_id)

    def _check_fold(self) -> None:
        """Invariant: the rows are the fold of the journal."""
        with self.stand.database.read() as conn:
            run, views = fold(runs.graph_of(conn, self.run_id), runs.list_events(conn, self.run_id))
            row = runs.get_run(conn, self.run_id)
            assert views == runs.views_of(conn, self.run_id)
        assert (run.state.value, run.remaining, run.undo_remaining) == (row.state, row.remaining, row.undo_remaining)
        assert_audit_whole(self.stand.database)

    def story(self) -> str:
        """The journal and the end of the service's log, for a test that failed."""
        lines = []
        if self.run_id:
            with self.stand.database.read() as conn:
                events = runs.list_events(conn, self.run_id)
                said = runs.list_output(conn, self.run_id)
            first = events[0].at
            lines = [f"{e.at - first:6.2f} {e.kind} {e.step or ''} {e.data.get('message', '')}" for e in events]
            lines += [f"  {row.text}" for row in said[-20:]]
        return "\n".join([*lines, self.stand.service.said()])

    def _world(self) -> dict[str, Any]:
        world = touched(self.stand.simulator, self.mark)
        if self.case.kind == "ansible.play":
            world["node"] = self.stand.on_node(f"cd /srv; test ! -e {self.mark} || grep -r . {self.mark}")
        return world

    def _arm(self) -> None:
        if self.point is None:
            for described in self.case.between.values():
                trigger_of(described).release(self.stand, self.mark, self.run_id)
        rules = [dict(rule) for rule in self.case.faults]
        if self.point is not None and self.point.trigger is not None:
            self._trigger = trigger_of(self.point.trigger)
            rules += self._trigger.rules
        for rule in rules:
            rule["route"] = rule["route"].replace("{mark}", self.mark)
        self.stand.simulator.faults(*rules)
        for index, (step, boundary) in enumerate(self.point.crashes if self.point else ()):
            name, turn = name_and_turn(boundary)
            fired = self.stand.directory / f"{self.mark}-{index}"
            self._boundaries.append(Boundary(name, f"{self.case.name}/{step}", turn, fired))
        self.stand.service.ask("kill_at", self._boundaries[0] if self._boundaries else None)

    def _insist(self, ask: Callable[[], Any]) -> Any:
        """Ask, and ask again when the service died over it."""
        while True:
            try:
                return ask()
            except Died:
                self._revive()

    def _ask_undo(self) -> None:
        """A service that died may have noted the wish all the same."""
        if self.state in (RunState.SUCCEEDED, RunState.INCOMPLETE):
            if self._trigger is not None:
                self._trigger.answering(self.stand, self.run_id)
            self.stand.service.ask("undo", self.run_id)

    def _revive(self) -> None:
        """Start the service again, after making sure that it died as it was meant to."""
        while True:
            assert self.stand.service.killed(), f"the service died by itself\n{self.story()}"
            assert self._boundaries, f"the service was killed once too often\n{self.story()}"
            assert self._boundaries[0].fired.exists(), f"the service died elsewhere\n{self.story()}"
            del self._boundaries[0]
            if self._restarted():
                return

    def _restarted(self) -> bool:
        self.crashed += 1
        try:
            self.stand.service.start(self._boundaries[0] if self._boundaries else None)
        except Died:
            return False
        return True

    def _await_last_crash(self) -> None:
        """The last boundary comes after the transaction that ends the run."""
        end = time.monotonic() + LAST_SECONDS
        while self._boundaries and time.monotonic() < end:
            if not self.stand.service.alive:
                self._revive()
            time.sleep(POLL)

    def _until_ended(self) -> None:
        end = time.monotonic() + END_SECONDS
        while self.state not in ENDED_RUN:
            assert time.monotonic() < end, f"run {self.run_id} did not end\n{self.story()}"
            if not self.stand.service.alive:
                self._revive()
            self._pull_trigger()
            try:
                self._answer()
            except Died:
                self._revive()
            time.sleep(POLL)

    def _pull_trigger(self) -> None:
        trigger = self._trigger
        if trigger is None or not self.run_id or not trigger.sprung(self.stand, self.mark, self.run_id):
            return
        self.stand.service.kill()
        assert self.stand.service.killed()
        self._trigger, self._late = None, trigger
        trigger.release(self.stand, self.mark, self.run_id)
        assert self._restarted(), self.story()

    def _answer(self) -> None:
        """People say yes one at a time, and decide what cannot be proved."""
        for step_id, row in self.steps.items():
            state, waits = StepState(row.state), row.waits_for or {}
            if state is StepState.WAITING and waits.get("for") in ("approval", "task"):
                if self._trigger is not None:
                    self._trigger.answering(self.stand, self.run_id)
                self.stand.service.ask("approve", self.run_id, step_id, PEOPLE[len(waits["given"])])
                return
            if state in (StepState.UNKNOWN, StepState.UNDO_FAILED) and self.point and self.point.unknown:
                self.stand.service.ask("skip", self.run_id, step_id, "looked into the mailbox")
                return
            assert state not in TROUBLED, f"{step_id} is {state}: {row.message}\n{self.story()}"
