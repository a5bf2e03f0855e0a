"""What OVHcloud has: sizes, images, quotas; and what is used up when it says no.

Facts: the vendor's description of the API (cloud.json). A flavor says by itself
whether it is in stock (`available`) and how many of it the quota still allows
(`quota`). How a refusal for want of either is worded is not described, so it is
told by these numbers, read after the refusal.
"""

import re
from collections.abc import Mapping
from typing import Any

from providers.base import ProviderError
from providers.compute.driver import Offer, Quota, Resource
from providers.compute.ovhcloud_signed import CREDENTIAL_CODES
from providers.vendor_http import RefusedError

NEUTRAL = {
    "debian-11": "Debian 11",
    "debian-12": "Debian 12",
    "debian-13": "Debian 13",
    "ubuntu-22.04": "Ubuntu 22.04",
    "ubuntu-24.04": "Ubuntu 24.04",
    "ubuntu-26.04": "Ubuntu 26.04",
}
"""Bascule's names of images: how the vendor's begin."""
REFUSALS = frozenset({400, 403, 409, 412, 413})
"""Statuses of a creation that was refused for want of something."""
QUOTAS = (
    (Resource.SERVERS, "instance", "usedInstances", "maxInstances", 1.0),
    (Resource.CPU, "instance", "usedCores", "maxCores", 1.0),
    (Resource.MEMORY, "instance", "usedRAM", "maxRam", 1000.0),
    (Resource.VOLUMES, "volume", "volumeCount", "maxVolumeCount", 1.0),
    (Resource.VOLUME_GB, "volume", "usedGigabytes", "maxGigabytes", 1.0),
    (Resource.ADDRESSES, "network", "usedFloatingIPs", "maxFloatingIPs", 1.0),
)
"""Resource, block and fields of `cloud.quota.Quotas`, and how many of its unit make one of ours (memory is in MB)."""
NAMES = {
    Resource.SERVERS: "servers",
    Resource.CPU: "processors",
    Resource.MEMORY: "memory (GB)",
    Resource.VOLUMES: "volumes",
    Resource.VOLUME_GB: "volume space (GB)",
}


class NativeMarket:
    """What can be had; mixed into the driver, which sends the requests."""

    where: str
    region: str
    images: dict[str, str]
    asked: Mapping[str, Any]
    """What the last creation needs: instances and the flavor's id, or volumes and gigabytes."""
    _read: Any
    _one: Any

    def ex_offers(self) -> list[Offer]:
        """The region's sizes for Linux. The prices are in another catalogue, so `hourly` is None."""
        return sorted((_offer(one) for one in self._flavors()), key=lambda offer: offer.name)

    def ex_image(self, name: str) -> str:
        """The id of an image by Bascule's name, the scope's own, the vendor's, or its id; the newest of several."""
        wanted = self.images.get(name, name)
        images = [one for one in self._read("image", region=self.region) if one.get("status") == "active"]
        found = _matching(images, wanted)
        if not found:
            # Images that the project made itself are listed apart.
            images += self._read("snapshot", region=self.region)
            found = _matching(images, wanted)
        if not found:
            near = ", ".join(sorted({one["name"] for one in images if _near(one["name"], wanted)})[:8])
            raise ProviderError(
                f"{self.where} has no image {name}{f'; near are: {near}' if near else ''}; correct the image.",
                permanent=True,
            )
        return str(max(found, key=lambda one: one.get("creationDate") or "")["id"])

    def ex_quotas(self) -> list[Quota]:
        """What the project uses and may use in this region."""
        told = self._read(f"region/{self.region}/quota")
        return [
            Quota(resource, used / unit, None if limit < 0 else limit / unit)
            for resource, block, used_name, limit_name, unit in QUOTAS
            if (used := (told.get(block) or {}).get(used_name)) is not None
            and (limit := told[block].get(limit_name)) is not None
        ]

    def ex_no_capacity(self, error: RefusedError) -> str | None:
        """What the last creation lacked, by the numbers that the vendor gives now; None when nothing is used up."""
        if error.code not in REFUSALS or error.kind in CREDENTIAL_CODES or not self.asked:
            return None
        try:
            return self._lacking() or _quota_said(error)
        except RefusedError:
            return _quota_said(error)

    def _lacking(self) -> str | None:
        need: dict[Resource, float] = {
            Resource.VOLUMES: self.asked.get("volumes", 0),
            Resource.VOLUME_GB: self.asked.get("gigabytes", 0),
        }
        if "flavor" in self.asked:
            flavor = self._one(f"flavor/{self.asked['flavor']}")
            if flavor is None or not flavor["available"]:
                return f"size {flavor['name'] if flavor else self.asked['flavor']} in stock"
            need = {
                Resource.SERVERS: 1,
                Resource.CPU: flavor["vcpus"],
                Resource.MEMORY: _gigabytes(flavor["ram"]),
            }
        for quota in self.ex_quotas():
            if quota.limit is not None and need.get(quota.resource, 0) > quota.limit - quota.used:
                return f"the quota of {NAMES[quota.resource]} ({quota.used:g} of {quota.limit:g})"
        return None

    def _flavor(self, size: str) -> dict[str, Any]:
        """One flavor by its name or id. Raises ProviderError(permanent) that lists what is near."""
        flavors = self._flavors()
        found = next((one for one in flavors if size in (one["id"], one["name"])), None)
        if found is None:
            near = [one["name"] for one in flavors if _near(one["name"], size)] or [one["name"] for one in flavors]
            raise ProviderError(
                f"{self.where} has no size {size}; near are: {', '.join(sorted(near)[:8])}.", permanent=True
            )
        return found

    def _flavors(self) -> list[dict[str, Any]]:
        return [one for one in self._read("flavor", region=self.region) if one["osType"] == "linux"]


def _offer(flavor: Mapping[str, Any]) -> Offer:
    return Offer(
        name=flavor["name"],
        cpu=int(flavor["vcpus"]),
        memory=_gigabytes(flavor["ram"]),
        disk=float(flavor["disk"]),
        available=bool(flavor["available"]),
    )


def _gigabytes(ram: float) -> float:
    """The description says GiB and the answers are in MB (7000 for b2-7): no size has 512 GB or less than 512 MB."""
    return ram / 1000 if ram >= 512 else float(ram)


def _matching(images: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """Those of this id, else of this very name, else for a neutral name those that begin so and are not superseded."""
    exact = [one for one in images if one["id"] == wanted] or [one for one in images if one["name"] == wanted]
    begins = NEUTRAL.get(wanted)
    if exact or begins is None:
        return exact
    named = [one for one in images if one["name"] == begins]
    return named or [
        one
        for one in images
        if re.match(rf"{re.escape(begins)}(?!\d)", one["name"]) and "deprecated" not in one["name"].lower()
    ]


def _near(name: str, wanted: str) -> bool:
    """Whether both begin with the same word."""
    return re.split(r"[\W_\d]", name.lower())[0] == re.split(r"[\W_\d]", wanted.lower())[0]


def _quota_said(error: RefusedError) -> str | None:
    """OpenStack's own sentence, handed on: the only sign when the numbers moved on, or may not be read."""
    said = re.search(r"quota exceeded for (\w+)|exceeded for quota '(\w+)'", error.message, re.IGNORECASE)
    return f"the quota of {said[1] or said[2]}" if said else None
