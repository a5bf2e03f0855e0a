"""Fault 20: a wave of servers meets a cloud whose quota or stock ends in the middle of it.

With another cloud to turn to, the rest is made there; without, the steps that
found no room fail, and a person decides. Either way the first cloud keeps the
servers that it had room for, and nothing of the others.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.domain.model import RunState, StepState
from orchestrator.operations.decisions import Decisions
from orchestrator.store.database import Database
from orchestrator.store.runs import NewStep
from providers.base import Secret
from tests import ovhcloud_stand_in, vendor_stand_ins
from tests.faults.cloud_run import CloudWorkshop
from tests.integration.engine_world import Engine, World, step
from tests.vendor_stand_ins import CloudStandIn

SERVERS, ROOM = 6, 3
STEPS = [f"server-{number}" for number in range(SERVERS)]
NEED = {"cpu": 1, "memory": 2, "disk": 20}


@dataclass(frozen=True, slots=True)
class Clouds:
    """A worker, a first cloud with little room, and a second with enough."""

    engine: Engine
    first: CloudStandIn
    second: CloudStandIn

    def ends_with(self, limit: str) -> None:
        """The first cloud has room for some of the wave: by its quota, or by its stock of the only size it has."""
        catalogue = self.first.fleet.catalogue
        if limit == "quota":
            catalogue.quotas["servers"] = ROOM
        else:
            catalogue.stock |= dict.fromkeys(catalogue.sizes, 0) | {"DEV1-S": ROOM}

    def running(self) -> list[int]:
        """How many servers each cloud has; all of them run."""
        states = [cloud.fleet.state()["servers"] for cloud in (self.first, self.second)]
        assert {server["state"] for servers in states for server in servers} <= {"running"}
        return [len(servers) for servers in states]

    def check_nothing_is_left_over(self) -> None:
        """Invariant: what is at the first cloud belongs to a server that runs there, and no name is there twice."""
        servers = [*self.first.fleet.servers.values(), *self.second.fleet.servers.values()]
        assert len({server.name for server in servers}) == len(servers)
        held = {server.firewall for server in servers}
        assert set(self.first.fleet.firewalls) <= held
        assert [volume.name for volume in self.first.fleet.volumes.values() if volume.server is None] == []


def reveal(reference: str) -> Secret:
    return Secret((vendor_stand_ins.SECRETS | ovhcloud_stand_in.SECRETS)[reference])


@pytest.fixture(scope="module")
def running_clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    directory = tmp_path_factory.mktemp("clouds")
    database = Database(f"sqlite:///{directory / 'bascule.db'}")
    database.migrate()
    with vendor_stand_ins.cloud_stand_in() as first, ovhcloud_stand_in.ovhcloud_stand_in() as second:
        workshop = CloudWorkshop(World(), {"first": first.block, "second": second.block}, directory, reveal)
        engine = Engine(database, World(), time.time, workshop)
        engine.worker.start()
        try:
            yield Clouds(engine, first, second)
        finally:
            engine.worker.stop()
            database.close()


@pytest.fixture
def clouds(running_clouds: Clouds) -> Iterator[Clouds]:
    """Without servers, and with room for all."""
    quotas = dict(running_clouds.first.fleet.catalogue.quotas)
    yield running_clouds
    for cloud in (running_clouds.first, running_clouds.second):
        cloud.fleet.reset()
    running_clouds.first.fleet.catalogue.quotas = quotas


def wave(*providers: str, **more: Any) -> list[NewStep]:
    """Servers that need nothing of each other."""
    retry = {"attempts": 2, "initial": 0.5}
    want = {"provider": list(providers), "image": "debian-12", "resources": NEED, **more}
    return [
        step(name, uses="compute.server", **{"with": {**want, "name": name}, "timeout": 20.0, "retry": retry})
        for name in STEPS
    ]


@pytest.mark.faults
@pytest.mark.parametrize("limit", ["stock", "quota"])
def test_the_rest_of_the_wave_is_made_at_the_second_cloud(clouds: Clouds, run_id: str, limit: str) -> None:
    clouds.ends_with(limit)
    engine = clouds.engine
    engine.start_run(run_id, *wave("first", "second"))
    engine.wait(run_id, RunState.SUCCEEDED, within=60)
    assert clouds.running() == [ROOM, SERVERS - ROOM]
    clouds.check_nothing_is_left_over()
    engine.check_fold(run_id)
    Decisions(engine.progress).undo(run_id, "olga", "test")
    engine.wait(run_id, RunState.UNDONE, within=60)
    assert clouds.running() == [0, 0]
    clouds.check_nothing_is_left_over()


@pytest.mark.parametrize("limit", ["quota", pytest.param("stock", marks=pytest.mark.faults)])
def test_without_a_second_cloud_the_steps_that_found_no_room_wait_for_a_person(
    clouds: Clouds, run_id: str, limit: str
) -> None:
    clouds.ends_with(limit)
    engine = clouds.engine
    engine.start_run(run_id, *wave("first", firewall=[{"port": 443}]), step("after", *STEPS))
    failed = _settled(engine, run_id)
    assert len(failed) == SERVERS - ROOM
    assert clouds.running() == [ROOM, 0]
    clouds.check_nothing_is_left_over()
    assert engine.state(run_id) == RunState.RUNNING.value
    assert engine.state(run_id, "after") == StepState.PENDING.value
    told = [line for line in engine.story(run_id) if "step.failed" in line]
    assert all("room" in line or "in stock" in line for line in told), told
    engine.check_fold(run_id)
    clouds.first.fleet.catalogue.quotas["servers"] = SERVERS
    clouds.first.fleet.catalogue.stock.clear()
    for name in failed:
        Decisions(engine.progress).retry(run_id, name, "olga")
    engine.wait(run_id, RunState.SUCCEEDED, within=60)
    assert clouds.running() == [SERVERS, 0]
    clouds.check_nothing_is_left_over()


def _settled(engine: Engine, run_id: str) -> list[str]:
    """The steps that failed, once every server's step has ended one way or the other."""
    until, seen = time.monotonic() + 60, -1
    ends = {StepState.SUCCEEDED.value, StepState.FAILED.value}
    while not all(engine.state(run_id, name) in ends for name in STEPS):
        assert time.monotonic() < until, engine.story(run_id)
        seen = engine.progress.wait_for_move(seen, 0.2)
    return [name for name in STEPS if engine.state(run_id, name) == StepState.FAILED.value]
