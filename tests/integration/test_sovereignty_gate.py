"""The gate at the door, at the plan and before a release: refused with the record, lifted until an exception's day."""

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.app import Bascule, Settings
from orchestrator.cli import main
from orchestrator.operations.estate import InvalidEstate
from orchestrator.operations.gate import BelowPolicy
from tests.integration.service_fixture import answering
from tests.sovereign_estate import AMERICAN, EUROPEAN, World, commit_estate, resolving, sheet

EEA = {"operated_from": "EEA", "controlled_from": "EEA"}
EXCEPTION = {
    "service": "desk",
    "target": "post",
    "rule": "controlled_from",
    "stands_on": "name-servers",
    "reason": "They move their zone in spring",
    "until": "2027-03-31",
    "by": "Anne",
}
IN_TIME = datetime(2027, 3, 31, 12, tzinfo=UTC).timestamp()
TOO_LATE = datetime(2027, 4, 1, 1, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self) -> None:
        self.now = IN_TIME

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with resolving() as found:
        yield found


@contextmanager
def inside(folder: Path, world: World, policy: dict[str, Any], clock: Clock | None = None) -> Iterator[Bascule]:
    """All parts, with the estate read, and nothing at work."""
    commit_estate(folder / "estate", sheet(world.resolver, policy))
    bascule = Bascule(Settings(folder / "data", str(folder / "estate")), clock=clock or Clock())
    try:
        bascule.estates.sync("test")
        yield bascule
    finally:
        bascule.stop()


def bearer(bascule: Bascule) -> dict[str, str]:
    return {"Authorization": f"Bearer {bascule.token}"}


def said_by(folder: Path, *arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
        patch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as end:
            main(["--data", str(folder / "data"), "--estate", str(folder / "estate"), *arguments])
    return int(end.value.code or 0), out.getvalue()


def test_a_plan_is_refused_with_the_record_that_was_seen(tmp_path: Path, world: World) -> None:
    world.change("post.example", AMERICAN)
    with ExitStack() as stack:
        bascule = stack.enter_context(inside(tmp_path, world, {"default": EEA}))
        url = stack.enter_context(answering(bascule))
        http = stack.enter_context(httpx.Client(base_url=url, headers=bearer(bascule)))
        answer = http.post("/api/v1/plans", json={"services": ["desk"]}, timeout=30)
        assert answer.status_code == 403, answer.text
        problem = answer.json()
        assert (problem["code"], problem["title"]) == ("below_policy", "The policy refuses a place")
        (verdict,) = problem["verdicts"]
        (reason,) = verdict["reasons"]
        assert (verdict["place"], reason["rule"], reason["stands_on"]) == ("post", "controlled_from", "name-servers")
        seen = "NS ns1.names.example. of post.example, seen at 2027-03-31 12:00 UTC"
        assert reason["record"] == f"{seen}; vendors/names-inc.yaml: control"
        assert problem["detail"].startswith(
            "The policy in bascule.yaml refuses post for desk: it stands on name servers"
        )
        world.change("post.example", EUROPEAN)
        made = http.post("/api/v1/plans", json={"services": ["desk"]}, timeout=30)
        assert made.status_code == 200, made.text
        assert [one["place"] for one in made.json()["sovereignty"]] == ["post"]


def test_what_was_seen_last_counts_where_nothing_answers(tmp_path: Path) -> None:
    with resolving() as short, inside(tmp_path, short, {"default": EEA}) as bascule:
        with pytest.raises(BelowPolicy):
            bascule.plans.make(["desk"], "rehearsal")
        for name in list(short.book.zones):
            del short.book.zones[name]
        with pytest.raises(BelowPolicy, match=r"NS ns1\.names\.example\. of post\.example, seen at"):
            bascule.plans.make(["desk"], "rehearsal")
        assert "desk" in bascule.estates.bundle(bascule.estates.newest()).estate.services


def test_the_command_line_refuses_with_words(tmp_path: Path, world: World) -> None:
    world.change("post.example", AMERICAN)
    commit_estate(tmp_path / "estate", sheet(world.resolver, {"default": EEA}))
    code, said = said_by(tmp_path, "plan", "desk")
    assert code == 4, said
    assert "The policy in bascule.yaml refuses post for desk" in said
    assert "NS ns1.names.example. of post.example, seen at" in said


def test_an_exception_is_shown_in_the_plan(tmp_path: Path, world: World) -> None:
    world.change("post.example", AMERICAN)
    head = sheet(world.resolver, {"default": EEA, "exceptions": [{**EXCEPTION, "until": "2099-12-31"}]})
    commit_estate(tmp_path / "estate", head)
    code, said = said_by(tmp_path, "plan", "desk")
    assert code == 0, said
    flat = " ".join(said.split())
    assert "Policy: post may be relied on, 1 exception used." in flat
    assert "Exception until 2099-12-31 by Anne: post for desk stands on name servers of names-inc" in flat
    assert "Reason: They move their zone in spring" in flat


def test_a_plan_made_under_an_exception_that_ended_is_not_released(tmp_path: Path, world: World) -> None:
    world.change("post.example", AMERICAN)
    clock = Clock()
    policy = {"default": EEA, "exceptions": [EXCEPTION]}
    with inside(tmp_path, world, policy, clock) as bascule:
        plan = bascule.plans.make(["desk"], "drill")
        assert [one.by for one in plan.sovereignty[0].lifted] == ["Anne"]
        run = bascule.runs.start(plan.digest, "olga").run_id
        with answering(bascule) as url, httpx.Client(base_url=url, headers=bearer(bascule)) as http:
            (exception,) = http.get(f"/api/v1/runs/{run}").json()["run"]["exceptions"]
            assert (exception["place"], exception["lifted"]["until"]) == ("post", "2027-03-31")
            assert "They move their zone in spring (Anne, 2027-03-31)" in http.get(f"/runs/{run}").text
        clock.now = TOO_LATE
        with pytest.raises(BelowPolicy, match="ended on 2027-03-31"):
            bascule.runs.release(run, plan.digest, "anne")
        with pytest.raises(BelowPolicy, match="ended on 2027-03-31"):
            bascule.runs.start(plan.digest, "olga")
        with pytest.raises(BelowPolicy):
            bascule.plans.make(["desk"], "drill")
        assert not bascule.estates.sync("test")[1], "a commit that was accepted stays so"


def test_the_providers_of_a_plans_steps_are_judged(tmp_path: Path, world: World) -> None:
    with inside(tmp_path, world, {"default": EEA}) as bascule:
        with pytest.raises(BelowPolicy) as refused:
            bascule.plans.make(["portal"], "rehearsal")
        (verdict,) = refused.value.verdicts
        assert (verdict.place, verdict.roles) == ("names-inc", ("compute somewhere",))
        assert [one.record for one in verdict.reasons] == ["vendors/names-inc.yaml: control"]


def test_a_target_that_the_catalogue_shows_to_be_below_does_not_get_in(tmp_path: Path, world: World) -> None:
    head = sheet(world.resolver, {"default": EEA})
    head["services"]["desk"]["target"] = "aws-european-sovereign"
    commit_estate(tmp_path / "estate", head)
    bascule = Bascule(Settings(tmp_path / "data", str(tmp_path / "estate")))
    try:
        with pytest.raises(InvalidEstate, match=r"bascule\.yaml:1:\d+: .* controlled from US"):
            bascule.estates.sync("test")
    finally:
        bascule.stop()
    code, said = said_by(tmp_path, "validate", str(tmp_path / "estate"))
    assert code == 1
    assert "The policy refuses `aws-european-sovereign` for `desk`" in said
