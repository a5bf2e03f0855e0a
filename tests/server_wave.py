"""A wave of servers made from many threads at a simulated cloud, and what it cost there.

`through_compute_server` makes each as the engine does, with `ComputeServer`. The
other two make them as a person would write it with libcloud: create, start, and
list everything until it runs (`NodeDriver.wait_until_running`).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from libcloud.compute.types import NodeState

from providers.base import Context, Finding, Presence, Reveal, Tag
from providers.compute.clouds import cloud
from providers.compute.driver import CloudDriver, Order
from providers.compute.proof import tags_of
from providers.compute.server import ComputeServer
from providers.vendor_http import Deadline
from providers.wants import Server
from tests import openstack_stand_in, outscale_stand_in, ovhcloud_stand_in, vendor_stand_ins
from tests.loopback import within
from tests.vendor_stand_ins import CloudStandIn

POLL_SECONDS = 0.25
"""Between two looks at a server that comes up; the engine's own pace."""
LONGEST = 300.0
"""Seconds that one server may take, in all its calls."""
ENOUGH = 10_000
"""A quota that is never used up."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Servers at one cloud: `names`, all alike."""

    cloud: CloudStandIn
    context: Context
    size: str
    image: str
    names: Sequence[str]

    def want(self, name: str) -> Server:
        return Server(provider=[self.cloud.name], name=name, size=self.size, image=self.image)

    def tag(self, name: str) -> Tag:
        return Tag("r-20261125-wave", name)

    def of(self, name: str) -> ComputeServer:
        """A provider of one call, with the workspace of its step."""
        workspace = self.context.workspace / name
        workspace.mkdir(exist_ok=True)
        return ComputeServer(Context(self.context.scope, self.context.reveal, workspace, self.context.estate, LONGEST))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a wave took: seconds, and what was counted at the cloud; `answered` in bytes."""

    seconds: float
    requests: int
    answered: int
    refused: int
    servers: int
    duplicates: int


Way = Callable[[Wave, int], None]
"""Makes the servers of a wave, from so many threads."""


def through_compute_server(wave: Wave, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(partial(_made, wave), wave.names):
            assert found.presence is Presence.OURS, found.message


def through_plain_libcloud(wave: Wave, threads: int) -> None:
    """Each thread has a driver of its own, and its share of the names."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda first: _loop(wave, wave.names[first::threads]), range(threads)))


def cost_of(way: Way, wave: Wave, threads: int) -> Cost:
    """Make the wave this way."""
    wave.cloud.tally.clear()
    began = time.perf_counter()
    way(wave, threads)
    seconds = time.perf_counter() - began
    names = [server["name"] for server in wave.cloud.fleet.state()["servers"]]
    tally = wave.cloud.tally
    return Cost(seconds, tally.requests, tally.answered, tally.refused, len(names), len(names) - len(set(names)))


def undone(wave: Wave, threads: int) -> None:
    """Take each server back as the engine does: look, then undo until it is gone."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(partial(_take_back, wave), wave.names))


def _made(wave: Wave, name: str) -> Finding:
    """As the engine's attempt: look, apply, and look until it has arrived; a provider of its own each time."""
    want, tag = wave.want(name), wave.tag(name)
    before = wave.of(name).observe(want, tag, None).values
    found = wave.of(name).apply(want, tag, before, _quiet)
    return _settled(found, lambda: wave.of(name).observe(want, tag, before))


def _take_back(wave: Wave, name: str) -> None:
    want, tag = wave.want(name), wave.tag(name)
    effect = wave.of(name).observe(want, tag, {}).effect
    found = _settled(
        wave.of(name).undo(want, tag, effect, _quiet), lambda: wave.of(name).undo(want, tag, effect, _quiet)
    )
    assert found.presence is Presence.ABSENT, found.message


def _settled(found: Finding, look: Callable[[], Finding]) -> Finding:
    until = time.monotonic() + LONGEST
    while found.presence is Presence.PENDING:
        assert time.monotonic() < until, found.message
        time.sleep(POLL_SECONDS)
        found = look()
    return found


def _quiet(_: str) -> None:
    """Nobody watches."""


def _loop(wave: Wave, names: Sequence[str]) -> None:
    with cloud(wave.context, wave.cloud.name, Deadline(LONGEST)) as driver:
        image = driver.ex_image(wave.image)
        for name in names:
            order = Order(name, wave.size, image, tags_of(wave.tag(name)))
            node = driver.ex_create(order)
            driver.ex_complete(node, order)
            if node.state == NodeState.STOPPED:
                driver.start_node(node)
            _wait_until_running(driver, str(node.id))


def _wait_until_running(driver: CloudDriver, node_id: str) -> None:
    until = time.monotonic() + LONGEST
    while not any(str(node.id) == node_id and node.state == NodeState.RUNNING for node in driver.list_nodes()):
        assert time.monotonic() < until, f"server {node_id} does not come up"
        time.sleep(POLL_SECONDS)


# The clouds


@contextmanager
def _wave(
    stand_in: AbstractContextManager[CloudStandIn],
    reveal: Reveal,
    size: str,
    directory: Path,
    count: int,
) -> Iterator[Wave]:
    with stand_in as there:
        there.fleet.catalogue.quotas.update(dict.fromkeys(there.fleet.catalogue.quotas, ENOUGH))
        for name in ("workspace", "estate"):
            (directory / name).mkdir(parents=True)
        scope = within({"compute": {there.name: {**there.block, "concurrency": count}}})
        context = Context(scope, reveal, directory / "workspace", directory / "estate", LONGEST)
        yield Wave(there, context, size, "debian-12", [f"wave-{number:03}" for number in range(count)])


def scaleway(directory: Path, count: int, **settings: Any) -> AbstractContextManager[Wave]:
    there = vendor_stand_ins.cloud_stand_in(**settings)
    return _wave(there, vendor_stand_ins.reveal, "DEV1-S", directory, count)


def ovhcloud(directory: Path, count: int, **settings: Any) -> AbstractContextManager[Wave]:
    there = ovhcloud_stand_in.ovhcloud_stand_in(**settings)
    return _wave(there, ovhcloud_stand_in.reveal, "d2-2", directory, count)


def outscale(directory: Path, count: int, **settings: Any) -> AbstractContextManager[Wave]:
    """Without the vendor's description, whose check of lists takes longer than all the rest."""
    there = outscale_stand_in.outscale_stand_in(**settings, strict=False)
    return _wave(there, outscale_stand_in.reveal, "tinav5.c2r4p2", directory, count)


def openstack(directory: Path, count: int, **settings: Any) -> AbstractContextManager[Wave]:
    there = openstack_stand_in.openstack_stand_in(**settings)
    return _wave(there, openstack_stand_in.reveal, "b3-8", directory, count)


Place = Callable[..., AbstractContextManager[Wave]]

CLOUDS: Mapping[str, Place] = {"Scaleway": scaleway, "OVHcloud": ovhcloud, "Outscale": outscale, "OpenStack": openstack}
"""Each gives a wave of so many servers at a stand-in of its own."""
