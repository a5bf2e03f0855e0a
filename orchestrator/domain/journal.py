"""The journal of a run: one table of legal transitions, and state as the fold of its events.

Invariant: a step's or run's state is nothing but the fold of its events. The
rows in the database are that same fold, kept by the same functions, in the
transaction that appends the event; `fold` over the whole journal gives them
again. An event that the table does not allow raises `IllegalTransition`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from orchestrator.domain.model import DONE_FORWARD, TROUBLED, RunState, StepState


class IllegalTransition(Exception):
    """An event that the present state does not allow; nothing was changed."""


class StepEvent(StrEnum):
    READY = "step.ready"
    INTENT = "step.intent"
    RECLAIMED = "step.reclaimed"
    UNDER_WAY = "step.under_way"
    APPLIED = "step.applied"
    WAITING = "step.waiting"
    APPROVED = "step.approved"
    APPROVAL_VOIDED = "step.approval_voided"
    REJECTED = "step.rejected"
    SUCCEEDED = "step.succeeded"
    FAILED = "step.failed"
    HELD = "step.held"
    UNKNOWN = "step.unknown"
    TOLERATED = "step.tolerated"
    RETRIED = "step.retried"
    SKIPPED = "step.skipped"
    CANCELLED = "step.cancelled"
    UNDO_READY = "step.undo_ready"
    UNDO_INTENT = "step.undo_intent"
    UNDO_RECLAIMED = "step.undo_reclaimed"
    UNDO_UNDER_WAY = "step.undo_under_way"
    UNDONE = "step.undone"
    UNDO_FAILED = "step.undo_failed"
    LEFT = "step.left"


class RunEvent(StrEnum):
    CREATED = "run.created"
    RELEASE_GIVEN = "run.release_given"
    RELEASE_VOIDED = "run.release_voided"
    STARTED = "run.started"
    PAUSED = "run.paused"
    RESUMED = "run.resumed"
    CANCEL_REQUESTED = "run.cancel_requested"
    UNDO_REQUESTED = "run.undo_requested"
    UNDO_STARTED = "run.undo_started"
    FINISHED = "run.finished"


S, E = StepState, StepEvent

STEP_TABLE: Mapping[tuple[StepState, StepEvent], StepState] = {
    (S.PENDING, E.READY): S.READY,
    (S.PENDING, E.CANCELLED): S.CANCELLED,
    (S.READY, E.INTENT): S.RUNNING,
    (S.READY, E.HELD): S.HELD,
    (S.READY, E.FAILED): S.FAILED,
    (S.READY, E.WAITING): S.WAITING,
    (S.READY, E.CANCELLED): S.CANCELLED,
    (S.RUNNING, E.RECLAIMED): S.RUNNING,
    (S.RUNNING, E.UNDER_WAY): S.SETTLING,
    (S.RUNNING, E.APPLIED): S.VERIFYING,
    (S.RUNNING, E.SUCCEEDED): S.SUCCEEDED,
    (S.RUNNING, E.FAILED): S.FAILED,
    (S.RUNNING, E.HELD): S.HELD,
    (S.RUNNING, E.UNKNOWN): S.UNKNOWN,
    (S.SETTLING, E.APPLIED): S.VERIFYING,
    (S.SETTLING, E.SUCCEEDED): S.SUCCEEDED,
    (S.SETTLING, E.FAILED): S.FAILED,
    (S.SETTLING, E.UNKNOWN): S.UNKNOWN,
    (S.SETTLING, E.UNDO_READY): S.UNDO_READY,
    (S.VERIFYING, E.SUCCEEDED): S.SUCCEEDED,
    (S.VERIFYING, E.FAILED): S.FAILED,
    (S.VERIFYING, E.UNDO_READY): S.UNDO_READY,
    (S.WAITING, E.APPROVED): S.WAITING,
    (S.WAITING, E.APPROVAL_VOIDED): S.WAITING,
    (S.WAITING, E.REJECTED): S.FAILED,
    (S.WAITING, E.SUCCEEDED): S.SUCCEEDED,
    (S.WAITING, E.FAILED): S.FAILED,
    (S.WAITING, E.SKIPPED): S.SKIPPED,
    (S.WAITING, E.CANCELLED): S.CANCELLED,
    (S.FAILED, E.READY): S.READY,
    (S.FAILED, E.RETRIED): S.READY,
    (S.FAILED, E.SKIPPED): S.SKIPPED,
    (S.FAILED, E.TOLERATED): S.TOLERATED,
    (S.FAILED, E.CANCELLED): S.CANCELLED,
    (S.FAILED, E.UNDO_READY): S.UNDO_READY,
    (S.HELD, E.RETRIED): S.READY,
    (S.HELD, E.SKIPPED): S.SKIPPED,
    (S.HELD, E.CANCELLED): S.CANCELLED,
    (S.HELD, E.UNDO_READY): S.UNDO_READY,
    (S.UNKNOWN, E.RETRIED): S.READY,
    (S.UNKNOWN, E.SKIPPED): S.SKIPPED,
    (S.UNKNOWN, E.TOLERATED): S.TOLERATED,
    (S.UNKNOWN, E.UNDO_READY): S.UNDO_READY,
    (S.UNKNOWN, E.LEFT): S.LEFT,
    (S.SUCCEEDED, E.UNDO_READY): S.UNDO_READY,
    (S.SKIPPED, E.UNDO_READY): S.UNDO_READY,
    (S.TOLERATED, E.UNDO_READY): S.UNDO_READY,
    (S.READY, E.UNDO_READY): S.UNDO_READY,
    (S.CANCELLED, E.UNDO_READY): S.UNDO_READY,
    (S.UNDO_READY, E.UNDO_INTENT): S.UNDOING,
    (S.UNDO_READY, E.UNDO_FAILED): S.UNDO_FAILED,
    (S.UNDO_READY, E.UNDONE): S.UNDONE,
    (S.UNDOING, E.UNDO_RECLAIMED): S.UNDOING,
    (S.UNDOING, E.UNDO_UNDER_WAY): S.UNDO_SETTLING,
    (S.UNDOING, E.UNDONE): S.UNDONE,
    (S.UNDOING, E.UNDO_FAILED): S.UNDO_FAILED,
    (S.UNDO_SETTLING, E.UNDONE): S.UNDONE,
    (S.UNDO_SETTLING, E.UNDO_FAILED): S.UNDO_FAILED,
    (S.UNDO_FAILED, E.UNDO_READY): S.UNDO_READY,
    (S.UNDO_FAILED, E.LEFT): S.LEFT,
}

R, V = RunState, RunEvent

RUN_TABLE: Mapping[tuple[RunState, RunEvent], tuple[RunState, ...]] = {
    (R.AWAITING_RELEASE, V.RELEASE_GIVEN): (R.AWAITING_RELEASE,),
    (R.AWAITING_RELEASE, V.RELEASE_VOIDED): (R.AWAITING_RELEASE,),
    (R.AWAITING_RELEASE, V.STARTED): (R.RUNNING,),
    (R.AWAITING_RELEASE, V.CANCEL_REQUESTED): (R.CANCELLING,),
    (R.RUNNING, V.PAUSED): (R.RUNNING,),
    (R.RUNNING, V.RESUMED): (R.RUNNING,),
    (R.RUNNING, V.CANCEL_REQUESTED): (R.CANCELLING,),
    (R.RUNNING, V.UNDO_REQUESTED): (R.UNDO_REQUESTED,),
    (R.RUNNING, V.FINISHED): (R.SUCCEEDED, R.INCOMPLETE),
    (R.CANCELLING, V.FINISHED): (R.CANCELLED,),
    (R.CANCELLING, V.UNDO_REQUESTED): (R.UNDO_REQUESTED,),
    (R.SUCCEEDED, V.UNDO_REQUESTED): (R.UNDO_REQUESTED,),
    (R.INCOMPLETE, V.UNDO_REQUESTED): (R.UNDO_REQUESTED,),
    (R.CANCELLED, V.UNDO_REQUESTED): (R.UNDO_REQUESTED,),
    (R.UNDO_REQUESTED, V.PAUSED): (R.UNDO_REQUESTED,),
    (R.UNDO_REQUESTED, V.RESUMED): (R.UNDO_REQUESTED,),
    (R.UNDO_REQUESTED, V.UNDO_STARTED): (R.UNDOING,),
    (R.UNDOING, V.PAUSED): (R.UNDOING,),
    (R.UNDOING, V.RESUMED): (R.UNDOING,),
    (R.UNDOING, V.FINISHED): (R.UNDONE, R.PARTLY_UNDONE),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal. `at` is seconds since the epoch, UTC; `seq` counts from 1 within the run."""

    seq: int
    at: float
    kind: str
    actor: str
    step: str | None = None
    attempt: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepView:
    """A step as its events left it."""

    state: StepState = StepState.PENDING
    attempt: int = 0
    undo_attempt: int = 0
    open_needs: int = 0
    undo_open: int = 0
    had_intent: bool = False
    drift_accepted: bool = False
    fence: str = ""
    before: Mapping[str, Any] | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    effect: Mapping[str, Any] = field(default_factory=dict)
    waits_for: Mapping[str, Any] | None = None
    message: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    wake_at: float | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as its events left it. `remaining` counts steps whose end the run still awaits."""

    state: RunState = RunState.AWAITING_RELEASE
    paused: bool = False
    remaining: int = 0
    undo_remaining: int = 0
    releases: tuple[str, ...] = ()
    message: str = ""
    started_at: float | None = None
    ended_at: float | None = None


_TAKES = ("outputs", "effect", "message", "fence", "waits_for", "wake_at", "before")


def next_step(view: StepView, event: Event) -> StepView:
    """The step after the event. Raises IllegalTransition."""
    kind = StepEvent(event.kind)
    state = STEP_TABLE.get((view.state, kind))
    if state is None:
        raise IllegalTransition(f"step {event.step}: {kind.value} is not possible while it is {view.state.value}")
    taken: dict[str, Any] = {name: event.data[name] for name in _TAKES if name in event.data}
    taken.update(_EXTRA[kind](view, event) if kind in _EXTRA else {})
    if view.state is S.HELD and not event.data.get("accept_drift"):
        taken.setdefault("before", None)  # it was only what the person was shown
    if state in DONE_FORWARD | {S.UNDONE, S.LEFT, S.CANCELLED} | TROUBLED:
        taken.update(waits_for=None, wake_at=None, ended_at=event.at)
    return replace(view, state=state, **taken)


def _ready(view: StepView, event: Event) -> dict[str, Any]:
    return {
        "attempt": event.attempt,
        "drift_accepted": view.drift_accepted or bool(event.data.get("accept_drift")),
        "started_at": None,
        "ended_at": None,
        "waits_for": None,
        "wake_at": event.data.get("wake_at"),
    }


def _intent(view: StepView, event: Event) -> dict[str, Any]:
    before = event.data.get("before", view.before)
    return {"had_intent": True, "before": before, "started_at": event.at, "wake_at": event.data.get("wake_at")}


def _started(_: StepView, event: Event) -> dict[str, Any]:
    """Who takes an attempt over after a crash has the whole timeout: the time without a service does not count."""
    return {"started_at": event.at}


def _approved(view: StepView, event: Event) -> dict[str, Any]:
    waits = dict(view.waits_for or {})
    waits["given"] = [*waits.get("given", []), event.actor]
    return {"waits_for": waits}


def _approval_voided(view: StepView, event: Event) -> dict[str, Any]:
    waits = dict(view.waits_for or {})
    waits["given"] = [one for one in waits.get("given", []) if one != event.data["by"]]
    return {"waits_for": waits}


def _undo_ready(view: StepView, event: Event) -> dict[str, Any]:
    return {"undo_attempt": event.attempt, "ended_at": None, "waits_for": None, "wake_at": event.data.get("wake_at")}


_Extra = Callable[[StepView, Event], dict[str, Any]]

_EXTRA: Mapping[StepEvent, _Extra] = {
    E.READY: _ready,
    E.RETRIED: _ready,
    E.INTENT: _intent,
    E.WAITING: lambda view, event: {"started_at": view.started_at or event.at},
    E.RECLAIMED: _started,
    E.APPROVED: _approved,
    E.APPROVAL_VOIDED: _approval_voided,
    E.UNDO_READY: _undo_ready,
    E.UNDO_INTENT: _started,
    E.UNDO_RECLAIMED: _started,
}


def next_run(view: RunView, event: Event) -> RunView:
    """The run after one of its own events (not its steps'). Raises IllegalTransition."""
    kind = RunEvent(event.kind)
    if kind is RunEvent.CREATED:
        return replace(view, remaining=int(event.data["steps"]))
    allowed = RUN_TABLE.get((view.state, kind))
    if allowed is None:
        raise IllegalTransition(f"run: {kind.value} is not possible while it is {view.state.value}")
    state = RunState(event.data["outcome"]) if kind is RunEvent.FINISHED else allowed[0]
    if state not in allowed:
        raise IllegalTransition(f"run: {view.state.value} cannot end as {state.value}")
    taken: dict[str, Any] = {"state": state, "message": str(event.data.get("message", ""))}
    if kind is RunEvent.RELEASE_GIVEN:
        taken["releases"] = (*view.releases, event.actor)
    elif kind is RunEvent.RELEASE_VOIDED:
        taken["releases"] = tuple(one for one in view.releases if one != event.data["by"])
    elif kind is RunEvent.STARTED:
        taken["started_at"] = event.at
    elif kind in (RunEvent.PAUSED, RunEvent.RESUMED):
        taken["paused"] = kind is RunEvent.PAUSED
    elif kind is RunEvent.UNDO_REQUESTED:
        taken["ended_at"] = None
    elif kind is RunEvent.UNDO_STARTED:
        taken["undo_remaining"] = int(event.data["steps"])
    elif kind is RunEvent.FINISHED:
        taken.update(ended_at=event.at, paused=False)
    return replace(view, **taken)


def pausable(view: RunView) -> bool:
    """Whether the run goes on by itself and a pause would stop it."""
    return not view.paused and (view.state, RunEvent.PAUSED) in RUN_TABLE


def ends_forward(before: StepState, after: StepState) -> bool:
    """True when this move is the one that the run and the step's dependents count."""
    return after in DONE_FORWARD and before not in DONE_FORWARD


def ends_undo(after: StepState) -> bool:
    return after in (StepState.UNDONE, StepState.LEFT)


@dataclass(frozen=True, slots=True)
class Graph:
    """Who needs whom. `needs[x]` are the steps that x waits for."""

    needs: Mapping[str, tuple[str, ...]]

    def dependents(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {step: [] for step in self.needs}
        for step, needs in self.needs.items():
            for need in needs:
                found[need].append(step)
        return found


def fold(graph: Graph, events: Iterable[Event]) -> tuple[RunView, dict[str, StepView]]:
    """The whole run from its journal; the rows in the database must equal it."""
    run = RunView()
    steps = {step: StepView(open_needs=len(needs)) for step, needs in graph.needs.items()}
    dependents = graph.dependents()
    for event in events:
        if event.step is None:
            run = next_run(run, event)
            if event.kind == RunEvent.UNDO_STARTED:
                _count_undo(graph, steps)
            continue
        old = steps[event.step]
        new = steps[event.step] = next_step(old, event)
        if ends_forward(old.state, new.state):
            run = replace(run, remaining=run.remaining - 1)
            for dependent in dependents[event.step]:
                steps[dependent] = replace(steps[dependent], open_needs=steps[dependent].open_needs - 1)
        if ends_undo(new.state):
            run = replace(run, undo_remaining=run.undo_remaining - 1)
            _pass_undo(event.step, graph, steps)
    return run, steps


def _pass_undo(step: str, graph: Graph, steps: dict[str, StepView]) -> None:
    """Tell the needs of an undone step; steps that left nothing behind pass the word on."""
    told = [step]
    while told:
        for need in graph.needs[told.pop()]:
            steps[need] = replace(steps[need], undo_open=steps[need].undo_open - 1)
            if steps[need].undo_open == 0 and not steps[need].had_intent:
                told.append(need)


def undo_counts(needs: Mapping[str, tuple[str, ...]], with_intent: frozenset[str]) -> dict[str, int]:
    """How many dependents each step's undo waits for: those with an intent, and those on a way to one.

    Reverse topological order over every step with an intent, without listing a
    path through the steps that left nothing behind.
    """
    dependents = Graph(needs).dependents()
    counts: dict[str, int] = {}
    left = {step: len(found) for step, found in dependents.items()}
    blocking: set[str] = set()
    turn = [step for step, count in left.items() if count == 0]
    while turn:
        step = turn.pop()
        counts[step] = sum(1 for d in dependents[step] if d in blocking)
        if step in with_intent or counts[step]:
            blocking.add(step)
        for need in needs[step]:
            left[need] -= 1
            if left[need] == 0:
                turn.append(need)
    return counts


def _count_undo(graph: Graph, steps: dict[str, StepView]) -> None:
    with_intent = frozenset(step for step, view in steps.items() if view.had_intent)
    for step, count in undo_counts(graph.needs, with_intent).items():
        steps[step] = replace(steps[step], undo_open=count)
