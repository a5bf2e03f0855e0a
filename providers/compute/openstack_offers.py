"""What an OpenStack cloud has: flavors, images and quotas."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from providers.base import ProviderError
from providers.compute.driver import Architecture, Offer, Quota, Resource
from providers.compute.openstack_cloud import OpenStackCloud, quoted
from providers.vendor_http import RefusedError

MIB = 2**20
NEUTRAL = re.compile(r"^(?P<system>debian|ubuntu)-(?P<version>\d+(?:\.\d+)?)$")
PLAIN_WORDS = frozenset(
    [
        "amd64",
        "arm64",
        "bit",
        "bookworm",
        "bullseye",
        "cloud",
        "cloudimg",
        "daily",
        "generic",
        "genericcloud",
        "gnu",
        "jammy",
        "jellyfish",
        "latest",
        "linux",
        "lts",
        "noble",
        "numbat",
        "openstack",
        "qcow2",
        "raw",
        "server",
        "trixie",
        "uefi",
        "x64",
        "x86",
    ]
)
"""Words of an image's name that say nothing of software put on top."""
UUID = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)


class Offers(OpenStackCloud):
    """Flavors are Nova's, images Glance's; each of three services has quotas of its own."""

    def ex_offers(self) -> list[Offer]:
        """All flavors. Nova tells neither prices nor stock."""
        return sorted((_offer(flavor) for flavor in self._flavors()), key=lambda offer: offer.name)

    def ex_flavor(self, size: str) -> dict[str, Any]:
        """A flavor by its name or id. Raises ProviderError(permanent)."""
        flavors = self._flavors()
        for flavor in flavors:
            if size in (flavor["name"], str(flavor["id"])):
                return dict(flavor)
        names = [str(flavor["name"]) for flavor in flavors]
        near = ", ".join(difflib.get_close_matches(size, names, 5, 0.3) or sorted(names)[:8]) or "none"
        raise ProviderError(f"{self.where} has no size {size}; its sizes: {near}.", permanent=True)

    def _flavors(self) -> list[Any]:
        return self._listed(self.connection, "/flavors/detail", "flavors")

    def ex_image(self, name: str) -> str:
        """The id of an image by id, the cloud's own name, or a neutral name; the newest when there are several."""
        return str(self.ex_image_facts(name)["id"])

    def ex_image_facts(self, name: str) -> dict[str, Any]:
        """An image as Glance describes it. Raises ProviderError(permanent) that lists what is near."""
        wanted = self.wiring.images.get(name, name)
        if UUID.match(wanted):
            found = self._one(self.image_connection, f"/v2/images/{quoted(wanted)}")  # not wrapped, unlike others
        else:
            images = self._listed(self.image_connection, "/v2/images", "images", {"status": "active"})
            found = newest(images, wanted)
            if found is None:
                raise ProviderError(f"{self.where} has no image {wanted}; {near(images, wanted)}.", permanent=True)
        if found is None:
            raise ProviderError(
                f"{self.where} has no image {wanted}; correct it, or write the image's name.", permanent=True
            )
        return found

    def ex_quotas(self) -> list[Quota]:
        """Nova's and Cinder's limits with what is used of them; Neutron's where it tells a project its own."""
        nova = self._limits(self.connection)
        cinder = self._limits(self.volumev3_connection)
        return [
            _quota(Resource.SERVERS, nova, "totalInstancesUsed", "maxTotalInstances"),
            _quota(Resource.CPU, nova, "totalCoresUsed", "maxTotalCores"),
            _quota(Resource.MEMORY, nova, "totalRAMUsed", "maxTotalRAMSize", MIB / 1e9),
            _quota(Resource.VOLUMES, cinder, "totalVolumesUsed", "maxTotalVolumes"),
            _quota(Resource.VOLUME_GB, cinder, "totalGigabytesUsed", "maxTotalVolumeGigabytes"),
            _quota(Resource.SNAPSHOTS, cinder, "totalSnapshotsUsed", "maxTotalSnapshots"),
            *self._network_quotas(),
        ]

    def _limits(self, connection: Any) -> Mapping[str, Any]:
        return self._told(connection, "/limits", "limits", "absolute")

    def _network_quotas(self) -> list[Quota]:
        """Nothing where the cloud lets only its administrators read them, or is too old to count."""
        self.keystone.authenticated()
        path = f"/v2.0/quotas/{quoted(self.keystone.project)}/details.json"
        try:
            told = self._told(self.network_connection, path, "quota")
        except RefusedError as error:
            if error.code in {403, 404}:
                return []
            raise
        kinds = {Resource.ADDRESSES: "floatingip", Resource.FIREWALLS: "security_group"}
        return [_quota(resource, told[kind], "used", "limit") for resource, kind in kinds.items() if kind in told]


def newest(images: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any] | None:
    """The newest image of this name, or of this neutral name; the cloud's own go before what projects uploaded."""
    named = [image for image in images if image.get("name") == name]
    found = named or [image for image in images if is_plain(image, name)]
    best = max(
        found, key=lambda image: (image.get("visibility") == "public", str(image.get("created_at"))), default=None
    )
    return None if best is None else dict(best)


def is_plain(image: Mapping[str, Any], neutral: str) -> bool:
    """Whether the image is just this system: not one with software put on top, nor a snapshot of a server.

    By the name, as clouds write it: `Debian 12`, `Debian 12.9 bookworm`, `debian-12-genericcloud-amd64`.
    """
    wanted = NEUTRAL.match(neutral)
    if wanted is None or image.get("image_type") == "snapshot":
        return False
    system, version = wanted["system"], re.escape(wanted["version"])
    found = re.match(rf"{system}[\s_\-]*{version}(?:\.\d+)*(?![\d])(?P<rest>.*)$", str(image.get("name", "")), re.I)
    words = re.findall(r"[a-z]+\d*|\d+[a-z]+", found["rest"].lower()) if found else []
    return found is not None and set(words) <= PLAIN_WORDS


def near(images: Iterable[Mapping[str, Any]], name: str) -> str:
    """For a message: names like the one that was not found."""
    names = sorted({str(image.get("name")) for image in images if image.get("image_type") != "snapshot"})
    alike = [each for each in names if each.lower().startswith(name.partition("-")[0].lower())]
    shown = alike[:8] or difflib.get_close_matches(name, names, 8, 0.3) or names[:8]
    return f"its images: {', '.join(shown)}" if shown else "it shows this project no images"


def _offer(flavor: Mapping[str, Any]) -> Offer:
    name = str(flavor["name"])
    architecture: Architecture = "arm64" if re.search(r"arm64|aarch64", name, re.IGNORECASE) else "x86_64"
    return Offer(
        name,
        int(flavor["vcpus"]),
        round(int(flavor["ram"]) * MIB / 1e9, 1),
        float(flavor.get("disk") or 0),
        architecture,
        available=not flavor.get("OS-FLV-DISABLED:disabled", False),
    )


def _quota(resource: Resource, told: Mapping[str, Any], used: str, limit: str, unit: float = 1.0) -> Quota:
    """Counted in units of `unit`; a limit of -1 is none."""
    most = told.get(limit)
    return Quota(
        resource,
        round(float(told.get(used) or 0) * unit, 1),
        None if most is None or int(most) < 0 else round(float(most) * unit, 1),
    )
