"""What Outscale has: sizes with prices, images and quotas.

TINA sizes are free combinations (`tinavW.cXrYpZ`: generation, cores, memory in
GiB, performance). The API lists only the named types, so a ladder of TINA sizes
is made up from the generations that the price list knows. Sources: the vendor's
OpenAPI description 1.42 and its price list's entries (`CustomCore:v5-p2`,
`CustomRam`, `BoxUsage:t2.small`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import ProviderError
from providers.compute.driver import Offer, Quota, Resource
from providers.compute.outscale_connection import OscConnection
from providers.compute.outscale_parts import gigabytes

TINA_CORES = (1, 2, 4, 8, 16)
TINA_GIB_PER_CORE = (1, 2, 4, 8)
CORE_PRICE = re.compile(r"^CustomCore:v(\d+)-p([1-3])$")
IMAGE_ID = re.compile(r"^ami-[0-9a-f]{8}$")
NEUTRAL = re.compile(r"^[a-z]+-[0-9.]+$")
"""Bascule's names of images, such as debian-12; the vendor's are such as Debian-12-2024.05.14-0."""
BUILD = re.compile(r"^-(\d{4}\.\d{2}\.\d{2})-(\d+)$")
OWN_IMAGES = {"AccountAliases": ["Outscale"], "Architectures": ["x86_64"], "States": ["available"]}
EURO_REGIONS = ("eu-", "cloudgouv-eu-")

QUOTAS = {
    "vm_limit": Resource.SERVERS,
    "core_limit": Resource.CPU,
    "memory_limit": Resource.MEMORY,
    "volume_limit": Resource.VOLUMES,
    "volume_size_limit": Resource.VOLUME_GB,
    "snapshot_limit": Resource.SNAPSHOTS,
    "ip_limit": Resource.ADDRESSES,
    "sg_limit": Resource.FIREWALLS,
}
IN_GIB = frozenset({Resource.MEMORY, Resource.VOLUME_GB})


class Catalogue:
    """The driver's methods on what the cloud has."""

    connection: OscConnection
    images: Mapping[str, str]
    region: str
    where: str

    def ex_offers(self) -> list[Offer]:
        """The named types and a ladder of TINA sizes; the vendor tells no stock before it refuses."""
        prices = self._prices()
        named = [
            Offer(
                kind["VmTypeName"],
                int(kind["VcoreCount"]),
                gigabytes(kind["MemorySize"]),
                0.0,
                hourly=prices.get(f"BoxUsage:{kind['VmTypeName']}"),
            )
            for kind in self.connection.read("ReadVmTypes", "VmTypes")
            if not kind.get("Gpu")
        ]
        return named + list(_ladder(prices))

    def ex_image(self, name: str) -> str:
        """The newest of the vendor's own images for a neutral name; the scope's `images` go before."""
        wanted = self.images.get(name, name)
        if IMAGE_ID.match(wanted):
            found = list(self.connection.read("ReadImages", "Images", {"ImageIds": [wanted]}))
        else:
            found = list(self.connection.read("ReadImages", "Images", {"ImageNames": [wanted]}))
        if found:
            return str(max(found, key=lambda image: image["CreationDate"])["ImageId"])
        own = list(self.connection.read("ReadImages", "Images", OWN_IMAGES))
        builds = {image["ImageName"]: image["ImageId"] for image in own}
        newest = max(
            (each for each in builds if any(_build(each, wanted))), key=lambda each: _build(each, wanted), default=""
        )
        if NEUTRAL.match(wanted) and newest:
            return str(builds[newest])
        raise ProviderError(f"{self.where} has no image {wanted}; {_near(wanted, builds)}.", permanent=True)

    def ex_quotas(self) -> list[Quota]:
        """The account's quotas; those of one security group or net are left out."""
        kinds = self.connection.read("ReadQuotas", "QuotaTypes", {"QuotaTypes": ["global"]})
        return [
            _quota(QUOTAS[quota["Name"]], quota)
            for kind in kinds
            for quota in kind.get("Quotas") or []
            if quota["Name"] in QUOTAS
        ]

    def _prices(self) -> dict[str, float]:
        """Euros an hour by the price list's types; empty where the vendor bills in another currency."""
        if not self.region.startswith(EURO_REGIONS):
            return {}
        entries = self.connection.call("ReadPublicCatalog")["Catalog"]["Entries"]
        return {
            entry["Type"]: float(entry["UnitPrice"])
            for entry in entries
            if entry.get("Operation") == "RunInstances-OD" and entry.get("Flags") != "PER_MONTH"
        }


def _ladder(prices: Mapping[str, float]) -> Iterator[Offer]:
    """TINA sizes of every generation and performance that has a price."""
    for kind, core in sorted(prices.items()):
        found = CORE_PRICE.match(kind)
        if found is None or "CustomRam" not in prices:
            continue
        for cores in TINA_CORES:
            for memory in (cores * ratio for ratio in TINA_GIB_PER_CORE):
                hourly = round(cores * core + memory * prices["CustomRam"], 4)
                name = f"tinav{found[1]}.c{cores}r{memory}p{found[2]}"
                yield Offer(name, cores, gigabytes(memory), 0.0, hourly=hourly)


def _build(image: str, neutral: str) -> tuple[str, int]:
    """Date and number of an image's build; falsy unless the image is one of this neutral name."""
    found = BUILD.match(image[len(neutral) :]) if image.lower().startswith(neutral) else None
    return (found[1], int(found[2])) if found else ("", 0)


def _near(wanted: str, builds: Mapping[str, str]) -> str:
    family = wanted.split("-")[0].lower()
    near = sorted(name for name in builds if name.lower().startswith(family)) or sorted(builds)
    return f"near are {', '.join(near[-10:])}" if near else "the vendor lists none"


def _quota(resource: Resource, told: Mapping[str, Any]) -> Quota:
    """The vendor counts GiB, and writes 0 where there is no limit."""
    used, limit = float(told["UsedValue"]), float(told["MaxValue"])
    if resource in IN_GIB:
        used, limit = gigabytes(used), gigabytes(limit)
    return Quota(resource, used, limit or None)
