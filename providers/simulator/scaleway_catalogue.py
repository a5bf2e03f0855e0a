"""What the Scaleway stand-in sells: sizes and images, in the shapes of the Instance API v1."""

import uuid
from dataclasses import dataclass
from typing import Any

GB = 1000**3
CATALOGUE_DATE = "2026-01-15T10:00:00.000000+00:00"
ROOT_GB = 10


@dataclass(frozen=True, slots=True)
class Size:
    name: str
    ncpus: int
    ram_gb: int
    hourly_price: float
    storage: str
    max_gb: int

    def shown(self) -> dict[str, Any]:
        return {
            "alt_names": [],
            "arch": "x86_64",
            "baremetal": False,
            "capabilities": {"boot_types": ["local", "rescue"], "block_storage": True},
            "hourly_price": self.hourly_price,
            "monthly_price": round(self.hourly_price * 730, 2),
            "ncpus": self.ncpus,
            "gpu": 0,
            "ram": self.ram_gb * 1024**3,
            "network": {
                "sum_internal_bandwidth": 200_000_000,
                "sum_internet_bandwidth": 200_000_000,
                "ipv6_support": True,
                "interfaces": [],
            },
            "volumes_constraint": {"min_size": 0, "max_size": self.max_gb * GB},
            "per_volume_constraint": {"l_ssd": {"min_size": GB, "max_size": self.max_gb * GB}},
            "scratch_storage_max_size": None,
            "end_of_service": False,
        }


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    label: str
    name: str

    def shown(self, zone: str) -> dict[str, Any]:
        root = str(uuid.uuid5(uuid.NAMESPACE_OID, self.id))
        return {
            "id": self.id,
            "name": self.name,
            "arch": "x86_64",
            "creation_date": CATALOGUE_DATE,
            "modification_date": CATALOGUE_DATE,
            "default_bootscript": None,
            "extra_volumes": {},
            "from_server": "",
            "organization": "51b656e3-4865-41e8-adbc-0c45bdd780db",
            "project": "51b656e3-4865-41e8-adbc-0c45bdd780db",
            "public": True,
            "root_volume": {"id": root, "name": self.name, "size": ROOT_GB * GB, "volume_type": "unified"},
            "state": "available",
            "tags": [],
            "zone": zone,
        }


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The seed of the Scaleway stand-in."""

    organization: str
    project: str
    zones: tuple[str, ...]
    server_quota: int
    sizes: dict[str, Size]
    images: tuple[Image, ...]

    @classmethod
    def from_seed(cls, seed: dict[str, Any]) -> "Catalogue":
        return cls(
            seed["organization"],
            seed["project"],
            tuple(seed["zones"]),
            seed["quotas"]["servers"],
            {name: Size(name, **facts) for name, facts in seed["sizes"].items()},
            tuple(Image(**facts) for facts in seed["images"]),
        )

    def image(self, id_or_label: str) -> Image | None:
        return next((image for image in self.images if id_or_label in (image.id, image.label)), None)
