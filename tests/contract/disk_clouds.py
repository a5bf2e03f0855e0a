"""The clouds that have volumes and snapshots, a line each: who stands in for it, and what somebody else has there."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from providers.base import Reveal, Tag
from providers.compute.driver import Order
from providers.compute.name_marks import marked
from providers.compute.proof import tags_of
from providers.simulator.fleet_catalogue import CATALOGUE_DATE, GB
from providers.simulator.fleet_parts import ServerOrder
from providers.simulator.fleet_parts import Volume as SimulatedVolume
from providers.simulator.outscale_answers import vendor_id
from tests import openstack_stand_in, outscale_stand_in, ovhcloud_stand_in, vendor_stand_ins
from tests.vendor_stand_ins import CloudStandIn

OTHER = Tag("other", "other")
"""Another run, whose things are none of this one's."""


def tagged(thing: Any) -> None:
    thing.tags[:] = tags_of(OTHER)


def labelled(thing: Any) -> None:
    """At Outscale the name is a tag too."""
    thing.tags[:] = [f"Name={thing.name}", *tags_of(OTHER)]


def described(thing: Any) -> None:
    """OpenStack has keys and values."""
    thing.facts["metadata"] = dict(tag.partition("=")[::2] for tag in tags_of(OTHER))


def named(thing: Any) -> None:
    """OVHcloud has nothing but names."""
    thing.name = marked("data", tags_of(OTHER))


def in_its_fleet(place: str) -> Callable[[CloudStandIn], str]:
    """A server that is simply there."""

    def make(cloud: CloudStandIn) -> str:
        catalogue = cloud.fleet.catalogue
        size, image = next(iter(catalogue.sizes.values())), catalogue.images[0]
        facts = {"metadata": {}, "network": "Ext-Net"}
        order = ServerOrder(
            "web", place, catalogue.project, size, image, [], root_is_volume=False, started_later=False, facts=facts
        )
        return cloud.fleet.create(order).id

    return make


def by_its_driver(cloud: CloudStandIn) -> str:
    """Outscale's API knows more of a server than its fleet does."""
    assert isinstance(cloud, outscale_stand_in.OutscaleStandIn)
    order = Order("web", "t2.small", "ami-0d0b1202", tags_of(Tag(OTHER.run, str(uuid.uuid4()))))
    driver = cloud.driver()
    node = driver.ex_create(order)
    driver.ex_complete(node, order)
    return str(node.id)


@dataclass(frozen=True, slots=True)
class DiskCloud:
    """How one cloud makes disks.

    `stand_in` gives the cloud, `module` knows its secrets. `place` and `disk`: the zone or region of what others
    have there, and the type of their volumes; `server` makes a server of theirs, `hand_over` makes a thing theirs.
    `writes`: how many effects a volume that is attached and a snapshot are; a snapshot of one write is whole at once.
    `lost`: the request whose answer a crash loses; `{kind}` is Volume or Snapshot. `denial`: how it refuses a key.
    """

    name: str
    stand_in: Callable[[], AbstractContextManager[CloudStandIn]]
    module: ModuleType
    place: str
    disk: str
    hand_over: Callable[[Any], None]
    server: Callable[[CloudStandIn], str]
    writes: tuple[int, int] = (2, 1)
    lost: str = "POST *"
    denial: int = 403
    id_of: Callable[[str], str] = str
    """A volume's id as the API has it, from the stand-in's own."""

    @property
    def reveal(self) -> Reveal:
        known: Reveal = self.module.reveal
        return known

    @property
    def secrets(self) -> Sequence[str]:
        return list(self.module.SECRETS.values())

    def others_server(self, cloud: CloudStandIn) -> str:
        """The id of a server that somebody else made."""
        made = self.server(cloud)
        cloud.fleet.settle()
        return made

    def others_volume(self, cloud: CloudStandIn, name: str = "other") -> str:
        """The id of a volume that somebody else made, and that no server holds."""
        made = SimulatedVolume(str(uuid.uuid4()), name, 20 * GB, self.disk, self.place, created=CATALOGUE_DATE)
        return self.id_of(cloud.fleet.add_volume(made).id)


CLOUDS: Mapping[str, DiskCloud] = {
    cloud.name: cloud
    for cloud in (
        DiskCloud(
            "scaleway",
            vendor_stand_ins.cloud_stand_in,
            vendor_stand_ins,
            "fr-par-1",
            "sbs_volume",
            hand_over=tagged,
            server=in_its_fleet("fr-par-1"),
        ),
        DiskCloud(
            "ovhcloud",
            ovhcloud_stand_in.ovhcloud_stand_in,
            ovhcloud_stand_in,
            ovhcloud_stand_in.REGION,
            "classic",
            hand_over=named,
            server=in_its_fleet(ovhcloud_stand_in.REGION),
        ),
        DiskCloud(  # its create requests take no tags
            "outscale",
            outscale_stand_in.outscale_stand_in,
            outscale_stand_in,
            f"{outscale_stand_in.REGION}a",
            "gp2",
            hand_over=labelled,
            server=by_its_driver,
            writes=(3, 2),
            lost="POST */Create{kind}",
            denial=401,
            id_of=partial(vendor_id, "volume"),
        ),
        DiskCloud(
            "openstack",
            openstack_stand_in.openstack_stand_in,
            openstack_stand_in,
            "RegionOne",
            "classic",
            hand_over=described,
            server=in_its_fleet("RegionOne"),
            lost="POST /[cv]*",
        ),
    )
}
