"""What the simulated Outscale has: images, types, prices, quotas and public addresses."""

from collections.abc import Iterator, Mapping
from typing import Any

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import GB
from providers.simulator.outscale_answers import no_such, page, passes
from providers.simulator.outscale_requests import Action, DeletePublicIp, Page, ReadImages, ReadPublicIps, ReadQuotas
from providers.simulator.outscale_shapes import image_shape, price_shapes, type_shape

QUOTAS = {
    "vm_limit": ("servers", "Compute", "VM Limit"),
    "core_limit": ("cpu", "Compute", "Core Limit"),
    "memory_limit": ("memory", "Compute", "Memory Limit"),
    "ip_limit": ("addresses", "Compute", "IP Limit"),
    "volume_limit": ("volumes", "Storage", "Volume Limit"),
    "volume_size_limit": ("volume_gb", "Storage", "Volume Size Limit"),
    "snapshot_limit": ("snapshots", "Storage", "Snapshot Limit"),
    "sg_limit": ("firewalls", "Security Groups", "Security Groups Limit"),
}
"""The vendor's name: what the catalogue calls it, the vendor's group and title."""


class Lists:
    """The actions that only look; the caller holds the fleet's lock."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def actions(self) -> dict[str, tuple[type[Action], Any]]:
        return {
            "ReadImages": (ReadImages, self.images),
            "ReadVmTypes": (Page, self.types),
            "ReadPublicCatalog": (Action, self.prices),
            "ReadQuotas": (ReadQuotas, self.quotas),
            "ReadPublicIps": (ReadPublicIps, self.addresses),
            "DeletePublicIp": (DeletePublicIp, self.delete_address),
        }

    def images(self, asked: ReadImages) -> Mapping[str, Any]:
        wanted = asked.filters
        found = [
            shape
            for shape in map(image_shape, self._fleet.catalogue.images)
            if passes([shape["ImageId"]], wanted.image_ids)
            and passes([shape["ImageName"]], wanted.image_names)
            and passes([shape["AccountAlias"]], wanted.account_aliases)
            and passes([shape["Architecture"]], wanted.architectures)
            and passes([shape["State"]], wanted.states)
        ]
        return page("Images", found, asked)

    def types(self, asked: Page) -> Mapping[str, Any]:
        return page("VmTypes", [type_shape(size) for size in self._fleet.catalogue.sizes.values()], asked)

    def prices(self, _: Action) -> Mapping[str, Any]:
        region = self._fleet.catalogue.zones[0].rstrip("abc")
        return {"Catalog": {"Entries": list(price_shapes(self._fleet.catalogue.sizes, region))}}

    def quotas(self, asked: ReadQuotas) -> Mapping[str, Any]:
        kinds = [{"QuotaType": "global", "Quotas": list(self._quotas())}]
        return page("QuotaTypes", [kind for kind in kinds if passes(["global"], asked.filters.quota_types)], asked)

    def addresses(self, asked: ReadPublicIps) -> Mapping[str, Any]:
        """None: a machine's own address is not one of the account's."""
        return page("PublicIps", [], asked)

    def delete_address(self, asked: DeletePublicIp) -> Mapping[str, Any]:
        raise no_such("ip", asked.public_ip or asked.public_ip_id or "")

    def _quotas(self) -> Iterator[dict[str, Any]]:
        used = self._used()
        for name, (resource, group, title) in QUOTAS.items():
            yield {
                "AccountId": self._fleet.catalogue.organization,
                "Description": f"{title}.",
                # No limit is told as 0.
                "MaxValue": self._fleet.catalogue.quotas.get(resource, 0),
                "Name": name,
                "QuotaCollection": group,
                "ShortDescription": title,
                "UsedValue": used.get(resource, 0),
            }

    def _used(self) -> dict[str, int]:
        servers, volumes = self._fleet.servers.values(), self._fleet.volumes.values()
        return {
            "servers": len(servers),
            "cpu": sum(server.size.cpu for server in servers),
            "memory": round(sum(server.size.ram_gb for server in servers)),
            "volumes": len(volumes),
            "volume_gb": sum(volume.size for volume in volumes) // GB,
            "snapshots": len(self._fleet.snapshots),
            "firewalls": len(self._fleet.firewalls),
        }
