"""Clouds under chaos: servers and volumes, each through a proxy before the cloud's stand-in."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

import providers.compute.sent
from providers.base import Context, Provider, Reveal, Tag
from providers.compute import name_marks
from providers.compute.driver import Order
from providers.compute.proof import tags_of
from providers.compute.server import ComputeServer
from providers.compute.volume import ComputeVolume
from providers.wants import Server, Volume
from tests import openstack_stand_in, outscale_stand_in, ovhcloud_stand_in, vendor_stand_ins
from tests.chaos_wire import Actions, Wire
from tests.contract.chaos import Stage
from tests.contract.disk_clouds import CLOUDS as DISK_CLOUDS
from tests.contract.suite import Case
from tests.vendor_stand_ins import CloudStandIn

TAG = Tag("run-1", "step-1")
IN_FLIGHT_SECONDS = 2.0
"""How long a late creation is waited for here: longer than a call may take."""

MAKING = frozenset({"server.create", "volume.create", "firewall.create", "address.create"})


def scaleway_server(stage: Stage) -> Case:
    """Create, user data and power on are three effects."""
    cloud = stage.stack.enter_context(vendor_stand_ins.cloud_stand_in())
    want = Server(provider=cloud.name, name="portal", size="DEV1-S", image="debian_bookworm", user_data="portal.yaml")
    return _server(stage, Door(cloud, vendor_stand_ins.reveal, list(vendor_stand_ins.SECRETS.values())), want, 3)


def ovhcloud_server(stage: Stage) -> Case:
    """One request makes and boots it."""
    cloud = stage.stack.enter_context(ovhcloud_stand_in.ovhcloud_stand_in())
    want = Server(provider=cloud.name, name="portal", size="d2-2", image="debian-12", user_data="portal.yaml")
    return _server(stage, Door(cloud, ovhcloud_stand_in.reveal, list(ovhcloud_stand_in.SECRETS.values())), want, 1)


def outscale_server(stage: Stage) -> Case:
    """A security group and its rules; create, user data and power on; and tags for both, under one name."""
    cloud = stage.stack.enter_context(outscale_stand_in.outscale_stand_in(strict=False))
    want = Server(
        provider=cloud.name,
        name="portal",
        size="tinav5.c2r4p2",
        image="debian-12",
        user_data="portal.yaml",
        firewall=[{"port": 443}],
    )
    secrets = list(outscale_stand_in.SECRETS.values())
    return _server(stage, Door(cloud, outscale_stand_in.reveal, secrets, Actions()), want, 6)


def openstack_server(stage: Stage) -> Case:
    """Keystone, the server and its floating address, each through the proxy."""
    cloud = stage.stack.enter_context(openstack_stand_in.openstack_stand_in())
    # The catalogue that Keystone answers names the proxy as well.
    cloud.keystone.base = stage.through(cloud.url)
    cloud.block |= {"url": f"{cloud.keystone.base}/identity", "network": "private", "floating_network": "Ext-Net"}
    want = Server(provider=cloud.name, name="portal", size="b3-8", image="debian-12")
    return _server(stage, Door(cloud, openstack_stand_in.reveal, list(openstack_stand_in.SECRETS.values())), want, 2)


def scaleway_volume(stage: Stage) -> Case:
    """Create and attach are two effects; the server that it is for is somebody else's."""
    cloud = stage.stack.enter_context(vendor_stand_ins.cloud_stand_in())
    want = Volume(provider=cloud.name, name="data", size=20, server=DISK_CLOUDS["scaleway"].others_server(cloud))
    secrets = list(vendor_stand_ins.SECRETS.values())
    return _case(stage, Door(cloud, vendor_stand_ins.reveal, secrets), want, ComputeVolume, 2)


def outscale_volume(stage: Stage) -> Case:
    """Create, tags and attach are three effects."""
    cloud = stage.stack.enter_context(outscale_stand_in.outscale_stand_in(strict=False))
    order = Order("web", "t2.small", "ami-0d0b1202", tags_of(Tag("run-1", "server")))
    server = cloud.driver().ex_create(order)
    cloud.driver().ex_complete(server, order)
    want = Volume(provider=cloud.name, name="data", size=20, server=str(server.id))
    secrets = list(outscale_stand_in.SECRETS.values())
    return _case(stage, Door(cloud, outscale_stand_in.reveal, secrets, Actions()), want, ComputeVolume, 3)


@dataclass(frozen=True, slots=True)
class Door:
    """How a case comes to a cloud: `secrets` are what `reveal` knows, `wire` is how its API is read."""

    cloud: CloudStandIn
    reveal: Reveal
    secrets: Sequence[str]
    wire: Wire | None = None


def _server(stage: Stage, door: Door, want: Server, once: int) -> Case:
    return _case(stage, door, want, ComputeServer, once)


def _case(stage: Stage, door: Door, want: Any, make: Callable[[Context], Provider[Any]], once: int) -> Case:
    """`once`: how many effects it takes."""
    cloud = door.cloud
    cloud.effects.clear()
    patch = stage.stack.enter_context(pytest.MonkeyPatch.context())
    patch.setattr(providers.compute.sent, "IN_FLIGHT_SECONDS", IN_FLIGHT_SECONDS)
    there = _unmarked(cloud)
    block = cloud.block | {"url": stage.through(cloud.block["url"], door.wire)}
    context = stage.context({"compute": {cloud.name: block}}, door.reveal)
    (context.estate / "portal.yaml").write_text("#cloud-config\n")
    return Case(
        want=want,
        tag=TAG,
        context=context,
        make=make,
        world=cloud.fleet.state,
        effects=lambda: _effects(cloud),
        effects_once=once,
        atomic=False,
        secrets=door.secrets,
        leftovers=lambda: sorted((_unmarked(cloud) - there).elements()),
    )


def _effects(cloud: CloudStandIn) -> int:
    """Each thing made counts; of anything else the same again, such as tags or user data put twice, is one effect."""
    written = Counter(cloud.written())
    return sum(times if action in MAKING else 1 for (action, _), times in written.items())


def _unmarked(cloud: CloudStandIn) -> Counter[str]:
    """What nobody could tell to be this step's: that which has neither its tags nor its name's mark."""
    fleet, mark = cloud.fleet, name_marks.marked("", tags_of(TAG))
    made: list[Any] = [*fleet.servers.values(), *fleet.firewalls.values(), *fleet.floating.values()]
    # A volume that came with a server ends with it.
    made += [volume for volume in fleet.volumes.values() if not volume.goes_with_server]
    return Counter(
        f"{type(one).__name__} {getattr(one, 'name', '')} ({', '.join(one.tags)})"
        for one in made
        if not tags_of(TAG) <= set(one.tags) and not getattr(one, "name", "").endswith(mark)
    )
