"""Observations from their plain form, a recording run through the watch, and how it is told and drawn."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.cli import main
from orchestrator.cli.signals_page import WIDTH, replay_lines
from orchestrator.domain.problem import Problem
from orchestrator.domain.signals.observation import BadObservation, Observation, iso, observation_of
from orchestrator.domain.signals.recording import as_arrived, read_recording
from orchestrator.domain.signals.replay import Replay, replay
from orchestrator.web.pages.signals_chart import chart
from orchestrator.web.words import Language
from tests.unit.signals_readings import HOUR, START, after, refused, rounds

PLAIN = {
    "at": "2026-01-01T00:00:00Z", "vendor": "zoom", "aspect": "tls", "sensor": "certificate", "vantage": "paris",
    "trust_domain": "own", "outcome": "ok", "value": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "written", [START, int(START), "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00"]
)
def test_a_time_may_be_written_in_every_usual_way(written: object) -> None:
    assert observation_of({**PLAIN, "at": written}).at == START


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"at": "yesterday"}, "at"), ({"at": True}, "at"), ({"at": float("nan")}, "at"), ({"at": -1}, "at"),
        ({"vendor": "Zoom!"}, "vendor"), ({"vendor": 5}, "vendor"), ({"aspect": "smell"}, "aspect"),
        ({"aspect": ["tls"]}, "aspect"), ({"outcome": None}, "outcome"), ({"sensor": ""}, "sensor"),
        ({"vantage": "a\x1b[31mb"}, "vantage"), ({"trust_domain": "x" * 300}, "trust_domain"),
        ({"value": "7"}, "value"), ({"value": float("inf")}, "value"), ({"value": True}, "value"),
        ({"account": ""}, "account"),
    ],
)  # fmt: skip
def test_what_is_no_observation_is_refused_with_a_remedy(change: dict[str, object], named: str) -> None:
    with pytest.raises(BadObservation, match=f"`{named}`") as refused_:
        observation_of({**PLAIN, **change})
    assert refused_.value.remedy


@pytest.mark.parametrize("key", [key for key in PLAIN if key != "value"])
def test_what_is_missing_is_named(key: str) -> None:
    with pytest.raises(BadObservation, match=f"`{key}` is missing"):
        observation_of({name: value for name, value in PLAIN.items() if name != key})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from([*PLAIN, "account", "more"]), JSON) | JSON)
def test_nothing_foreign_breaks_the_reading(data: object) -> None:
    try:
        found = observation_of(data)
    except BadObservation:
        return
    assert observation_of(found.as_json()) == found


def recording() -> list[Observation]:
    return list(rounds(6, after(4, refused), ("microsoft-365", "aws")))


def test_lines_that_cant_be_read_are_said_and_the_others_count() -> None:
    lines = [json.dumps(one.as_json()) for one in recording()]
    lines[3:3] = ["", "no json", "[1]", json.dumps({**PLAIN, "outcome": "maybe"}), "[" * 100_000, '{"at": 1e999}']
    problems: list[Problem] = []
    found = list(read_recording(lines, "a.jsonl", problems))
    assert found == recording()
    assert [(one.file, one.line) for one in problems] == [("a.jsonl", line) for line in (5, 6, 7, 8, 9)]
    assert all(one.remedy for one in problems)


def test_a_recording_written_sensor_by_sensor_gives_the_same_verdicts() -> None:
    found = recording()
    grouped = sorted(found, key=lambda one: (one.vendor, one.vantage, one.aspect))
    told = [one.as_json() for one in replay(as_arrived(grouped), shipped()).changes]
    assert told == [one.as_json() for one in replay(found, shipped()).changes]


def test_a_clock_that_was_set_back_is_no_matter_of_order() -> None:
    found = recording()
    set_back = [one._replace(at=one.at - 2 * HOUR) if one.at > START + 3 * HOUR else one for one in found]
    assert as_arrived(set_back) == set_back
    assert as_arrived(found) == found


def test_a_replay_is_told_in_eighty_columns_in_both_languages() -> None:
    found = replay(recording(), shipped())
    told: tuple[tuple[Language, str], ...] = (("en", "✘ cut"), ("fr", "✘ coupé"))
    for language, word in told:
        lines = list(replay_lines(found, language))
        assert max(map(len, lines)) <= WIDTH
        assert any(word in line and "microsoft-365" in line for line in lines)
    assert next(iter(replay_lines(Replay(), "en"))) == "No observation could be read."


def test_the_chart_is_an_image_of_its_own_with_words_and_nothing_foreign() -> None:
    found = replay((one._replace(vendor=one.vendor) for one in recording()), shipped())
    found.changes = [*found.changes]
    drawn = chart(found, "fr")
    root = ET.fromstring(drawn)
    texts = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"microsoft-365", "aws", "jurisdiction:US", "coupé", "nominal"} <= texts
    assert "://" not in drawn.replace("http://www.w3.org/2000/svg", "")
    assert all(float(one.get("width", 1)) > 0 for one in root.iter("{http://www.w3.org/2000/svg}rect"))
    ET.fromstring(chart(Replay()))


def test_the_command_prints_draws_and_names_what_it_could_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["signals", "replay", *arguments])
        return ended.value.code, *capsys.readouterr()

    file, svg = tmp_path / "a.jsonl", tmp_path / "a.svg"
    lines = [json.dumps(one.as_json()) for one in recording()]
    file.write_text("\n".join([*lines, "{"]), encoding="utf-8")
    code, out, err = said(str(file), "--json", "--svg", str(svg))
    assert code == 1
    assert f"{file}:{len(lines) + 1}:1:" in err
    changes = [json.loads(line) for line in out.splitlines()]
    cut = next(one for one in changes if one["verdict"] == "cut")
    assert {"at", "subject", "verdict", "reasons"} <= cut.keys()
    assert cut["subject"] == "microsoft-365"
    assert cut["at"] > iso(START + 4 * HOUR)
    assert cut["reasons"][0]["observations"]
    assert svg.read_text(encoding="utf-8").startswith("<svg")
    code, _, err = said(str(tmp_path / "no"))
    assert code == 1
    assert "can’t be read" in err
