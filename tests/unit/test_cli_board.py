"""The picture of a run: readable at 80 columns and at 40, without colour, and when it does not fit."""

import io
import time
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from orchestrator.cli.answers import LogLine, RunAnswer, StepAnswer
from orchestrator.cli.board import Frame, band, board, change_line
from orchestrator.cli.objectives import objectives
from orchestrator.cli.tree import SIGNS
from orchestrator.domain.model import Mode, StepState
from orchestrator.web.words import LANGUAGES, Language, say
from tests.unit.test_cli_attention import APPROVAL, run_of, step_of

NOW = 1000.0


def drawn(
    run: RunAnswer, steps: list[StepAnswer], language: Language = "en", width: int = 80, **more: Any
) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, markup=False, highlight=False, emoji=False)
    console.print(board(run, steps, Frame(language, NOW, width=width, **{"expected": 120.0, **more})))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def one(name: str, state: str, service: str = "mail", **more: Any) -> StepAnswer:
    return step_of(state, f"{service}-failover/{name}", service=service, **more)


STEPS = [
    one("begins", "succeeded", started_at=900.0, ended_at=902.0),
    one("cutover", "running", attempt=2, started_at=988.0, expect=30.0, message="asking\nthe server"),
    one("go", "waiting", waits_for=APPROVAL),
    one("delivers", "pending"),
]


