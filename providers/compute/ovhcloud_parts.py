"""Volumes, snapshots and failover addresses at OVHcloud, by its native API.

Facts: the vendor's description of the API (cloud.json). Volumes and snapshots have
no tags, so their names carry them, as with servers. There are no security groups
in the native API; they are OpenStack's there.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from libcloud.compute.base import Node

from providers.base import ProviderError
from providers.compute.driver import Part, PartKind, Rule, VolumeOrder
from providers.compute.name_marks import marked, read
from providers.vendor_http import RefusedError

VOLUME_TYPES = ("classic", "high-speed", "high-speed-gen2")
PATHS = {PartKind.VOLUME: "volume", PartKind.SNAPSHOT: "volume/snapshot", PartKind.ADDRESS: "ip/failover"}
PASSING = frozenset({400, 404, 409, 412})
"""OVHcloud hands on what OpenStack answers: Compute says 409 to an action that the state forbids (404 once the thing
is gone), Block Storage says 400 to one on a volume of another status."""


class NativeParts:
    """What belongs to servers; mixed into the driver, which sends the requests."""

    where: str
    region: str
    heard: set[str]
    asked: Mapping[str, Any]
    _read: Any
    _one: Any
    _write: Any
    _made: Any

    def ex_part(self, kind: PartKind, part_id: str, flavour: str = "") -> Part | None:
        """One part by its id; None when it does not exist (any more), as no firewall does."""
        if kind is PartKind.FIREWALL:
            return None
        found = self._one(f"{PATHS[kind]}/{quote(part_id, safe='')}")
        return None if found is None else self._part(kind, found)

    def ex_parts(self, ex_tags: Iterable[str]) -> list[Part]:
        """The region's volumes and snapshots with at least these tags. Failover addresses have no name to carry any."""
        tags = frozenset(ex_tags)
        self.heard |= tags
        kinds = (PartKind.VOLUME, PartKind.SNAPSHOT)
        parts = [self._part(kind, one) for kind in kinds for one in self._read(PATHS[kind], region=self.region)]
        return [part for part in parts if tags <= part.tags]

    def ex_delete_part(self, part: Part) -> None:
        """Delete a volume or snapshot; one that is gone already raises RefusedError 404."""
        if part.kind is PartKind.ADDRESS:
            raise ProviderError(
                f"{self.where}: a failover address is a contract of its own; end it in OVHcloud's control panel.",
                permanent=True,
            )
        if part.kind is PartKind.FIREWALL:
            raise RefusedError(404, "the native API has no firewalls", {})
        self._write("DELETE", f"{PATHS[part.kind]}/{part.id}")

    def ex_create_volume(self, order: VolumeOrder) -> Part:
        """One request; the name carries the tags. `more` may have `type`: classic (default), high-speed…

        Raises ProviderError(permanent) when `more` asks for what the vendor does not know.
        """
        kind = order.more.get("type", VOLUME_TYPES[0])
        if kind not in VOLUME_TYPES or set(order.more) - {"type"}:
            raise ProviderError(
                f"{self.where} has no volume {dict(order.more)}; give a `type` of {', '.join(VOLUME_TYPES)}.",
                permanent=True,
            )
        self.heard |= order.tags
        size = math.ceil(order.size)
        body = {"name": marked(order.name, order.tags), "region": self.region, "size": size, "type": kind}
        if order.snapshot is not None:
            body["snapshotId"] = order.snapshot
        self.asked = {"volumes": 1, "gigabytes": size}
        return self._part(PartKind.VOLUME, self._made("volume", body))

    def ex_attach(self, volume: Part, node: Node) -> None:
        """Attach a volume to a server; it is attached later."""
        self._write("POST", f"volume/{volume.id}/attach", {"instanceId": node.id})

    def ex_detach(self, volume: Part, node: Node) -> None:
        """Detach a volume; it is free later."""
        self._write("POST", f"volume/{volume.id}/detach", {"instanceId": node.id})

    def ex_create_snapshot(self, volume: Part, name: str, tags: frozenset[str]) -> Part:
        """One request; the name carries the tags. The snapshot is complete later (`state` available)."""
        self.heard |= tags
        made = self._made(f"volume/{volume.id}/snapshot", {"name": marked(name, tags)})
        return self._part(PartKind.SNAPSHOT, made)

    def ex_create_firewall(self, name: str, tags: frozenset[str], rules: Sequence[Rule]) -> Part:
        """Raises ProviderError(permanent): the native API has no firewalls."""
        raise ProviderError(no_firewalls(self.where), permanent=True)

    def ex_is_passing(self, error: RefusedError) -> bool:
        """Whether OVHcloud answers so while a server or volume just changes its state."""
        return error.code in PASSING

    def _part(self, kind: PartKind, told: Mapping[str, Any]) -> Part:
        if kind is PartKind.ADDRESS:
            holder = told.get("routedTo")
            return Part(
                kind,
                told["id"],
                name=str(told.get("ip") or ""),
                holders=frozenset([holder] if holder else []),
                flavour="failover",
                state=told.get("status", ""),
            )
        mark = read(told.get("name") or "", self.heard)
        return Part(
            kind,
            told["id"],
            name=mark.name,
            tags=mark.tags,
            holders=frozenset(told.get("attachedTo") or []),
            flavour=told.get("type", ""),
            size=float(told["size"]),
            state=told["status"],
        )


def no_firewalls(where: str) -> str:
    """The refusal, with the way out."""
    return (
        f"{where}: OVHcloud's native API has no firewalls; describe this cloud with driver openstack in the scope, "
        "or filter inside the server."
    )
