"""Clouds under chaos: servers, volumes and snapshots, each through a proxy before the cloud's stand-in."""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.base import Context, Provider, Reveal, Tag
from providers.compute import name_marks
from providers.compute.driver import Order
from providers.compute.proof import tags_of
from providers.compute.server import ComputeServer
from providers.compute.volume import ComputeSnapshot, ComputeVolume
from providers.simulator.fleet_catalogue import CATALOGUE_DATE, GB
from providers.simulator.fleet_parts import ServerOrder
from providers.simulator.fleet_parts import Volume as SimulatedVolume
from providers.simulator.outscale_answers import vendor_id
from providers.wants import Server, Snapshot, Volume
from tests import openstack_stand_in, outscale_stand_in, ovhcloud_stand_in, vendor_stand_ins
from tests.chaos_wire import Actions, Wire
from tests.contract.chaos import SetUp, Stage
from tests.contract.suite import Case
from tests.vendor_stand_ins import CloudStandIn

TAG = Tag("run-1", "step-1")

MAKING = frozenset({"server.create", "volume.create", "snapshot.create", "firewall.create", "address.create"})


@dataclass(frozen=True, slots=True)
class Door:
    """How a case comes to a cloud: `secrets` are what `reveal` knows, `wire` is how its API is read.

    `place` and `disk`: the zone or region of what others have there, and the type of their volumes.
    """

    cloud: CloudStandIn
    reveal: Reveal
    secrets: Sequence[str]
    place: str
    disk: str
    wire: Wire | None = None
    id_of: Callable[[str, str], str] = lambda _, made: made
    """A server's or volume's id as the API has it, from its kind and the stand-in's own."""
    ask_for_server: Callable[[], str] | None = None
    """Where a server is more than the fleet knows of it: makes one through the API, and gives its id."""

    def others_server(self) -> str:
        """The id of a server that somebody else made."""
        if self.ask_for_server is not None:
            return self.ask_for_server()
        fleet = self.cloud.fleet
        size, image = next(iter(fleet.catalogue.sizes.values())), fleet.catalogue.images[0]
        order = ServerOrder(
            "web",
            self.place,
            fleet.catalogue.project,
            size,
            image,
            [],
            root_is_volume=False,
            started_later=False,
            facts={"metadata": {}, "network": "Ext-Net"},
        )
        made = fleet.create(order)
        fleet.settle()
        return self.id_of("server", made.id)

    def others_volume(self) -> str:
        """The same for a volume that no server holds."""
        made = SimulatedVolume(str(uuid.uuid4()), "other", 20 * GB, self.disk, self.place, created=CATALOGUE_DATE)
        return self.id_of("volume", self.cloud.fleet.add_volume(made).id)


OpenDoor = Callable[[Stage], Door]


def scaleway(stage: Stage) -> Door:
    cloud = stage.stack.enter_context(vendor_stand_ins.cloud_stand_in())
    return Door(
        cloud, vendor_stand_ins.reveal, list(vendor_stand_ins.SECRETS.values()), place="fr-par-1", disk="sbs_volume"
    )


def ovhcloud(stage: Stage) -> Door:
    cloud = stage.stack.enter_context(ovhcloud_stand_in.ovhcloud_stand_in())
    secrets = list(ovhcloud_stand_in.SECRETS.values())
    return Door(cloud, ovhcloud_stand_in.reveal, secrets, place=ovhcloud_stand_in.REGION, disk="classic")


def outscale(stage: Stage) -> Door:
    """Its every request is a POST."""
    cloud = stage.stack.enter_context(outscale_stand_in.outscale_stand_in(strict=False))
    secrets = list(outscale_stand_in.SECRETS.values())
    place = f"{outscale_stand_in.REGION}a"

    def made() -> str:
        order = Order("web", "t2.small", "ami-0d0b1202", tags_of(Tag("run-1", "server")))
        node = cloud.driver().ex_create(order)
        cloud.driver().ex_complete(node, order)
        return str(node.id)

    return Door(
        cloud,
        outscale_stand_in.reveal,
        secrets,
        place=place,
        disk="gp2",
        wire=Actions(),
        id_of=vendor_id,
        ask_for_server=made,
    )


def openstack(stage: Stage) -> Door:
    """Keystone and all that its catalogue names, through one proxy."""
    cloud = stage.stack.enter_context(openstack_stand_in.openstack_stand_in())
    cloud.keystone.base = stage.through(cloud.url)
    cloud.block |= {"url": f"{cloud.keystone.base}/identity", "network": "private", "floating_network": "Ext-Net"}
    secrets = list(openstack_stand_in.SECRETS.values())
    return Door(cloud, openstack_stand_in.reveal, secrets, place="RegionOne", disk="classic")


def server(door: OpenDoor, size: str, image: str, once: int, **more: Any) -> SetUp:
    """A server; `once`: how many effects it takes."""

    def set_up(stage: Stage) -> Case:
        at = door(stage)
        want = Server(provider=at.cloud.name, name="portal", size=size, image=image, **more)
        return _case(stage, at, want, ComputeServer, once)

    return set_up


def volume(door: OpenDoor, once: int) -> SetUp:
    """A volume attached to a server of somebody else's."""

    def set_up(stage: Stage) -> Case:
        at = door(stage)
        want = Volume(provider=at.cloud.name, name="data", size=20, server=at.others_server())
        return _case(stage, at, want, ComputeVolume, once)

    return set_up


def snapshot(door: OpenDoor, once: int) -> SetUp:
    """A snapshot of a volume of somebody else's."""

    def set_up(stage: Stage) -> Case:
        at = door(stage)
        want = Snapshot(provider=at.cloud.name, name="before", volume=at.others_volume())
        return _case(stage, at, want, ComputeSnapshot, once)

    return set_up


CLOUDS: Mapping[str, SetUp] = {
    # Create, user data and power on.
    "scaleway server": server(scaleway, "DEV1-S", "debian_bookworm", 3, user_data="portal.yaml"),
    # One request makes and boots it.
    "ovhcloud server": server(ovhcloud, "d2-2", "debian-12", 1, user_data="portal.yaml"),
    # A security group and its rules; create, user data and power on; and tags for both, under one name.
    "outscale server": server(
        outscale, "tinav5.c2r4p2", "debian-12", 6, user_data="portal.yaml", firewall=[{"port": 443}]
    ),
    # The server and its floating address.
    "openstack server": server(openstack, "b3-8", "debian-12", 2),
    # Create and attach; at Outscale tags besides.
    "scaleway volume": volume(scaleway, 2),
    "ovhcloud volume": volume(ovhcloud, 2),
    "outscale volume": volume(outscale, 3),
    "openstack volume": volume(openstack, 2),
    "scaleway snapshot": snapshot(scaleway, 1),
    "ovhcloud snapshot": snapshot(ovhcloud, 1),
    "outscale snapshot": snapshot(outscale, 2),
    "openstack snapshot": snapshot(openstack, 1),
}
"""Each with the number of effects that it takes."""


def _case(stage: Stage, door: Door, want: Any, make: Callable[[Context], Provider[Any]], once: int) -> Case:
    cloud = door.cloud
    cloud.effects.clear()
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
    made += fleet.snapshots.values()
    # A volume that came with a server ends with it.
    made += [volume for volume in fleet.volumes.values() if not volume.goes_with_server]
    return Counter(
        f"{type(one).__name__} {getattr(one, 'name', '')} ({', '.join(one.tags)})"
        for one in made
        if not tags_of(TAG) <= set(one.tags) and not getattr(one, "name", "").endswith(mark)
    )
