"""What a cloud's driver does for Bascule: libcloud's node API, and what that API has no common words for.

Each cloud has one subclass of libcloud's driver that follows `CloudDriver`; the
rest of this package knows clouds by this protocol alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from libcloud.compute.base import Node

from providers.base import ProviderError
from providers.vendor_http import Deadline, RefusedError, VendorConnection

Architecture = Literal["x86_64", "arm64"]


class NoCapacityError(ProviderError):
    """The cloud has no room for what was asked: a quota is used up, or the size is out of stock.

    Nothing of this request was made, or what was made is to be released before
    another cloud is asked. Trying again at once cannot help.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)


@dataclass(frozen=True, slots=True)
class Offer:
    """One size that a cloud sells at the driver's place.

    `memory` and `disk` in GB (10^9 bytes, rounded); `disk` is what comes with the
    size, 0 where disks are volumes of any size. `available`: in stock now, as far
    as the vendor says. `hourly`: euros an hour, None where the API has no price.
    """

    name: str
    cpu: int
    memory: float
    disk: float
    architecture: Architecture = "x86_64"
    available: bool = True
    hourly: float | None = None


class Resource(StrEnum):
    """What a quota counts."""

    SERVERS = "servers"
    CPU = "cpu"
    MEMORY = "memory"
    VOLUMES = "volumes"
    VOLUME_GB = "volume_gb"
    SNAPSHOTS = "snapshots"
    ADDRESSES = "addresses"
    FIREWALLS = "firewalls"


@dataclass(frozen=True, slots=True)
class Quota:
    """`used` of `limit`; memory and volumes in GB; `limit` None where there is none."""

    resource: Resource
    used: float
    limit: float | None


class PartKind(StrEnum):
    """What can belong to a server, or outlive it."""

    VOLUME = "volume"
    ADDRESS = "address"
    SNAPSHOT = "snapshot"
    FIREWALL = "firewall"


UNFINISHED = "unfinished"
"""The `state` of a part whose tags or rules are missing as yet: making it again finishes it, and makes no second."""


