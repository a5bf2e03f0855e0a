"""A service stops and returns; real monitoring sees it and says so, in two trust domains with controls of their own."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.signals.observation import Observation
from orchestrator.store import observations
from tests.integration.service_fixture import RunningService, running_service, until
from tests.monitoring_servers import (
    CONTROL,
    PLACES,
    VENDOR,
    Monitor,
    Site,
    control_target,
    monitor,
    signals_of,
    store_secrets_of,
    vendor_targets,
)
from tests.shifted_clock import ShiftedClock

DOMAINS = ("north", "south")
WITHIN = 60.0
"""Seconds for an alert to arrive: it takes five on a machine that has nothing else to do."""
HOURS = 3600.0
EVERYTHING = {(domain, aspect): len(places) for domain in DOMAINS for aspect, places in PLACES.items()}
"""Observations when every place of the vendor has news in both trust domains."""
EACH_CONTROL = {(domain, "tcp"): 1 for domain in DOMAINS}
REFUSALS = {(domain, "denial"): sum(map(len, PLACES.values())) for domain in DOMAINS}

POLICY = """
policy:
  proposals:
    microsoft-gone: {when: {vendor: microsoft-365, verdict: cut, for: 15m}, propose: [phone], scope: drill}
"""


@dataclass
class Watched:
    """The service, the vendor and control sites that are looked at, and who looks; `clock` is the service's."""

    service: RunningService
    clock: ShiftedClock
    vendor: Site
    controls: dict[str, Site]
    monitors: dict[str, Monitor]

    def told(self, subject: str, outcome: str, since: float = 0.0) -> list[Observation]:
        with self.service.bascule.database.read() as conn:
            found = list(observations.between(conn, since, 1e12))
        return [one for one in found if (one.vendor, one.outcome) == (subject, outcome)]

    def hears(self, subject: str, outcome: str, wanted: dict[tuple[str, str], int], since: float = 0.0) -> None:
        """Waits until exactly that many observations of each trust domain and aspect are stored."""

        def counted() -> dict[tuple[str, str], int]:
            found = self.told(subject, outcome, since)
            places = [(one.trust_domain, one.aspect) for one in found]
            return {place: places.count(place) for place in places}

        until(lambda: counted() == wanted, WITHIN, lambda: f"{subject} {outcome}: {counted()}\n{self._logs()}")

    def _logs(self) -> str:
        return "\n".join(one.log for one in self.monitors.values())


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """The vendor answers and is seen to; the controls do not answer yet."""
    clock, vendor, controls = ShiftedClock(), Site(), {domain: Site() for domain in DOMAINS}
    with ExitStack() as stack:
        for site in (vendor, *controls.values()):
            stack.callback(site.stop)
        vendor.start()
        service = stack.enter_context(running_service(folder / "bascule", "", signals_of(DOMAINS) + POLICY, clock))
        store_secrets_of(DOMAINS, service.bascule.settings.data)

        def look(domain: str) -> Monitor:
            targets = [*vendor_targets(vendor), control_target(controls[domain])]
            return stack.enter_context(monitor(folder / domain, domain, targets, service.url))

        with ThreadPoolExecutor() as pool:
            monitors = dict(zip(DOMAINS, pool.map(look, DOMAINS), strict=True))
        yield Watched(service, clock, vendor, controls, monitors)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("alerts")) as made:
        yield made


def see(world: Watched, there: Callable[[Monitor], bool]) -> None:
    until(lambda: all(map(there, world.monitors.values())), WITHIN, lambda: world._logs())


def controls_answer(world: Watched) -> None:
    """From now on, as long as the world lasts; it was heard before that they did not."""
    world.hears(CONTROL, "fail", EACH_CONTROL)
    for site in world.controls.values():
        site.start()
    world.hears(CONTROL, "ok", EACH_CONTROL)


@pytest.mark.faults
def test_a_service_that_stops_and_returns_is_heard_of_from_each_trust_domain(world: Watched) -> None:
    every_place = vendor_targets(world.vendor)
    see(world, lambda one: all(one.seen(place) == 1 for place in every_place))
    world.hears(CONTROL, "fail", EACH_CONTROL)

    world.vendor.stop()
    controls_answer(world)
    world.hears(VENDOR, "fail", EVERYTHING)
    assert world.told(VENDOR, "ok") == []

    later = world.clock.forward(4 * HOURS)
    world.vendor.start()
    world.hears(VENDOR, "ok", EVERYTHING, since=later)
    world.hears(VENDOR, "fail", EVERYTHING)
    assert {(one.sensor, one.vantage) for one in world.told(VENDOR, "ok")} == {(domain, domain) for domain in DOMAINS}
    assert world.told(VENDOR, "denied") == []
    assert world.service.http.get("/api/v1/signals/unmapped").json()["deliveries"] == []
    assert world.service.http.get("/api/v1/runs").json()["runs"] == []


@pytest.mark.faults
def test_a_service_that_refuses_everybody_is_heard_of_as_denied(world: Watched) -> None:
    begun = world.clock.forward(HOURS)
    world.vendor.refuses = True
    world.hears(VENDOR, "denied", REFUSALS, since=begun)
    world.hears(VENDOR, "fail", EVERYTHING, since=begun)
    world.vendor.refuses = False
    world.hears(VENDOR, "ok", EVERYTHING | REFUSALS, since=begun)
    world.hears(VENDOR, "denied", REFUSALS, since=begun)


@pytest.mark.faults
def test_a_cut_becomes_a_proposal_that_withdraws_when_the_service_returns(world: Watched) -> None:
    controls_answer(world)
    world.clock.forward(9 * HOURS)
    assert proposals_of(world) == []
    begun = world.clock.forward(HOURS)
    world.vendor.refuses = True
    world.hears(VENDOR, "denied", REFUSALS, since=begun)
    world.clock.forward(HOURS / 2)
    until(lambda: verdict_of(world) == "cut", WITHIN, lambda: verdict_of(world))
    world.clock.forward(HOURS / 4)
    until(lambda: [one["state"] for one in proposals_of(world)] == ["armed"], WITHIN, lambda: str(proposals_of(world)))
    (armed,) = proposals_of(world)
    assert armed["services"] == ["phone"]
    events = world.service.http.get(f"/api/v1/proposals/{armed['id']}").json()["events"]
    at = next(event["at"] for event in events if event["kind"] == "proposal.armed")
    assert armed["armed_until"] - at == pytest.approx(HOURS / 2, abs=60)
    assert world.service.http.get("/api/v1/runs").json()["runs"] == [], "it waits for people"

    returned = world.clock.forward(60.0)
    world.vendor.refuses = False
    world.hears(VENDOR, "ok", EVERYTHING | REFUSALS, since=returned)
    world.clock.forward(HOURS / 4)
    until(lambda: proposals_of(world)[0]["weak_since"], WITHIN, lambda: str(proposals_of(world)))
    world.clock.forward(HOURS / 4)
    until(lambda: proposals_of(world)[0]["state"] == "withdrawn", WITHIN, lambda: str(proposals_of(world)))
    assert proposals_of(world)[0]["ended_by"] == "bascule"


def proposals_of(world: Watched) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.service.http.get("/api/v1/proposals").json()["proposals"]
    return found


def verdict_of(world: Watched) -> str:
    said = world.service.http.get("/api/v1/verdicts").json()["verdicts"]
    return str(next(one["verdict"] for one in said if one["subject"] == VENDOR))
