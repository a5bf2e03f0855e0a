"""The table of transitions, and state as the fold of events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.journal import (
    RUN_TABLE,
    STEP_TABLE,
    Event,
    Graph,
    IllegalTransition,
    RunEvent,
    StepEvent,
    StepView,
    fold,
    next_step,
    undo_counts,
)
from orchestrator.domain.model import DONE_FORWARD, ENDED_RUN, TROUBLED, RunState, StepState

GOOD_ENDS = DONE_FORWARD | {StepState.CANCELLED, StepState.UNDONE, StepState.LEFT}


def event(seq: int, kind: str, step: str | None = None, attempt: int = 1, **data: object) -> Event:
    return Event(seq, float(seq), kind, "test", step, attempt, data)


def test_every_pair_outside_the_table_is_refused() -> None:
    for state in StepState:
        for kind in StepEvent:
            view = StepView(state=state)
            if (state, kind) in STEP_TABLE:
                assert next_step(view, event(1, kind, "s")).state is STEP_TABLE[state, kind]
            else:
                with pytest.raises(IllegalTransition):
                    next_step(view, event(1, kind, "s"))


def test_every_state_can_be_reached_and_every_trouble_can_be_left() -> None:
    reached = {StepState.PENDING} | set(STEP_TABLE.values())
    assert reached == set(StepState)
    for state in TROUBLED:
        ways_out = {kind for (from_state, kind) in STEP_TABLE if from_state is state}
        assert ways_out & {StepEvent.RETRIED, StepEvent.UNDO_READY}, state
    leavable = {state for state, _ in STEP_TABLE}
    assert set(StepState) - leavable <= GOOD_ENDS


def test_run_ends_are_reachable_only_by_finishing() -> None:
    for (_, kind), states in RUN_TABLE.items():
        if ENDED_RUN & set(states):
            assert kind is RunEvent.FINISHED
    assert {s for states in RUN_TABLE.values() for s in states} | {RunState.AWAITING_RELEASE} == set(RunState)


def test_a_finished_event_cannot_turn_a_cancelled_run_green() -> None:
    graph = Graph({"a": ()})
    events = [
        event(1, RunEvent.CREATED, steps=1),
        event(2, RunEvent.STARTED),
        event(3, RunEvent.CANCEL_REQUESTED),
        event(4, RunEvent.FINISHED, outcome="succeeded"),
    ]
    with pytest.raises(IllegalTransition):
        fold(graph, events)


def test_fold_counts_needs_and_what_remains() -> None:
    graph = Graph({"a": (), "b": ("a",), "c": ("a", "b")})
    events = [
        event(1, RunEvent.CREATED, steps=3),
        event(2, RunEvent.STARTED),
        event(3, StepEvent.READY, "a"),
        event(4, StepEvent.INTENT, "a", before={"x": 1}, fence="w:1"),
        event(5, StepEvent.SUCCEEDED, "a", outputs={"id": "1"}, effect={"made": True}),
        event(6, StepEvent.READY, "b"),
    ]
    run, steps = fold(graph, events)
    assert run.remaining == 2
    assert (steps["b"].state, steps["b"].open_needs, steps["c"].open_needs) == (StepState.READY, 0, 1)
    assert steps["a"].outputs == {"id": "1"}
    assert steps["a"].before == {"x": 1}


def test_undo_waits_for_dependents_behind_steps_that_left_nothing() -> None:
    """server <- approval <- dns: the approval has nothing to undo, the server must wait for the dns all the same."""
    counts = undo_counts({"server": (), "approval": ("server",), "dns": ("approval",)}, frozenset({"server", "dns"}))
    assert counts == {"server": 1, "approval": 1, "dns": 0}
    idle_tail = undo_counts({"server": (), "approval": ("server",)}, frozenset({"server"}))
    assert idle_tail == {"server": 0, "approval": 0}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    size = draw(st.integers(1, 12))
    needs = {}
    for number in range(size):
        earlier = [f"s{n}" for n in range(number)]
        chosen = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        needs[f"s{number}"] = tuple(chosen)
    with_intent = draw(st.frozensets(st.sampled_from(sorted(needs))))
    return needs, with_intent


@given(graphs())
def test_undo_order_is_reverse_topological_over_steps_with_an_intent(
    case: tuple[dict[str, tuple[str, ...]], frozenset[str]],
) -> None:
    """Invariant: when a step may be undone, everything with an intent that (transitively) needs it is undone."""
    needs, with_intent = case
    graph = Graph(needs)
    events = [event(1, RunEvent.CREATED, steps=len(needs)), event(2, RunEvent.STARTED)]
    for step in sorted(with_intent):
        events.append(event(len(events) + 1, StepEvent.READY, step))
        events.append(event(len(events) + 1, StepEvent.INTENT, step))
        events.append(event(len(events) + 1, StepEvent.FAILED, step))
    events.append(event(len(events) + 1, RunEvent.UNDO_REQUESTED))
    events.append(event(len(events) + 1, RunEvent.UNDO_STARTED, steps=len(with_intent)))
    undone: list[str] = []
    dependents = graph.dependents()
    while len(undone) < len(with_intent):
        run, steps = fold(graph, events)
        free = [s for s in with_intent if s not in undone and steps[s].undo_open == 0]
        assert free, "nothing can be undone, yet not all is"
        for step in free:
            behind, todo = set(), list(dependents[step])
            while todo:
                found = todo.pop()
                if found not in behind:
                    behind.add(found)
                    todo.extend(dependents[found])
            assert behind & with_intent <= set(undone)
        step = sorted(free)[0]
        events.append(event(len(events) + 1, StepEvent.UNDO_READY, step))
        events.append(event(len(events) + 1, StepEvent.UNDONE, step))
        undone.append(step)
    run, steps = fold(graph, events)
    assert run.undo_remaining == 0
