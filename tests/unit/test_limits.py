"""What one run may make and touch: counted from plans, and held against limits, by example and property."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.domain.blast_radius import blast_radius
from orchestrator.domain.bundle import Bundle, read_bundle
from orchestrator.domain.compiler import compile_plan
from orchestrator.domain.limits import Footprint, Limits, PricedServer, RunLimits, exceeded, refusal
from orchestrator.domain.plan import Placement, Plan, with_known_prices, with_placements

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
EVERYTHING = ("identity", "portal", "mail", "office", "visio", "social")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    files = {str(f.relative_to(PLAYBOOKS)): f.read_bytes() for f in PLAYBOOKS.rglob("*") if f.is_file()}
    made, problems = read_bundle(files, shipped())
    assert made is not None, problems
    return made


def plan_of(bundle: Bundle, *services: str, **placed: Placement) -> Plan:
    plan = compile_plan(bundle, commit="c" * 40, services=services, scope="rehearsal")
    ids = {
        step.id.split("/")[0].removesuffix("-failover"): step.id for step in plan.steps if step.id.endswith("server")
    }
    return with_placements(plan, {ids[name]: one for name, one in placed.items()})


def limits(**said: Any) -> Limits:
    return Limits.model_validate({"default": said})


def test_a_plan_is_counted_with_all_that_its_runbooks_nest(bundle: Bundle) -> None:
    found = blast_radius(plan_of(bundle, *EVERYTHING), bundle, Limits()).footprint
    assert set(found.services) == set(EVERYTHING)
    assert [one.step for one in found.servers] == ["identity-failover/server", "portal-failover/server"]
    assert found.zones == ("valbourg.example",), "the swaps' own steps change it as well"


def test_the_limits_of_the_starter_estate_let_all_of_it_move(bundle: Bundle) -> None:
    most = bundle.estate.policy.limits
    plan = compile_plan(bundle, commit="c" * 40, services=[*bundle.estate.services], scope="rehearsal")
    priced = {step.id: Placement(provider="scaleway", size="DEV1-M", hourly=0.0198) for step in plan.steps}
    assert blast_radius(with_placements(plan, priced), bundle, most).excesses == ()
    assert (most.of("live").servers, most.of("live").services) == (6, 8), "a scope replaces one by one"


def test_a_price_is_the_organisations_or_the_clouds_or_the_catalogues(bundle: Bundle) -> None:
    size = {"size": "DEV1-S"}
    told = plan_of(bundle, "identity", identity=Placement(provider="scaleway", **size, hourly=0.5))
    silent = plan_of(bundle, "identity", identity=Placement(provider="scaleway", **size))
    nowhere = plan_of(bundle, "identity", identity=Placement(message="no answer"))
    own = Limits.model_validate({"prices": {"scaleway": {"DEV1-S": 0.25}}})
    for plan, most, price, known in (
        (told, own, 0.25, "policy"), (told, Limits(), 0.5, "cloud"), (silent, Limits(), 0.008, "catalogue"),
        (nowhere, own, None, None),
    ):  # fmt: skip
        (server,) = blast_radius(plan, bundle, most).footprint.servers
        assert (server.hourly, server.known_from) == (price, known)
    (listed,) = blast_radius(silent, bundle, Limits()).footprint.servers
    assert not listed.verified
    assert with_known_prices(silent, told).steps == told.steps, "what a cloud said once is not forgotten"


def test_an_unknown_price_exceeds_every_limit_of_euros_unless_it_is_allowed(bundle: Bundle) -> None:
    plan = plan_of(bundle, "identity", identity=Placement(message="no answer"))
    (excess,) = blast_radius(plan, bundle, limits(euros_per_hour=1000)).excesses
    assert (excess.measure, excess.unpriced) == ("euros_per_hour", ("identity-failover/server",))
    assert "is not known" in excess.en
    assert "est inconnu" in excess.fr
    assert blast_radius(plan, bundle, limits(euros_per_hour=1000, unknown_price="allow")).excesses == ()
    assert blast_radius(plan, bundle, limits(servers=1)).excesses == ()


def test_a_refusal_says_in_both_languages_what_is_too_much_and_what_to_do() -> None:
    servers = tuple(PricedServer(step=f"s{n}", provider="p", hourly=0.75) for n in range(3))
    found = exceeded(Footprint(services=("a", "b"), servers=servers, zones=("x", "y")), RunLimits.model_validate(
        {"services": 1, "servers": 2, "zones": 1, "euros_per_hour": 2}))  # fmt: skip
    assert [one.measure for one in found] == ["services", "servers", "zones", "euros_per_hour"]
    told = refusal(found, "live")
    assert "2 services, at most 1; 3 servers made, at most 2; 2 zones changed, at most 1; 2.25 € an hour" in told["en"]
    assert "2 services, au plus 1; 3 serveurs créés, au plus 2; 2 zones modifiées, au plus 1; 2,25 €" in told["fr"]
    assert "policy.limits" in told["en"]


counts = st.integers(0, 6)
maybe = st.none() | counts


@given(counts, counts, counts, maybe, maybe, maybe, st.none() | st.floats(0, 9), st.floats(0, 3))
def test_a_stricter_limit_never_has_fewer_excesses(
    services: int,
    servers: int,
    zones: int,
    a: int | None,
    b: int | None,
    c: int | None,
    euros: float | None,
    less: float,
) -> None:
    made = tuple(PricedServer(step=f"s{n}", provider="p", hourly=None if n == 5 else 1.0) for n in range(servers))
    found = Footprint(
        services=tuple(f"v{n}" for n in range(services)), servers=made, zones=tuple(f"z{n}" for n in range(zones))
    )
    most = RunLimits.model_construct(services=a, servers=b, zones=c, euros_per_hour=euros)
    tight = RunLimits.model_construct(
        services=None if a is None else max(a - 1, 0), servers=None if b is None else max(b - 1, 0),
        zones=0 if c is None else c, euros_per_hour=None if euros is None else max(euros - less, 0.0),
    )  # fmt: skip
    over, more = ({one.measure for one in exceeded(found, one)} for one in (most, tight))
    assert over <= more
    assert ("servers" in over) == (b is not None and servers > b)
    assert "euros_per_hour" not in more or servers, "what makes no server costs nothing"
