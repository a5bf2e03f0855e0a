"""Volumes, snapshots, public addresses and security groups at Outscale.

Volumes and snapshots are made with a client token: one of each a step. A
security group has none; its name is unique, so the name carries the token, and
its description the tags.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tenacity
from libcloud.compute.base import Node

from providers.base import ProviderError
from providers.compute.driver import UNFINISHED, Part, PartKind, Rule, VolumeOrder
from providers.compute.outscale_connection import OscConnection
from providers.compute.outscale_marks import (
    MADE_BY_US,
    from_vendor,
    is_one_step,
    name_of,
    narrowest,
    to_vendor,
    tokens_of,
)
from providers.compute.proof import MARK
from providers.vendor_http import Deadline, RefusedError

GB = 1000**3
GIB = 1024**3
DEVICES = tuple(f"/dev/xvd{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")
GONE = frozenset({"5020", "5025", "5054", "5063", "5064"})
"""No such security group, address, snapshot, machine, volume."""
MAX_DESCRIPTION = 255
SETTLE_SECONDS = 20.0
"""How long what was just made is waited for."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the API calls one kind of part, and how it is asked for and deleted."""

    read: str
    listed: str
    ids: str
    delete: str
    id: str


KINDS = {
    PartKind.VOLUME: _Kind("ReadVolumes", "Volumes", "VolumeIds", "DeleteVolume", "VolumeId"),
    PartKind.SNAPSHOT: _Kind("ReadSnapshots", "Snapshots", "SnapshotIds", "DeleteSnapshot", "SnapshotId"),
    PartKind.ADDRESS: _Kind("ReadPublicIps", "PublicIps", "PublicIpIds", "DeletePublicIp", "PublicIpId"),
    PartKind.FIREWALL: _Kind(
        "ReadSecurityGroups", "SecurityGroups", "SecurityGroupIds", "DeleteSecurityGroup", "SecurityGroupId"
    ),
}
WITH_TOKEN = frozenset({PartKind.VOLUME, PartKind.SNAPSHOT})


