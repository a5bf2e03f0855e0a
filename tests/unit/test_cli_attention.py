"""Who is waited for and what they can type; how a run that stands still counts as an exit code."""

from typing import Any

import pytest

from orchestrator.cli.answers import RunAnswer, StepAnswer
from orchestrator.cli.attention import stands_still, verdict, waits
from orchestrator.cli.exits import Exit
from orchestrator.cli.watching import EITHER_WAY, FORWARD

APPROVAL = {"for": "approval", "role": "approver", "count": 2, "given": ["alice"], "instructions": "docs/go.md"}


def run_of(state: str = "running", **more: Any) -> RunAnswer:
    known = {
        "id": "r1",
        "plan_digest": "sha256:0123456789abcdef",
        "scope": "rehearsal",
        "mode": "rehearsal",
        "services": ["mail"],
    }
    return RunAnswer.model_validate({**known, "direction": "failover", "state": state, **more})


def step_of(state: str, name: str = "mail/go", **more: Any) -> StepAnswer:
    return StepAnswer.model_validate({"id": name, "uses": "human.approval", "state": state, **more})


def test_a_hold_point_names_who_said_yes_and_the_command() -> None:
    (wait,) = waits(run_of(), [step_of("waiting", waits_for=APPROVAL)])
    assert wait.who == "waits for 1 more approver to say yes, docs/go.md; alice said yes"
    assert wait.commands[0] == "bascule approve r1 mail/go --as NAME"


def test_a_release_names_the_digest() -> None:
    run = run_of("awaiting_release", releases_needed=2, releases=["alice"])
    (wait,) = waits(run, [step_of("pending")])
    assert wait.who == "waits for 1 more person to release its plan; alice released it"
    assert wait.commands[0] == "bascule release r1 0123456789ab"


@pytest.mark.parametrize(
    ("run_state", "step_state", "first"),
    [
        ("running", "failed", "bascule retry r1 mail/go"),
        ("running", "unknown", "bascule retry r1 mail/go"),
        ("running", "held", "bascule retry r1 mail/go --accept-drift"),
        ("undoing", "undo_failed", "bascule retry r1 mail/go"),
        ("undoing", "unknown", "bascule retry r1 mail/go"),
    ],
)
def test_trouble_belongs_to_a_person_and_counts_as_failed(run_state: str, step_state: str, first: str) -> None:
    run, steps = run_of(run_state), [step_of(step_state)]
    (wait,) = waits(run, steps)
    assert wait.commands[0] == first
    assert verdict(run, steps, FORWARD) is Exit.FAILED


def test_a_step_that_failed_before_the_undo_waits_for_nobody() -> None:
    assert waits(run_of("undoing"), [step_of("failed"), step_of("undoing", "mail/names")]) == []


@pytest.mark.parametrize(
    ("run", "states", "still"),
    [
        (run_of(), ["waiting"], True),
        (run_of(), ["waiting", "running"], False),
        (run_of(), ["waiting", "ready"], False),
        (run_of(paused=True), ["waiting", "ready"], True),
        (run_of(paused=True), ["running", "ready"], False),
        (run_of("awaiting_release", releases_needed=1), ["pending"], True),
        (run_of("cancelling"), ["running"], False),
        (run_of("undo_requested"), ["running"], False),
        (run_of("undoing"), ["undo_ready", "succeeded"], False),
        (run_of("undoing"), ["undo_failed", "succeeded"], True),
        (run_of("succeeded"), ["succeeded"], False),
    ],
)
def test_a_run_stands_still_when_only_people_can_bring_it_further(
    run: RunAnswer, states: list[str], still: bool
) -> None:
    waits_for = {"waiting": APPROVAL}
    steps = [step_of(state, f"s{n}", waits_for=waits_for.get(state)) for n, state in enumerate(states)]
    assert stands_still(run, steps) is still


def test_a_wait_for_time_needs_nobody() -> None:
    steps = [step_of("waiting", waits_for={"for": "time"})]
    assert waits(run_of(), steps) == []
    assert not stands_still(run_of(), steps)


@pytest.mark.parametrize(
    ("state", "forward", "either_way"),
    [
        ("succeeded", Exit.DONE, Exit.DONE),
        ("undone", Exit.FAILED, Exit.DONE),
        ("incomplete", Exit.FAILED, Exit.FAILED),
        ("cancelled", Exit.FAILED, Exit.FAILED),
        ("partly_undone", Exit.FAILED, Exit.FAILED),
    ],
)
def test_the_end_decides_the_exit_code(state: str, forward: Exit, either_way: Exit) -> None:
    assert verdict(run_of(state), [], FORWARD) is forward
    assert verdict(run_of(state), [], EITHER_WAY) is either_way


def test_a_hold_point_alone_is_exit_code_three() -> None:
    assert verdict(run_of(), [step_of("waiting", waits_for=APPROVAL)], FORWARD) is Exit.WAITS