def test_mode_progress_state_attempt_time_and_who_is_waited_for() -> None:
    text = drawn(run_of(started_at=900.0), STEPS)
    assert text[0] == "··· REHEARSAL ···  Against the simulator. Nothing real is touched."
    assert text[1] == "r1  Failover: mail"
    assert text[2] == "Running · 1 of 4 steps done, 1 thing waits for people · 1\u00a0min\u00a040\u00a0s,"
    assert text[3] == "  about\u00a02\u00a0min\u00a0expected", "broken at words, but within no time"
    cutover = next(line for line in text if "cutover" in line)
    assert " ".join(cutover.split()) == "▶ cutover running, try 2 12 s / 30 s asking the server"
    assert any("mail-failover/go: 1 more approver must say yes · alice said yes" in line for line in text)
    assert "      bascule approve r1 mail-failover/go --as NAME" in text
    assert all(len(line) <= 80 for line in text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_modes_read_alike_and_only_live_cries(language: Language) -> None:
    bands = {mode: band(language, mode).plain for mode in Mode}
    assert len({text[:3] for text in bands.values()}) == len(Mode)
    assert bands[Mode.LIVE].startswith(f"!!! {say(language, 'mode.live').upper()} !!!")
    assert len({str(band(language, mode).style) for mode in Mode}) == len(Mode)
    assert all(cell_len(text) == 80 for text in bands.values()), "the band goes from edge to edge"


@pytest.mark.parametrize("width", [30, 40, 59, 60, 80, 132])
@pytest.mark.parametrize("language", LANGUAGES)
def test_it_fits_every_width(language: Language, width: int) -> None:
    trouble = one("names", "failed", attempt=3, message="refused: " + "because " * 30, started_at=1.0, ended_at=NOW)
    out = [LogLine(id=1, step="mail-failover/cutover", at=NOW, text="x" * 300)]
    text = drawn(run_of(), [*STEPS, trouble], language, width, output=out)
    assert all(cell_len(line) <= width for line in text)
    assert "basculeretryr1mail-failover/names" in "".join("".join(text).split()), "commands are whole"
    assert say(language, "step.failed") in "\n".join(text)


def test_a_crowded_picture_counts_what_is_quiet() -> None:
    steps = [one(f"done-{n}", "succeeded") for n in range(200)] + STEPS
    text = drawn(run_of(), steps, height=24)
    assert len(text) < 24
    assert any("201/204" in line for line in text)
    assert any("cutover" in line for line in text)


def test_two_thousand_steps_are_counted_and_the_urgent_ones_stay() -> None:
    steps = [one(f"a{n}", "succeeded", f"over{n % 40}", ended_at=990.0) for n in range(900)]
    steps += [one(f"b{n}", "running", f"busy{n % 5}", started_at=NOW) for n in range(100)]
    steps += [one("sinks", "failed", "busy3", message="no route")]
    steps += [one(f"c{n}", "pending", f"later{n % 50}") for n in range(999)]
    begun = time.process_time()
    text = drawn(run_of(started_at=0.0), steps, height=24, rto={"later7": 60.0})
    assert time.process_time() - begun < 1.0
    assert len(text) <= 24
    whole = "\n".join(text)
    assert "✘ sinks" in whole
    assert "bascule retry r1 busy3-failover/sinks" in whole
    assert "and " in text[-1] or "more lines" in whole
    roomy = "\n".join(drawn(run_of(started_at=0.0), steps, height=150, rto={"later7": 2000.0}))
    assert "✔ 40 services finished, 900 steps" in roomy
    assert "· 50 services to come, 999 steps  later7: RTO: 16 min 40 s left" in roomy


def test_the_services_of_a_run_stand_together_in_the_order_of_the_graph() -> None:
    steps = [one("rescue", "succeeded", "mail"), one("names", "running", "portal"), one("move", "pending", "mail")]
    text = drawn(run_of(), steps)
    heads = [line.split()[1] for line in text if "/" in line and line[0] in "✔▶○·"]
    assert heads == ["mail", "portal"]


@pytest.mark.parametrize(
    ("state", "ended", "said"),
    [
        ("running", None, "RTO: 8 min 20 s left"),
        ("succeeded", 700.0, "RTO met, 13 min 20 s to spare"),
        ("succeeded", 1600.0, "! RTO missed by 1 min 40 s"),
        ("skipped", 700.0, "RTO: steps passed over: not known to work"),
        ("tolerated", 700.0, "RTO: steps passed over: not known to work"),
    ],
)
def test_what_is_left_of_an_objective(state: str, ended: float | None, said: str) -> None:
    steps = [one("go", state, started_at=600.0, ended_at=ended)]
    assert any(said in line for line in drawn(run_of(started_at=500.0), steps, rto={"mail": 1000.0}))


def test_an_objective_that_is_missed_says_since_when_and_undoing_has_none() -> None:
    run, steps = run_of(started_at=0.0), [one("go", "running", started_at=1.0)]
    assert (
        objectives(run, steps, {"mail": 900.0}, NOW)["mail"].words("fr").startswith("! RTO dépassé depuis 1 min 40 s")
    )
    assert objectives(run_of("undoing"), steps, {"mail": 900.0}, NOW) == {}
    assert objectives(run, steps, {}, NOW) == {}


def test_the_last_lines_of_output_stand_below() -> None:
    out = [LogLine(id=n, step="mail-failover/cutover", at=NOW, text=f"line {n}") for n in range(30)]
    text = drawn(run_of(), STEPS, output=out, said={"mail-failover/cutover": "line 29"})
    assert text[-1].endswith("cutover: line 29")
    assert sum("cutover: line" in line for line in text) == 8
    short = drawn(run_of(), STEPS, output=out, height=16)
    assert len(short) <= 16
    assert "      bascule approve r1 mail-failover/go --as NAME" in short


def test_french_is_french() -> None:
    text = "\n".join(drawn(run_of("running", mode="live", started_at=900.0), STEPS, "fr"))
    assert "!!! RÉEL !!!  Ceci n’est pas un exercice." in text
    assert "en cours, essai 2" in text
    assert "Encore 1 approbateur doit donner son accord" in text
    assert "environ 2 min prévues" in " ".join(text.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_states_look_alike_without_colour(language: Language) -> None:
    said = [(sign, say(language, f"step.{state.value}")) for state, (sign, _) in SIGNS.items()]
    assert set(SIGNS) == set(StepState)
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("text", ["\x1b[2J wiped", "a\rb", "\x9b31m"])
def test_messages_cannot_steer_the_terminal(text: str) -> None:
    line = change_line("en", one("cutover", "failed", message=text))
    assert not any(sign in line for sign in "\x1b\r\x9b")
    shown = drawn(run_of(message=text), [one("cutover", "failed", message=text)], said={"mail-failover/cutover": text})
    assert not any(sign in line for line in shown for sign in "\x1b\r\x9b")
