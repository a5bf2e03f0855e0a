"""Volumes, snapshots, addresses and security groups at Scaleway.

Volumes live in two APIs: local ones (`l_ssd`) in the Instance API, block volumes
(`sbs_volume`) in the Block Storage API v1. Facts: the vendor's published API.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from libcloud.compute.base import Node

from providers.compute.driver import UNFINISHED, Part, PartKind, Rule, VolumeOrder
from providers.vendor_http import RefusedError, json_object

GB = 1000**3
BLOCK = "block/v1"
BLOCK_IOPS = 5000


class ScalewayParts:
    """Mixed into the driver: what belongs to servers, or outlives them."""

    connection: Any
    project: str

    def _found(self, path: str, api: str = "instance/v1") -> dict[str, Any] | None:
        """What is at this path; None when it does not exist."""
        try:
            answer: dict[str, Any] = self.connection.request(path, api=api).object
        except RefusedError as error:
            if error.code == 404:
                return None
            raise
        return answer

    def ex_part(self, kind: PartKind, part_id: str, flavour: str = "") -> Part | None:
        path, api = _place(kind, flavour)
        body = self._found(f"/{path}/{quote(part_id, safe='')}", api)
        return None if body is None else _part(kind, _unwrapped(body), flavour)

    def ex_parts(self, ex_tags: Iterable[str]) -> list[Part]:
        """Block volumes, snapshots and security groups; local volumes carry no tags and end with their server."""
        tags = frozenset(ex_tags)
        asked = {"tags": ",".join(sorted(tags))}
        found: list[Part] = []
        for kind, name, api in (
            (PartKind.VOLUME, "volumes", BLOCK),
            (PartKind.SNAPSHOT, "snapshots", BLOCK),
            (PartKind.FIREWALL, "security_groups", "instance/v1"),
        ):
            params = {**asked, "project_id" if api == BLOCK else "project": self.project}
            listed = self.connection._request_paged(f"/{name}", params=params, api=api).get(name, [])
            parts = [_part(kind, each, "sbs_volume") for each in listed]
            found += [self._with_state(part) for part in parts if tags <= part.tags]
        return found

    def ex_delete_part(self, part: Part) -> None:
        path, api = _place(part.kind, part.flavour)
        self.connection.request(f"/{path}/{quote(part.id, safe='')}", method="DELETE", api=api)

    def ex_create_volume(self, order: VolumeOrder) -> Part:
        """A block volume, empty or from a snapshot, tagged in the same request."""
        body: dict[str, Any] = {
            "name": order.name,
            "project_id": self.project,
            "perf_iops": BLOCK_IOPS,
            "tags": sorted(order.tags),
        }
        if order.snapshot:
            body["from_snapshot"] = {"snapshot_id": order.snapshot, "size": int(order.size * GB)}
        else:
            body["from_empty"] = {"size": int(order.size * GB)}
        answer = self.connection.request("/volumes", data=json.dumps(body), method="POST", api=BLOCK)
        return _part(PartKind.VOLUME, json_object(answer), "sbs_volume")

    def ex_attach(self, volume: Part, node: Node) -> None:
        body = {"volume_id": volume.id, "volume_type": volume.flavour or "sbs_volume"}
        self.connection.request(f"/servers/{node.id}/attach-volume", data=json.dumps(body), method="POST")

    def ex_detach(self, volume: Part, node: Node) -> None:
        body = {"volume_id": volume.id}
        self.connection.request(f"/servers/{node.id}/detach-volume", data=json.dumps(body), method="POST")

    def ex_create_snapshot(self, volume: Part, name: str, tags: frozenset[str]) -> Part:
        body = {"volume_id": volume.id, "name": name, "project_id": self.project, "tags": sorted(tags)}
        answer = self.connection.request("/snapshots", data=json.dumps(body), method="POST", api=BLOCK)
        return _part(PartKind.SNAPSHOT, json_object(answer), "sbs_snapshot")

    def ex_create_firewall(self, name: str, tags: frozenset[str], rules: Sequence[Rule]) -> Part:
        """A stateful security group; its rules are set in one further request, which replaces them all."""
        begun = next((part for part in self.ex_parts(tags) if part.state == UNFINISHED), None)
        group = begun or self._create_group(name, tags)
        body = {"rules": [_rule(rule) for rule in rules]}
        self.connection.request(f"/security_groups/{group.id}/rules", data=json.dumps(body), method="PUT")
        return group

    def _create_group(self, name: str, tags: frozenset[str]) -> Part:
        body = {
            "name": name,
            "project": self.project,
            "tags": sorted(tags),
            "stateful": True,
            "inbound_default_policy": "drop",
            "outbound_default_policy": "accept",
        }
        answer = self.connection.request("/security_groups", data=json.dumps(body), method="POST")
        return _part(PartKind.FIREWALL, json_object(answer)["security_group"], "")

    def _with_state(self, part: Part) -> Part:
        """A security group of ours without any rule was cut off while it was made."""
        if part.kind is not PartKind.FIREWALL or part.holders:
            return part
        rules = self.connection.request(f"/security_groups/{part.id}/rules").object["rules"]
        own = any(rule.get("editable", True) for rule in rules)
        return part if own else replace(part, state=UNFINISHED)


def _place(kind: PartKind, flavour: str) -> tuple[str, str]:
    """The path and the API of a kind of part."""
    match kind:
        case PartKind.VOLUME:
            return "volumes", BLOCK if flavour.startswith("sbs") else "instance/v1"
        case PartKind.SNAPSHOT:
            return "snapshots", BLOCK
        case PartKind.ADDRESS:
            return "ips", "instance/v1"
        case PartKind.FIREWALL:
            return "security_groups", "instance/v1"


def _unwrapped(body: dict[str, Any]) -> dict[str, Any]:
    """The Instance API wraps what it returns, the Block API does not."""
    inner: dict[str, Any] = next(iter(body.values())) if len(body) == 1 else body
    return inner


def _part(kind: PartKind, body: dict[str, Any], flavour: str) -> Part:
    holders = {(body.get("server") or {}).get("id")}
    holders |= {reference.get("product_resource_id") for reference in body.get("references") or []}
    holders |= {server.get("id") for server in body.get("servers") or []}
    return Part(
        kind,
        str(body["id"]),
        str(body.get("name", "")),
        frozenset(body.get("tags") or ()),
        frozenset(str(holder) for holder in holders if holder),
        str(body.get("volume_type") or flavour),
        (body.get("size") or 0) / GB,
        str(body.get("status") or body.get("state") or ""),
    )


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "protocol": rule.protocol.upper(),
        "direction": "inbound",
        "action": "accept",
        "ip_range": rule.source,
        "dest_port_from": rule.first_port,
        "dest_port_to": None if rule.last_port == rule.first_port else rule.last_port,
    }
