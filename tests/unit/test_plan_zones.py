"""Plans with DNS steps: zones of a scope, what a run holds, and what a later step will find after an earlier one."""

from typing import Any

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import read_bundle
from orchestrator.domain.compiler import compile_plan
from orchestrator.domain.drift import starting_point
from orchestrator.domain.plan import Plan, PlannedStep, Seen, expected, with_seen
from providers.base import Finding, Presence
from tests.unit.test_estate_bundle import TRIAL

ZONES = ["a.example", "b.example"]
LOWER = {"zones": ZONES, "ttl": 60, "records": [{"name": "@", "type": "MX"}]}
SWAP = {"zones": ZONES, "records": [{"name": "@", "type": "MX", "ttl": 60, "values": ["10 new."]}]}


def planned(name: str, uses: str, with_: dict[str, Any], **more: Any) -> PlannedStep:
    return PlannedStep.model_validate({"id": name, "uses": uses, "with": with_, "service": "s", "runbook": "r", **more})


def plan_of(*steps: PlannedStep) -> Plan:
    return Plan(commit="c", scope="s", mode="drill", direction="failover", services=("s",), steps=steps)


def mx(ttl: int, value: str = "10 old.") -> dict[str, Any]:
    return {"records": [{"name": "@", "type": "MX", "ttl": ttl, "values": [value]}]}


def test_a_run_holds_every_zone_of_its_steps_and_undos() -> None:
    undo = {"uses": "dns.ttl", "with": {**LOWER, "zones": ["c.example"]}}
    steps = (planned("a", "dns.records", SWAP), planned("b", "ansible.play", {}, undo=undo))
    assert plan_of(*steps).resources() == ["service:s", "zone:a.example", "zone:b.example", "zone:c.example"]


def test_a_cutover_after_lowered_ttls_is_planned_on_what_it_will_find() -> None:
    found = Seen(presence="absent", values={"zones": {"a.example": mx(3600), "b.example": mx(30)}})
    plan = plan_of(planned("ttl", "dns.ttl", LOWER), planned("cut", "dns.records", SWAP, needs=["ttl"]))
    first, second = with_seen(plan, {"ttl": found, "cut": found}).steps
    assert first.before == found.values
    assert second.after is None
    assert second.before == {"zones": {"a.example": mx(60), "b.example": mx(30)}}
    assert expected(first) == 3605.0


def test_a_ttl_after_changed_values_is_known_only_then() -> None:
    found = Seen(presence="absent", values={"zones": {"a.example": mx(3600), "b.example": mx(30)}})
    plan = plan_of(planned("cut", "dns.records", SWAP), planned("ttl", "dns.ttl", LOWER, needs=["cut"]))
    last = with_seen(plan, {"ttl": found, "cut": found}).steps[1]
    assert (last.after, last.before) == ("cut", None)


def finding(at_a: Presence, at_b: Presence, **values: Any) -> Finding:
    return Finding(Presence.ABSENT, {"zones": values}, parts={"a": at_a, "b": at_b})


def test_a_step_goes_on_with_the_zones_that_are_as_planned() -> None:
    plan = {"zones": {"a": mx(300), "b": mx(300)}}
    moved = finding(Presence.ABSENT, Presence.ABSENT, a=mx(300), b=mx(300, "5 third."))
    start = starting_point(plan, moved)
    assert start is not None
    assert start.values == plan
    wished = finding(Presence.ABSENT, Presence.ALREADY, a=mx(300), b=mx(60, "10 new."))
    start = starting_point(plan, wished)
    assert start is not None
    assert start.values == wished.values


@pytest.mark.parametrize(
    "found",
    [
        finding(Presence.ABSENT, Presence.ABSENT, a=mx(300, "5 third."), b=mx(300, "5 third.")),
        finding(Presence.ABSENT, Presence.ALREADY, a=mx(300, "5 third."), b=mx(300)),
        finding(Presence.ABSENT, Presence.ABSENT, a=mx(300)),
        Finding(Presence.ABSENT, mx(300)),
    ],
)
def test_a_step_is_held_when_nothing_is_as_planned(found: Finding) -> None:
    assert starting_point({"zones": {"a": mx(300), "b": mx(300)}}, found) is None


STEP = "  ttl: {uses: dns.ttl, with: {zones: [trial.example], ttl: 60, records: [{name: www, type: A}]}}\n"


def test_a_drill_stays_in_its_zones_and_a_step_for_ttls_has_time_to_wait() -> None:
    text = TRIAL["runbooks/web-failover.yaml"].decode()
    bundle, problems = read_bundle(
        {**TRIAL, "runbooks/web-failover.yaml": (text.rstrip() + "\n" + STEP).encode()}, shipped()
    )
    assert problems == []
    assert bundle is not None
    plan = compile_plan(bundle, commit="c", services=["web"], scope="drill")
    step = next(step for step in plan.steps if step.id == "web-failover/ttl")
    assert step.with_["zones"] == ["drill.trial.example"]
    assert step.timeout == 604800 + 3600
    assert "zone:drill.trial.example" in plan.resources()
