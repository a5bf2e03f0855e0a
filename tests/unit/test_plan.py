"""Plans: what the digest covers and what it leaves out, order across services, the critical path."""

import itertools
from pathlib import Path

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import Bundle, read_bundle
from orchestrator.domain.compiler import compile_plan
from orchestrator.domain.model import Direction
from orchestrator.domain.plan import Plan, PlanError, PlannedStep, Seen, critical_path, differences, seal, with_seen

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    files = {str(f.relative_to(PLAYBOOKS)): f.read_bytes() for f in PLAYBOOKS.rglob("*") if f.is_file()}
    made, problems = read_bundle(files, shipped())
    assert problems == []
    assert made is not None
    return made


def plan_of(bundle: Bundle, *services: str, scope: str = "rehearsal", **parameters: object) -> Plan:
    return compile_plan(bundle, commit="c" * 40, services=services, scope=scope, parameters=parameters)


def seen_mx(value: str) -> Seen:
    return Seen(presence="absent", values={"records": [{"name": "@", "type": "MX", "ttl": 300, "values": [value]}]})


def test_services_come_after_what_they_need_and_their_steps_too(bundle: Bundle) -> None:
    plan = plan_of(bundle, "mail", "portal", "identity")
    assert plan.services[0] == "identity"
    position = {step.id: number for number, step in enumerate(plan.steps)}
    for step in plan.steps:
        assert all(position[need] < position[step.id] for need in step.needs)
    first_of_mail = [step for step in plan.steps if step.service == "mail" and step.id.endswith("mailboxes")]
    assert first_of_mail[0].needs == ("identity-failover/sign-in",)


def test_the_digest_covers_steps_and_before_values_but_not_words_and_durations(bundle: Bundle) -> None:
    plan = plan_of(bundle, "mail")
    assert plan_of(bundle, "mail").digest == plan.digest
    slower = [step.model_copy(update={"expect": 9e3, "title": {"fr": "x", "en": "x"}}) for step in plan.steps]
    assert seal(plan.model_copy(update={"steps": tuple(slower)})).digest == plan.digest
    first = with_seen(plan, {"mail-failover/cutover/cutover-mx": seen_mx("0 a.example.")})
    second = with_seen(plan, {"mail-failover/cutover/cutover-mx": seen_mx("0 b.example.")})
    assert len({plan.digest, first.digest, second.digest}) == 3
    assert [entry["step"] for entry in differences(first, second)] == ["mail-failover/cutover/cutover-mx"]
    bolder = [step.model_copy(update={"on_failure": "continue"}) for step in plan.steps]
    assert seal(plan.model_copy(update={"steps": tuple(bolder)})).digest != plan.digest


def test_a_drill_stays_in_its_zone_and_under_its_prefix(bundle: Bundle) -> None:
    plan = plan_of(bundle, "portal", scope="drill", home="192.0.2.80")
    steps = {step.id.split("/", 1)[1]: step for step in plan.steps}
    assert steps["names"].with_["zone"] == "exercice.valbourg.example"
    assert steps["server"].with_["name"] == "drill-portal"
    assert "exercice.valbourg.example" in str(steps["answers"].with_["url"])


def test_the_critical_path_is_a_chain_of_needs_and_its_sum(bundle: Bundle) -> None:
    plan = plan_of(bundle, "identity", "portal", "mail")
    by_id = {step.id: step for step in plan.steps}
    path, seconds = critical_path(plan.steps)
    assert all(before in by_id[after].needs for before, after in itertools.pairwise(path))
    assert seconds == plan.expected_seconds > 0


def test_an_undo_proves_the_old_place_and_a_failback_does_not_ask_it(bundle: Bundle) -> None:
    there = {step.id: step for step in plan_of(bundle, "portal").steps}["portal-failover/names"]
    assert there.origin is not None
    assert there.origin["uses"] == "probe.http"
    back = compile_plan(bundle, commit="c" * 40, services=["portal"], scope="rehearsal", direction=Direction.FAILBACK)
    assert all(step.origin is None for step in back.steps)


@pytest.mark.parametrize(
    ("services", "scope", "parameters", "says"),
    [
        (["nothing"], "rehearsal", {}, "no service 'nothing'"),
        (["mail"], "elsewhere", {}, "no scope 'elsewhere'"),
        (["mail"], "rehearsal", {"domian": "x.example"}, "domian"),
        (["mail"], "rehearsal", {"domain": "not a domain"}, "it must be a domain"),
    ],
)
def test_what_cannot_be_planned_is_said(
    bundle: Bundle, services: list[str], scope: str, parameters: dict[str, object], says: str
) -> None:
    with pytest.raises(PlanError, match=says):
        compile_plan(bundle, commit="c" * 40, services=services, scope=scope, parameters=parameters)


def test_a_profile_is_compared_with_the_plan_and_held_by_one_run() -> None:
    fields = [{"name": "Site", "value": "https://www.valbourg.example"}]
    inputs = {"account": "town", "fields": fields}
    step = PlannedStep(id="links", service="web", runbook="r", uses="social.profile", with_=inputs)
    again = step.model_copy(update={"id": "again"})
    plan = seal(Plan(commit="c" * 40, scope="s", mode="live", direction="failover", services=(), steps=(step, again)))
    assert plan.resources() == ["account:town"]
    was = Seen(presence="absent", values={"fields": {"Site": "https://old.valbourg.example"}})
    seen = with_seen(plan, {"links": was, "again": was})
    assert [one.before for one in seen.steps] == [was.values, None]
    other = with_seen(plan, {"links": Seen(presence="absent", values={"fields": {"Site": None}}), "again": was})
    assert len({plan.digest, seen.digest, other.digest}) == 3
    assert [entry["step"] for entry in differences(seen, other)] == ["links"]
