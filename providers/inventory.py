"""What an organisation has at a vendor, in words that no vendor owns: servers, volumes, buckets, zones.

An inventory is taken while the source still answers and kept for the day it no
longer does. Each part is read by itself: what one refused API hides is said in
`troubles`, and the other parts are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, Protocol, get_args

from pydantic import TypeAdapter

from providers.base import JsonMap

Part = Literal["servers", "volumes", "security_groups", "buckets", "zones"]
PARTS: tuple[Part, ...] = get_args(Part)
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Server:
    """A virtual machine. `volumes` and `security_groups` are ids; `image_name` is empty when it could not be read."""

    id: str
    name: str
    type: str
    state: str
    image: str
    image_name: str = ""
    architecture: str = ""
    platform: str = ""
    location: str = ""
    network: str = ""
    subnet: str = ""
    key: str = ""
    launched: str = ""
    public_addresses: tuple[str, ...] = ()
    private_addresses: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """A block volume; `attached_to` holds servers' ids."""

    id: str
    name: str
    bytes: int
    type: str
    state: str
    encrypted: bool
    location: str = ""
    snapshot: str = ""
    attached_to: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a security group lets through: `ports` reads `443`, `8000-8080` or `all`; `peers` are networks or groups."""

    direction: Literal["in", "out"]
    protocol: str
    ports: str
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    id: str
    name: str
    description: str = ""
    network: str = ""
    rules: tuple[Rule, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bucket:
    """An object store's bucket, as of `read_at` (seconds since the epoch, UTC).

    `objects` and `bytes` count the current versions; None when they could not be
    read, and the least there is when `counted` is false: there was no time to
    count them all. `versioning` and `encryption` are empty when they could not be read.
    """

    name: str
    read_at: float
    location: str = ""
    created: str = ""
    objects: int | None = None
    bytes: int | None = None
    counted: bool = False
    versioning: str = ""
    encryption: str = ""


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All values of one name and type, as zone-file texts with absolute names.

    `remark` says why the set is no plain DNS record, and is empty for one that is:
    an alias, or one of several answers that the vendor chooses between.
    """

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Zone:
    """A DNS zone with all its record sets, as of `read_at`; None when they could not be read.

    `expected` is the number of record sets that the vendor itself counts.
    """

    id: str
    name: str
    private: bool
    read_at: float
    expected: int = 0
    comment: str = ""
    records: tuple[RecordSet, ...] | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """What could not be read: of which part, about which thing in it (or all of it), and why, in one sentence."""

    part: Part
    about: str
    message: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one source has. A part that is None was never read; `read_at` says when each other one was."""

    scope: str
    source: str
    driver: str
    region: str
    read_at: Mapping[Part, float] = field(default_factory=dict)
    servers: tuple[Server, ...] | None = None
    volumes: tuple[Volume, ...] | None = None
    security_groups: tuple[SecurityGroup, ...] | None = None
    buckets: tuple[Bucket, ...] | None = None
    zones: tuple[Zone, ...] | None = None
    troubles: tuple[Trouble, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything was read, every part and everything in it."""
        return not self.troubles and all(getattr(self, part) is not None for part in PARTS)

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return found


class Source(Protocol):
    """One vendor's account, read only. Instances are made per call."""

    def look(self) -> Inventory:
        """Everything that can be read now; what cannot is in `troubles`. Raises ProviderError(permanent)
        when the scope's block itself cannot be used."""
        ...


@cache
def _adapter() -> TypeAdapter[Inventory]:
    return TypeAdapter(Inventory)


def inventory_from_json(data: JsonMap) -> Inventory:
    """Raises ValueError when it is no inventory."""
    return _adapter().validate_python(data)


def completed(new: Inventory, earlier: Inventory) -> Inventory:
    """`new`, with what could not be read taken from `earlier`: parts, zones' records, buckets' sizes.

    What was read later always stands; whatever is taken over keeps its own date,
    and the troubles stay: they say why it is old.
    """
    taken: dict[str, Any] = {"read_at": dict(new.read_at)}
    for part in PARTS:
        if getattr(new, part) is None and getattr(earlier, part) is not None:
            taken[part] = getattr(earlier, part)
            taken["read_at"][part] = earlier.read_at[part]
    if new.zones is not None and earlier.zones is not None:
        taken["zones"] = _zones_completed(new.zones, earlier.zones)
    if new.buckets is not None and earlier.buckets is not None:
        taken["buckets"] = _buckets_completed(new.buckets, earlier.buckets)
    return replace(new, **taken)


def _zones_completed(zones: Sequence[Zone], earlier: Sequence[Zone]) -> tuple[Zone, ...]:
    known = {zone.id: zone for zone in earlier if zone.records is not None}
    return tuple(known.get(zone.id, zone) if zone.records is None else zone for zone in zones)


def _buckets_completed(buckets: Sequence[Bucket], earlier: Sequence[Bucket]) -> tuple[Bucket, ...]:
    known = {bucket.name: bucket for bucket in earlier if bucket.objects is not None}
    return tuple(known.get(bucket.name, bucket) if bucket.objects is None else bucket for bucket in buckets)
