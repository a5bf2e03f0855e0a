"""What one simulated cloud sells: sizes, images, quotas and stock, in no vendor's shape."""

from dataclasses import dataclass, field
from typing import Any

GB = 1000**3
CATALOGUE_DATE = "2026-01-15T10:00:00.000000+00:00"
ROOT_GB = 10


@dataclass(frozen=True, slots=True)
class Size:
    """`storage`: the kind of its root volume, in the vendor's word. `max_gb`: of local volumes, 0 if it has none."""

    name: str
    cpu: int
    ram_gb: float
    hourly_price: float
    storage: str
    max_gb: int
    arch: str = "x86_64"


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    label: str
    name: str


@dataclass(slots=True)
class Catalogue:
    """The seed of one cloud. `quotas`: by what they count (servers, cpu, volumes, volume_gb, snapshots, firewalls).

    `stock`: how many servers of a size can still be started; a size that is not in it never runs out.
    """

    organization: str
    project: str
    zones: tuple[str, ...]
    quotas: dict[str, int]
    sizes: dict[str, Size]
    images: tuple[Image, ...]
    stock: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_seed(cls, seed: dict[str, Any]) -> "Catalogue":
        return cls(
            seed["organization"],
            seed["project"],
            tuple(seed["zones"]),
            dict(seed["quotas"]),
            {name: Size(name, **facts) for name, facts in seed["sizes"].items()},
            tuple(Image(**facts) for facts in seed["images"]),
            dict(seed.get("stock", {})),
        )

    def image(self, id_or_label: str) -> Image | None:
        return next((image for image in self.images if id_or_label in (image.id, image.label)), None)
