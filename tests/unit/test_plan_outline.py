"""What a plan does, as facts and counted: for terminal and page alike."""

import ast
from pathlib import Path

import pytest

from orchestrator.domain.plan import with_seen
from orchestrator.operations import changes
from orchestrator.operations.changes import Held, Told, Turn, Turns, changes_in, changes_of, moved_turns
from orchestrator.operations.plan_outline import COUNTED, machine_seconds, outline
from orchestrator.web.words import LANGUAGES, keys
from tests.rich_plan import rich_plan

NOW = 1_795_680_407.0
PLAN = rich_plan("c" * 40, NOW)


def codes() -> set[str]:
    """Every code that `changes` tells, as it is written there."""
    tree = ast.parse(Path(changes.__file__).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Told":
            first = node.args[0]
            found |= {one.value for one in ast.walk(first) if isinstance(one, ast.Constant)}
    return {code for code in found if isinstance(code, str) and not code.endswith(".")} | {
        f"{kind}.{role}" for kind in ("approval", "task") for role in ("approver", "operator")
    }


def test_every_fact_has_words_for_the_terminal_and_the_page_and_no_word_is_left_over() -> None:
    for language in LANGUAGES:
        told = {key.removeprefix("plan.do.") for key in keys(language) if key.startswith("plan.do.")}
        assert told == codes() - {"message"}, language


def test_everything_counted_has_words() -> None:
    for language in LANGUAGES:
        told = {key.removeprefix("plan.count.") for key in keys(language) if key.startswith("plan.count.")}
        assert told == {*COUNTED, "nothing"}


def test_each_service_is_counted_by_what_changes() -> None:
    desk, phone = outline(PLAN)
    assert desk.counts == {
        "servers": 2, "records": 3, "ttls": 1, "objects": 1240, "plays": 1, "messages": 1, "holds": 1,
    }  # fmt: skip
    assert (desk.steps, desk.changing, desk.alarms) == (8, 7, 3)
    assert (phone.counts, phone.changing) == ({"checks": 1}, 0)
    assert sum(part.steps for part in outline(PLAN)) == len(PLAN.steps)


def test_what_is_there_already_is_not_counted_as_made() -> None:
    there = {"desk-failover/server": PLAN.steps[1].seen.model_copy(update={"presence": "already"})}  # type: ignore[union-attr]
    assert outline(with_seen(PLAN, there))[0].counts["servers"] == 1


def test_people_who_answer_at_once_save_their_time() -> None:
    assert PLAN.expected_seconds - machine_seconds(PLAN) == pytest.approx(600.0)


def test_facts_are_told_once_for_all() -> None:
    assert changes_in(PLAN) == {step.id: changes_of(step) for step in PLAN.steps}
    first = changes_of(PLAN.steps[0])
    assert [one.code for one in first if isinstance(one, Told)] == ["copy.do", "copy.bucket", "stale"]
    point = next(one for one in changes_of(PLAN.steps[6]) if isinstance(one, Turns))
    assert [turn.stays for turn in point.turns] == [False, False, False, True]


def test_what_moved_is_told_by_zone_and_record_set() -> None:
    mx = {"name": "@", "type": "MX", "ttl": 60, "values": ["0 a."]}
    www = {"name": "www", "type": "A", "ttl": 60, "values": ["192.0.2.1"]}
    was = {"zones": {"a.example": {"records": [mx, www]}, "b.example": {"records": [mx]}}}
    now = {"zones": {"a.example": {"records": [{**mx, "values": ["5 b."]}]}, "b.example": {"records": [mx]}}}
    assert moved_turns(was, now) == [
        Turns(
            (
                Turn("@", "MX", Held(("0 a.",), 60), Held(("5 b.",), 60)),
                Turn("www", "A", Held(("192.0.2.1",), 60), Held()),
            ),
            ("a.example",),
        )
    ]
    assert moved_turns({"fields": {"site": "a", "x": "1"}}, {"fields": {"site": "b", "x": "1"}}) == [
        Turns((Turn("site", "", Held(("a",)), Held(("b",))),))
    ]
    assert moved_turns(was, was) == []
    assert moved_turns(None, None) == []