class Parts:
    """The driver's methods on what belongs to servers, or outlives them."""

    connection: OscConnection
    deadline: Deadline
    zone: str
    where: str

    def ex_part(self, kind: PartKind, part_id: str, flavour: str = "") -> Part | None:
        found = next(self._read(kind, {KINDS[kind].ids: [part_id]}), None)
        return None if found is None else self._to_part(kind, found)

    def ex_parts(self, ex_tags: Iterable[str]) -> list[Part]:
        """A volume or snapshot that has no tags yet is known by its token, a security group by its description."""
        tags = frozenset(ex_tags)
        return [part for kind in KINDS for part in self._tagged(kind, tags)]

    def ex_delete_part(self, part: Part) -> None:
        kind = KINDS[part.kind]
        try:
            self.connection.call(kind.delete, **{kind.id: part.id})
        except RefusedError as error:
            if error.kind in GONE:
                raise RefusedError(404, error.message, error.headers, error.kind, error.details) from error
            raise

    def ex_create_volume(self, order: VolumeOrder) -> Part:
        """`more`: `VolumeType` (standard, gp2, io1) and `Iops`. The size is rounded up to whole GiB."""
        wish = {
            "SubregionName": self.zone,
            "VolumeType": "gp2",
            "Size": gibibytes(order.size) if order.size else None,
            "SnapshotId": order.snapshot,
            **order.more,
        }
        return self._made(PartKind.VOLUME, "CreateVolume", "Volume", order.name, order.tags, wish)

    def ex_attach(self, volume: Part, node: Node) -> None:
        vms = self.connection.read("ReadVms", "Vms", {"VmIds": [node.id]})
        taken = {device.get("DeviceName") for vm in vms for device in vm.get("BlockDeviceMappings") or []}
        free = next((device for device in DEVICES if device not in taken), None)
        if free is None:
            raise ProviderError(f"{self.where}: server {node.id} has no free device; detach a volume.", permanent=True)
        self.connection.call("LinkVolume", DeviceName=free, VmId=node.id, VolumeId=volume.id)

    def ex_detach(self, volume: Part, node: Node) -> None:
        self.connection.call("UnlinkVolume", VolumeId=volume.id)

    def ex_create_snapshot(self, volume: Part, name: str, tags: frozenset[str]) -> Part:
        wish = {"VolumeId": volume.id, "Description": name[:MAX_DESCRIPTION]}
        return self._made(PartKind.SNAPSHOT, "CreateSnapshot", "Snapshot", name, tags, wish)

    def ex_create_firewall(self, name: str, tags: frozenset[str], rules: Sequence[Rule]) -> Part:
        """Group, rules, tags: the tags come last and say that it is finished. What was begun before is gone on with."""
        unique = f"{name[:200]}-{_short(name, tags)}"
        group = next(self._read(PartKind.FIREWALL, {"SecurityGroupNames": [unique]}), None)
        if group is None:
            answer = self.connection.call("CreateSecurityGroup", SecurityGroupName=unique, Description=_described(tags))
            group = answer["SecurityGroup"]
        group_id = group["SecurityGroupId"]
        missing = [rule for rule in map(_rule, rules) if not _has(group, rule)]
        if missing:
            self.connection.call("CreateSecurityGroupRule", SecurityGroupId=group_id, Flow="Inbound", Rules=missing)
        self._tag(group_id, group, to_vendor(tags, name))
        return Part(PartKind.FIREWALL, group_id, name, tags)

    def _made(
        self, kind: PartKind, action: str, named: str, name: str, tags: frozenset[str], wish: Mapping[str, Any]
    ) -> Part:
        """Made once for its token, then tagged. A token of what was deleted since is spent: the next one is used."""
        for token in tokens_of(kind, tags):
            made = self.connection.call(action, **{**wish, "ClientToken": token})[named]
            shape = next(self._read(kind, {KINDS[kind].ids: [made[KINDS[kind].id]]}), None)
            if shape is not None and shape["State"] != "deleting":
                self._tag(made[KINDS[kind].id], shape, to_vendor(tags, name))
                ready = self._ready(kind, shape)
                return self._to_part(kind, {**ready, "Tags": to_vendor(tags, name)})
        raise ProviderError(f"{self.where}: this step has made its {kind} too often; begin a new run.", permanent=True)

    def _ready(self, kind: PartKind, shape: dict[str, Any]) -> dict[str, Any]:
        """The part once it is no longer `creating`, or as it is after some seconds: a volume can then be attached."""

        def look() -> dict[str, Any]:
            return next(self._read(kind, {KINDS[kind].ids: [shape[KINDS[kind].id]]}), shape)

        found: dict[str, Any] = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda shape: shape["State"] == "creating"),
            wait=tenacity.wait_exponential(multiplier=0.1, max=2.0),
            stop=tenacity.stop_before_delay(min(SETTLE_SECONDS, self.deadline.left())),
            sleep=self.deadline.sleep,
            retry_error_callback=lambda _: shape,
        )(look)
        return found

    def _tag(self, resource: str, shape: Mapping[str, Any], wanted: list[dict[str, str]]) -> None:
        if any(tag not in shape.get("Tags", []) for tag in wanted):
            self.connection.call("CreateTags", ResourceIds=[resource], Tags=wanted)

    def _tagged(self, kind: PartKind, tags: frozenset[str]) -> Iterator[Part]:
        """All pages of what may have these tags; what is made and has none yet is among it."""
        filters: list[dict[str, list[str]]] = [{}]
        if is_one_step(tags):
            filters = [narrowest(tags)]
            if kind in WITH_TOKEN:
                filters.append({"ClientTokens": tokens_of(kind, tags)})
            if kind is PartKind.FIREWALL:
                filters.append({"Descriptions": [_described(tags)]})
        parts = {shape[KINDS[kind].id]: shape for each in filters for shape in self._read(kind, each)}
        for part in (self._to_part(kind, shape, tags) for shape in parts.values()):
            if tags <= part.tags:
                yield part

    def _read(self, kind: PartKind, filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        return self.connection.read(KINDS[kind].read, KINDS[kind].listed, filters)

    def _to_part(self, kind: PartKind, shape: dict[str, Any], asked: frozenset[str] = frozenset()) -> Part:
        """`asked`: the tags that are looked for; their token is theirs."""
        begun = frozenset[str]() if shape["Tags"] else _tags_to_be(kind, shape, asked)
        return Part(
            kind,
            shape[KINDS[kind].id],
            name_of(shape["Tags"]) or shape.get("SecurityGroupName") or shape.get("PublicIp") or "",
            begun or frozenset(from_vendor(shape["Tags"])),
            self._holders(kind, shape),
            str(shape.get("VolumeType", "")),
            gigabytes(shape.get("Size") or shape.get("VolumeSize") or 0),
            UNFINISHED if begun else str(shape.get("State", "")),
        )

    def _holders(self, kind: PartKind, shape: dict[str, Any]) -> frozenset[str]:
        match kind:
            case PartKind.VOLUME:
                return frozenset(link["VmId"] for link in shape.get("LinkedVolumes") or [])
            case PartKind.ADDRESS:
                return frozenset([shape["VmId"]] if shape.get("VmId") else [])
            case PartKind.FIREWALL:
                vms = self.connection.read("ReadVms", "Vms", {"SecurityGroupIds": [shape["SecurityGroupId"]]})
                return frozenset(vm["VmId"] for vm in vms if vm["State"] != "terminated")
            case _:
                return frozenset()


def gibibytes(gigabytes: float) -> int:
    """The vendor's unit, at least as much as asked."""
    return math.ceil(gigabytes * GB / GIB)


def gigabytes(gibibytes: float) -> float:
    return round(gibibytes * GIB / GB, 1)


def _rule(rule: Rule) -> dict[str, Any]:
    first, last = (-1, -1) if rule.protocol == "icmp" else (rule.first_port, rule.last_port or rule.first_port)
    return {
        "IpProtocol": rule.protocol,
        "FromPortRange": 0 if first is None else first,
        "ToPortRange": 65535 if last is None else last,
        "IpRanges": [rule.source],
    }


def _has(group: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """Whether the group lets this in already; the vendor may join ranges of the same ports in one rule."""
    return any(
        all(present.get(name) == rule[name] for name in ("IpProtocol", "FromPortRange", "ToPortRange"))
        and set(rule["IpRanges"]) <= set(present.get("IpRanges") or [])
        for present in group.get("InboundRules") or []
    )


def _tags_to_be(kind: PartKind, shape: Mapping[str, Any], asked: frozenset[str]) -> frozenset[str]:
    """What the create request says of a part that has no tags yet: a token of ours, or our description.

    A token does not tell the step, unless it is the step that is asked for.
    """
    if kind is PartKind.FIREWALL:
        told = frozenset(shape.get("Description", "").split(" "))
        return told if MARK in told else frozenset()
    token = shape.get("ClientToken") or ""
    if asked and token in tokens_of(kind, asked):
        return asked
    return frozenset({MARK}) if token.startswith(MADE_BY_US) else frozenset()


def _described(tags: Iterable[str]) -> str:
    """The description of a security group: it says whose the group is before its tags do."""
    return " ".join(sorted(tags))[:MAX_DESCRIPTION]


def _short(name: str, tags: Iterable[str]) -> str:
    return hashlib.sha256("\n".join([name, *sorted(tags)]).encode()).hexdigest()[:16]