@dataclass(frozen=True, slots=True)
class Part:
    """A volume, address, snapshot or firewall. `holders`: ids of the servers it is attached to.

    `flavour`: the vendor's own word for its kind, which decides how it is deleted
    (Scaleway's `l_ssd` and `sbs_volume`). `size`: GB, for volumes and snapshots.
    """

    kind: PartKind
    id: str
    name: str = ""
    tags: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()
    flavour: str = ""
    size: float = 0.0
    state: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Inbound traffic that a firewall lets in: `ports` from `source` (a network); ICMP has no ports."""

    protocol: Literal["tcp", "udp", "icmp"]
    first_port: int | None = None
    last_port: int | None = None
    source: str = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Order:
    """A server to be made. `size` and `image` are the vendor's own ids, from `ex_offers` and `ex_image`.

    `tags`: `bascule`, `bascule-run=…` and `bascule-step=…` (proof.py).
    `ssh_key`: the name of a public key that is kept at the vendor. `disk`: GB of the
    root disk, 0 for the size's own. `firewall`: the id of a firewall made before.
    """

    name: str
    size: str
    image: str
    tags: frozenset[str]
    user_data: str | None = None
    ssh_key: str | None = None
    disk: float = 0.0
    firewall: str | None = None


@dataclass(frozen=True, slots=True)
class VolumeOrder:
    """A volume to be made: `size` in GB; `snapshot` is the id of one that it begins as a copy of."""

    name: str
    size: float
    tags: frozenset[str]
    snapshot: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


class CloudDriver(Protocol):
    """One cloud at one place (zone or region), with one credential. One instance a call: drivers are not thread-safe.

    Nodes carry in `extra`: `state` (the vendor's word), `tags` (list of
    `bascule`, `bascule-run=…`), `zone`, `volumes` ({id: flavour}), `ips` (ids of
    the addresses that are to go with the server), `size`. Node states mean:
    STARTING and STOPPING pass by themselves; STOPPED is made and powered off;
    SUSPENDED must be stopped before it can be destroyed; ERROR needs the vendor.

    All methods raise RefusedError (the vendor said no) and requests' exceptions;
    those that write send their request once. `provider_errors` makes sentences of them.
    """

    connection: VendorConnection
    deadline: Deadline
    where: str
    """For messages: the vendor and the place, such as `Scaleway fr-par-1`."""

    # Servers

    def list_nodes(self, ex_name: str | None = None, ex_tags: Iterable[str] = ()) -> list[Node]:
        """Servers with exactly this name and at least these tags, in the order of their ids, all pages."""
        ...

    def ex_servers_of(self, name: str, tags: frozenset[str]) -> list[Node]:
        """The servers with these tags; where there are none, those with this name. In as few requests as can be."""
        ...

    def ex_get_node(self, node_id: str) -> Node | None:
        """One server by its id; None when it does not exist (any more)."""
        ...

    def ex_create(self, order: Order) -> Node:
        """One request. It carries the tags, or a token from which `list_nodes(ex_tags=…)` knows the server as ours.

        The server is left powered off where the vendor allows that: a failure of what follows must not lose it.
        """
        ...

    def ex_complete(self, node: Node, order: Order) -> None:
        """What the create request could not carry: tags first, then user data. Repeatable; nothing where all was.

        Raises NoCapacityError when the cloud has no room for it.
        """
        ...

    def start_node(self, node: Node) -> bool:
        """Power on; it is running later."""
        ...

    def stop_node(self, node: Node) -> bool:
        """Power off; it is stopped later."""
        ...

    def destroy_node(self, node: Node) -> bool:
        """Ask for the server's end, from running or stopped; it is gone later."""
        ...

    # What belongs to servers

    def ex_outlives(self, node: Node) -> bool:
        """Whether something (a volume, an address) stays when this server is destroyed as it is now."""
        ...

    def ex_part(self, kind: PartKind, part_id: str, flavour: str = "") -> Part | None:
        """One part by its id; None when it does not exist (any more)."""
        ...

    def ex_parts(self, ex_tags: Iterable[str]) -> list[Part]:
        """All volumes, snapshots, addresses and firewalls with at least these tags."""
        ...

    def ex_delete_part(self, part: Part) -> None:
        """Delete it; it must have no holder. A part that is gone already raises RefusedError 404."""
        ...

    def ex_create_volume(self, order: VolumeOrder) -> Part:
        """One request that carries the tags or a token, as with servers."""
        ...

    def ex_attach(self, volume: Part, node: Node) -> None:
        """Attach a volume to a server; it is attached later."""
        ...

    def ex_detach(self, volume: Part, node: Node) -> None:
        """Detach a volume; it is free later."""
        ...

    def ex_create_snapshot(self, volume: Part, name: str, tags: frozenset[str]) -> Part:
        """One request; the snapshot is complete later (`state`)."""
        ...

    def ex_create_firewall(self, name: str, tags: frozenset[str], rules: Sequence[Rule]) -> Part:
        """A firewall that drops what comes in but for the rules; what goes out goes.

        Where that takes several requests, one that is cut off leaves an UNFINISHED part, and the next call finishes it.
        """
        ...

    # What the cloud has

    def ex_offers(self) -> list[Offer]:
        """All sizes, all pages."""
        ...

    def ex_image(self, name: str) -> str:
        """The id of an image by Bascule's neutral name (`debian-12`, `ubuntu-24.04`), the vendor's own, or its id.

        Raises ProviderError(permanent) that lists what is near.
        """
        ...

    def ex_quotas(self) -> list[Quota]:
        """What is used and what is allowed, as far as the vendor says."""
        ...

    # What its refusals mean

    def ex_is_passing(self, error: RefusedError) -> bool:
        """Whether the vendor answers so while a server or part just changes its state."""
        ...

    def ex_no_capacity(self, error: RefusedError) -> str | None:
        """What there is none left of (`the quota of servers (20 of 20)`, `size DEV1-S in stock`); None otherwise."""
        ...
