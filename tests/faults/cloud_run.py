"""A run of `compute.server` on a real worker, with a chaos proxy between the driver and its cloud.

Steps of kind `test.effect` are done in memory beside it; they show whether a run
goes on while the cloud does not answer.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.engine.workshop import Action, EstateWorkshop
from orchestrator.operations.decisions import Decisions
from orchestrator.store import runs
from orchestrator.store.database import Database
from orchestrator.store.runs import NewStep
from providers.base import Halted, Reveal, never
from tests.chaos_proxy import ChaosProxy, chaos_proxy
from tests.integration.engine_world import Engine, World, WorldWorkshop, step
from tests.loopback import within
from tests.vendor_stand_ins import CloudStandIn, cloud_stand_in, reveal

SERVER = {"provider": "scaleway", "name": "portal", "size": "DEV1-S", "image": "debian_bookworm"}


class CloudWorkshop:
    """Servers by the real provider, at the clouds of these blocks; `test.effect` in memory."""

    def __init__(
        self, world: World, blocks: Mapping[str, Mapping[str, Any]], directory: Path, secrets: Reveal = reveal
    ) -> None:
        self._memory = WorldWorkshop(world)
        self._real = EstateWorkshop(
            scope_at=lambda _commit, _scope: within({"compute": blocks}),
            checkout=lambda _commit: directory,
            secrets=lambda _scope: secrets,
            workspaces=directory / "workspaces",
        )

    def action(
        self,
        run: Any,
        step_id: str,
        spec: Any,
        outputs: Mapping[str, Any],
        deadline: float,
        halted: Halted = never,
    ) -> Action:
        shop = self._real if spec.uses == "compute.server" else self._memory
        return shop.action(run, step_id, spec, outputs, deadline, halted)

    def wish(self, run: Any, spec: Any) -> Any:
        return self._real.wish(run, spec)


@dataclass(frozen=True, slots=True)
class CloudRun:
    """The engine, the cloud behind it, and the proxy in between."""

    engine: Engine
    cloud: CloudStandIn
    proxy: ChaosProxy

    @property
    def decisions(self) -> Decisions:
        return Decisions(self.engine.progress)

    def begin_anew(self) -> None:
        """No servers, no effects and no faults, for the next test."""
        self.proxy.lift()
        self.proxy.settle()
        self.proxy.strikes.clear()
        self.proxy.counts.clear()
        self.engine.world.forget()
        with self.cloud.fleet.lock:
            self.cloud.fleet.servers.clear()
            self.cloud.fleet.volumes.clear()
        self.cloud.effects.clear()

    def created(self) -> int:
        """How many servers were ever made."""
        return sum(action == "server.create" for action, _ in self.cloud.written())

    def left(self) -> list[str]:
        """The names of the servers that are there."""
        return [server.name for server in list(self.cloud.fleet.servers.values())]

    def events(self, run_id: str, step_id: str) -> list[tuple[float, str]]:
        """When what happened to a step: seconds since its run began, and the event."""
        with self.engine.database.read() as conn:
            told = runs.list_events(conn, run_id)
        return [(one.at - told[0].at, one.kind) for one in told if one.step == step_id]

    def time_of(self, run_id: str, step_id: str, kind: str) -> float:
        """Seconds from the run's beginning to the step's first event of that kind."""
        return next(at for at, event in self.events(run_id, step_id) if event == kind)


def server_step(**spec: Any) -> NewStep:
    """A server, tried five times in all, half a second after the first failure and then later and later."""
    retry = {"attempts": 5, "initial": 0.5, "max_wait": 2}
    return step("server", uses="compute.server", **{"with": SERVER, "timeout": 20.0, "retry": retry, **spec})


@contextmanager
def cloud_run(directory: Path) -> Iterator[CloudRun]:
    database = Database(f"sqlite:///{directory / 'bascule.db'}")
    database.migrate()
    with cloud_stand_in() as cloud:
        host, port = cloud.url.removeprefix("http://").split(":")
        with chaos_proxy(host, int(port)) as proxy:
            world = World()
            block = cloud.block | {"url": f"http://127.0.0.1:{proxy.port}"}
            engine = Engine(database, world, time.time, CloudWorkshop(world, {"scaleway": block}, directory))
            engine.worker.start()
            try:
                yield CloudRun(engine, cloud, proxy)
            finally:
                engine.worker.stop()
                database.close()
