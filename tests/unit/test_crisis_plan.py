"""A plan while clocks run: what is still there is fetched first, then services by need, criticality and clock."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import Bundle, read_bundle
from orchestrator.domain.compiler import compile_plan, order_services, rescued_first
from orchestrator.domain.estate import Service
from orchestrator.domain.model import Direction
from orchestrator.domain.plan import Plan, PlanError, PlannedStep
from orchestrator.domain.signals.clock import RESCUING, RunningClock, running_clocks

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
ONSET = 1_800_000_000.0
HOUR = 3600.0


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    files = {str(f.relative_to(PLAYBOOKS)): f.read_bytes() for f in PLAYBOOKS.rglob("*") if f.is_file()}
    made, problems = read_bundle(files, shipped())
    assert problems == []
    assert made is not None
    return made


def plan_of(bundle: Bundle, *services: str, lost: dict[str, float], direction: Direction = Direction.FAILOVER) -> Plan:
    clocks = running_clocks(lost, bundle.estate.services, bundle.catalogue)
    return compile_plan(
        bundle, commit="c" * 40, services=services, scope="rehearsal", direction=direction, clocks=clocks
    )


def service(criticality: str = "normal", *needs: str) -> Service:
    words = {"fr": "x", "en": "x"}
    return Service.model_validate(
        {"title": words, "vendor": "aws", "target": "nowhere", "criticality": criticality, "needs": needs}
    )


def clock(name: str, at: float) -> RunningClock:
    return RunningClock(at, name, name, "aws", "tokens", ONSET, ("jetons", "tokens"))


def test_the_starter_estate_saves_its_objects_before_it_moves_anything(bundle: Bundle) -> None:
    calm = plan_of(bundle, "mail", "portal", "identity", lost={})
    crisis = plan_of(bundle, "mail", "portal", "identity", lost={"aws": ONSET, "microsoft-365": ONSET})
    assert {step.id for step in crisis.steps} == {step.id for step in calm.steps}
    first = [step for step in crisis.steps if step.rescue]
    assert "storage.copy" in {step.uses for step in first}
    assert list(crisis.steps[: len(first)]) == first
    assert all(need in {one.id for one in first} for step in first for need in step.needs)
    assert not any(step.rescue for step in calm.steps)
    assert (calm.turns, [turn.service for turn in crisis.turns]) == ((), list(crisis.services))
    told = {turn.service: turn for turn in crisis.turns}
    assert told["portal"].rescue
    assert told["mail"].first_clock is not None
    assert told["mail"].first_clock.at == ONSET + HOUR
    assert "after identity, which it needs; high criticality" in told["mail"].reason["en"]
    assert "until 2027-01-15 09:00 UTC" in told["mail"].reason["en"]
    assert "après identity, dont il a besoin ; criticité haute" in told["mail"].reason["fr"]


def test_the_digest_is_of_the_order_and_not_of_the_hour(bundle: Bundle) -> None:
    lost = {"aws": ONSET, "microsoft-365": ONSET}
    plan = plan_of(bundle, "mail", "portal", lost=lost)
    later = plan_of(bundle, "mail", "portal", lost={name: at + 7 * HOUR for name, at in lost.items()})
    assert later.digest == plan.digest
    assert later.turns != plan.turns
    assert plan_of(bundle, "mail", "portal", lost={}).digest != plan.digest
    assert plan_of(bundle, "mail", lost={}).digest == plan_of(bundle, "mail", lost={"nobody": ONSET}).digest


def test_failback_has_time(bundle: Bundle) -> None:
    back = plan_of(bundle, "portal", lost={"aws": ONSET}, direction=Direction.FAILBACK)
    assert not any(step.rescue for step in back.steps)
    assert back.turns == ()


def test_of_equals_the_one_whose_clock_runs_out_first_goes_first() -> None:
    known = {"a": service(), "b": service(), "c": service("high"), "d": service("critical", "a")}
    assert order_services(known, list(known)) == ["c", "a", "d", "b"]
    assert order_services(known, list(known), [clock("b", 5.0), clock("a", 9.0)]) == ["c", "b", "a", "d"]
    circle = {"a": service("normal", "b"), "b": service("normal", "a"), "c": service()}
    with pytest.raises(PlanError, match=r"a.* need each other in a circle"):
        order_services(circle, list(circle))


KINDS = [*RESCUING, "ansible.play", "dns.records", "human.approval"]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, Service], list[PlannedStep]]:
    """Services that need earlier ones, with steps that need earlier steps of their own, as the compiler makes them."""
    known: dict[str, Service] = {}
    steps: list[PlannedStep] = []
    exits: dict[str, tuple[str, ...]] = {}
    for name in "abcde"[: draw(st.integers(1, 5))]:
        needs = draw(st.lists(st.sampled_from(sorted(known)), unique=True, max_size=2)) if known else []
        entry = tuple(sorted({one for need in needs for one in exits[need]}))
        own: list[PlannedStep] = []
        for number in range(draw(st.integers(1, 4))):
            earlier = [step.id for step in own]
            wanted = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
            uses = draw(st.sampled_from(KINDS))
            step_needs = tuple(sorted(wanted)) or entry
            own.append(PlannedStep(id=f"{name}{number}", uses=uses, needs=step_needs, service=name, runbook=name))
        needed = {need for step in own for need in step.needs}
        exits[name] = tuple(step.id for step in own if step.id not in needed)
        known[name] = service("normal", *needs)
        steps += own
    return known, steps


@given(graphs(), st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 1e9)), max_size=4))
def test_rescues_wait_for_nobody_and_nothing_else_waits_for_less(
    made: tuple[dict[str, Service], list[PlannedStep]], times: list[tuple[str, float]]
) -> None:
    known, steps = made
    ordered, rescuing = rescued_first(known, list(known), steps, [clock(name, at) for name, at in times])
    by_id = {step.id: step for step in ordered}
    assert sorted(by_id) == sorted(step.id for step in steps)
    places = {step.id: place for place, step in enumerate(ordered)}
    assert all(places[need] < places[step.id] for step in ordered for need in step.needs)
    rescues = [step for step in ordered if step.rescue]
    assert ordered[: len(rescues)] == rescues
    assert {step.service for step in rescues} == rescuing
    assert all(step.rescue for step in ordered if step.uses in RESCUING)
    for step in rescues:
        assert all(by_id[need].rescue and by_id[need].service == step.service for need in step.needs)
    before = {step.id: step.needs for step in steps}
    after = {step.id: step.needs for step in ordered}
    for step in ordered:
        if not step.rescue:
            assert _all(step.id, before) <= _all(step.id, after)
            # What it waits for is what it waited for: the failed rescue of a stranger holds up nobody.
            assert _all(step.id, after) <= _all(step.id, before)


def _all(step: str, needs: dict[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    todo = list(needs[step])
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += needs[one]
    return found
