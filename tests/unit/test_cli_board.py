"""The picture of a run: readable at 80 columns, without colour, and when it does not fit."""

import io
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli.answers import RunAnswer, StepAnswer
from orchestrator.cli.board import SIGNS, board, change_line
from orchestrator.domain.model import StepState
from tests.unit.test_cli_attention import APPROVAL, run_of, step_of

NOW = 1000.0


def drawn(run: RunAnswer, steps: list[StepAnswer], *, height: int = 0) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=80, color_system=None, markup=False, highlight=False, emoji=False)
    console.print(board(run, steps, NOW, expected=120.0, height=height))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def one(name: str, state: str, **more: Any) -> StepAnswer:
    return step_of(state, f"mail-failover/{name}", service="mail", **more)


STEPS = [
    one("begins", "succeeded", started_at=900.0, ended_at=902.0),
    one("cutover", "running", attempt=2, started_at=988.0, expect=30.0, message="asking\nthe server"),
    one("go", "waiting", waits_for=APPROVAL),
    one("delivers", "pending"),
]


def test_state_attempt_time_and_who_is_waited_for() -> None:
    text = drawn(run_of(started_at=900.0), STEPS)
    assert text[0] == "rehearsal r1  running  1 of 4 steps, 1 min 40 s / 2 min"
    cutover = next(line for line in text if "cutover" in line)
    assert " ".join(cutover.split()) == "├ ▶ cutover running, try 2 12 s / 30 s asking the server"
    assert "    bascule approve r1 mail-failover/go --as NAME" in text
    assert all(len(line) <= 80 for line in text)


def test_a_crowded_picture_counts_what_is_quiet() -> None:
    steps = [one(f"done-{n}", "succeeded") for n in range(200)] + STEPS
    text = drawn(run_of(), steps, height=24)
    assert len(text) < 24
    assert any("201 of 204" in line for line in text)
    assert any("cutover" in line for line in text)


def test_no_two_states_look_alike_without_colour() -> None:
    said = [word for _, word, _ in SIGNS.values()]
    assert set(SIGNS) == set(StepState)
    assert len(set(said)) == len(said) - 1, "only both forms of undoing share a word"


@pytest.mark.parametrize("text", ["\x1b[2J wiped", "a\rb", "\x9b31m"])
def test_messages_cannot_steer_the_terminal(text: str) -> None:
    line = change_line(one("cutover", "failed", message=text))
    assert not any(sign in line for sign in "\x1b\r\x9b")
