"""What belongs to servers in OpenStack: Cinder's volumes and snapshots, Neutron's addresses and security groups.

Cinder's carry our tags as metadata, Neutron's as words of their description, each
in the request that makes them.
"""

import math
from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Any

from libcloud.compute.base import Node

from providers.base import ProviderError
from providers.compute.driver import UNFINISHED, Part, PartKind, Rule, VolumeOrder
from providers.compute.openstack_cloud import OpenStackCloud, mapping, quoted
from providers.compute.openstack_tags import description_of, metadata_of, tags_in, words_in

RULES_WORD = "rules="
"""In a security group's description: how many rules it is to have, so that one cut off in the making shows."""


class Parts(OpenStackCloud):
    """Volumes, snapshots, floating addresses, security groups."""

    def ex_part(self, kind: PartKind, part_id: str, flavour: str = "") -> Part | None:
        """One part; a floating address or security group is held by the servers whose ports use it."""
        identifier = quoted(part_id)
        match kind:
            case PartKind.VOLUME:
                found = self._one(self.volumev3_connection, f"/volumes/{identifier}", "volume")
                return _volume(found) if found else None
            case PartKind.SNAPSHOT:
                found = self._one(self.volumev3_connection, f"/snapshots/{identifier}", "snapshot")
                return _snapshot(found) if found else None
            case PartKind.ADDRESS:
                found = self._one(self.network_connection, f"/v2.0/floatingips/{identifier}", "floatingip")
                return _address(found, self._holders(found)) if found else None
            case PartKind.FIREWALL:
                found = self._one(self.network_connection, f"/v2.0/security-groups/{identifier}", "security_group")
                return _group_part(found, self._holders(found)) if found else None

    def ex_parts(self, ex_tags: Iterable[str]) -> list[Part]:
        tags = frozenset(ex_tags)
        volumes = self._listed(self.volumev3_connection, "/volumes/detail", "volumes")
        snapshots = self._listed(self.volumev3_connection, "/snapshots/detail", "snapshots")
        found = [part for part in map(_volume, volumes) if tags <= part.tags]
        found += [part for part in map(_snapshot, snapshots) if tags <= part.tags]
        addresses, groups = self._addresses(tags), self._groups(tags)
        ports = self._listed(self.network_connection, "/v2.0/ports", "ports") if addresses or groups else []
        found += [_address(each, _holders(each, ports)) for each in addresses]
        found += [_group_part(each, _holders(each, ports)) for each in groups]
        return found

    def ex_delete_part(self, part: Part) -> None:
        """A volume or snapshot is gone later, the others at once."""
        connection, path = {
            PartKind.VOLUME: (self.volumev3_connection, "/volumes"),
            PartKind.SNAPSHOT: (self.volumev3_connection, "/snapshots"),
            PartKind.ADDRESS: (self.network_connection, "/v2.0/floatingips"),
            PartKind.FIREWALL: (self.network_connection, "/v2.0/security-groups"),
        }[part.kind]
        connection.request(f"{path}/{quoted(part.id)}", method="DELETE")

    # Volumes and snapshots

    def ex_create_volume(self, order: VolumeOrder) -> Part:
        """`more` may name a `volume_type` of the cloud."""
        body: dict[str, Any] = {
            "name": order.name,
            "size": math.ceil(order.size),
            "metadata": metadata_of(order.tags),
            "snapshot_id": order.snapshot,
            "availability_zone": self.wiring.availability_zone or None,
            "volume_type": order.more.get("volume_type"),
        }
        asked = {key: value for key, value in body.items() if value is not None}
        return _volume(self._sent(self.volumev3_connection, "/volumes", {"volume": asked}, "volume"))

    def ex_attach(self, volume: Part, node: Node) -> None:
        body = {"volumeAttachment": {"volumeId": volume.id}}
        self.connection.request(f"/servers/{quoted(str(node.id))}/os-volume_attachments", data=body, method="POST")

    def ex_detach(self, volume: Part, node: Node) -> None:
        path = f"/servers/{quoted(str(node.id))}/os-volume_attachments/{quoted(volume.id)}"
        self.connection.request(path, method="DELETE")

    def ex_create_snapshot(  # type: ignore[override]
        self, volume: Part, name: str, tags: frozenset[str]
    ) -> Part:
        """`force`: also of a volume that is attached."""
        body = {"volume_id": volume.id, "name": name, "force": True, "metadata": metadata_of(tags)}
        return _snapshot(self._sent(self.volumev3_connection, "/snapshots", {"snapshot": body}, "snapshot"))

    # Security groups

    def ex_create_firewall(self, name: str, tags: frozenset[str], rules: Sequence[Rule]) -> Part:
        """A security group; a new one lets everything out and nothing in.

        Its rules are a second request. Cut off in between, the group is UNFINISHED,
        and the same call again gives it its rules instead of making another.
        """
        description = description_of(tags, f"{RULES_WORD}{len(rules)}")
        wanted = [_rule(rule) for rule in rules]
        begun = [group for group in self._groups(tags) if group.get("name") == name]
        body = {"security_group": {"name": name, "description": description}}
        group = (
            begun[0] if begun else self._sent(self.network_connection, "/v2.0/security-groups", body, "security_group")
        )
        if wanted and not _ingress(group):
            held = [{"security_group_id": str(group["id"]), **rule} for rule in wanted]
            asked = {"security_group_rules": held}
            made = self.network_connection.request("/v2.0/security-group-rules", data=asked, method="POST")
            group = {**group, **mapping(made.object)}
        return _group_part(group, frozenset())

    def _groups(self, tags: frozenset[str]) -> list[dict[str, Any]]:
        groups = self._listed(self.network_connection, "/v2.0/security-groups", "security_groups")
        return [group for group in groups if tags <= words_in(group.get("description"))]

    # Floating addresses

    def _addresses(self, tags: frozenset[str]) -> list[dict[str, Any]]:
        addresses = self._listed(self.network_connection, "/v2.0/floatingips", "floatingips")
        return [each for each in addresses if tags <= words_in(each.get("description"))]

    def _holders(self, thing: dict[str, Any]) -> frozenset[str]:
        return _holders(thing, self._listed(self.network_connection, "/v2.0/ports", "ports"))

    def _ports(self, server_id: str) -> list[dict[str, Any]]:
        return self._listed(self.network_connection, "/v2.0/ports", "ports", {"device_id": server_id})

    def _give_address(self, port_id: str, network_id: str, tags: Iterable[str], known: list[dict[str, Any]]) -> None:
        """A floating address for this port: one of ours that is free, else a new one; one request either way."""
        free = next((each for each in known if not each.get("port_id")), None)
        if free is not None:
            path = f"/v2.0/floatingips/{quoted(str(free['id']))}"
            self.network_connection.request(path, data={"floatingip": {"port_id": port_id}}, method="PUT")
            return
        wanted = {"floating_network_id": network_id, "port_id": port_id, "description": description_of(tags)}
        self._sent(self.network_connection, "/v2.0/floatingips", {"floatingip": wanted}, "floatingip")


def _holders(thing: dict[str, Any], ports: Iterable[dict[str, Any]]) -> frozenset[str]:
    """The servers whose ports a floating address leads to, or a security group guards."""
    using = (
        port
        for port in ports
        if thing.get("port_id") == port["id"] or thing["id"] in (port.get("security_groups") or [])
    )
    return frozenset({str(port.get("device_id") or "") for port in using} - {""})


def _address(floating: dict[str, Any], holders: frozenset[str]) -> Part:
    return Part(
        PartKind.ADDRESS,
        str(floating["id"]),
        str(floating.get("floating_ip_address", "")),
        words_in(floating.get("description")),
        holders,
        state=str(floating.get("status", "")).lower(),
    )


def _volume(volume: dict[str, Any]) -> Part:
    holders = {str(each.get("server_id") or "") for each in volume.get("attachments") or []}
    return Part(
        PartKind.VOLUME,
        str(volume["id"]),
        str(volume.get("name") or ""),
        tags_in(volume.get("metadata")),
        frozenset(holders - {""}),
        flavour=str(volume.get("volume_type") or ""),
        size=float(volume.get("size") or 0),
        state=str(volume.get("status", "")),
    )


def _snapshot(snapshot: dict[str, Any]) -> Part:
    return Part(
        PartKind.SNAPSHOT,
        str(snapshot["id"]),
        str(snapshot.get("name") or ""),
        tags_in(snapshot.get("metadata")),
        size=float(snapshot.get("size") or 0),
        state=str(snapshot.get("status", "")),
    )


def _ingress(group: dict[str, Any]) -> list[Any]:
    return [rule for rule in group.get("security_group_rules") or [] if rule.get("direction") == "ingress"]


def _group_part(group: dict[str, Any], holders: frozenset[str]) -> Part:
    words = words_in(group.get("description"))
    wanted = next((word.removeprefix(RULES_WORD) for word in words if word.startswith(RULES_WORD)), "0")
    complete = not wanted.isdecimal() or len(_ingress(group)) >= int(wanted)
    return Part(
        PartKind.FIREWALL,
        str(group["id"]),
        str(group.get("name") or ""),
        words,
        holders,
        state="available" if complete else UNFINISHED,
    )


def _rule(rule: Rule) -> dict[str, Any]:
    """Raises ProviderError(permanent) when the source is not a network."""
    try:
        version = ip_network(rule.source).version
    except ValueError:
        raise ProviderError(
            f"{rule.source} is not a network; write the firewall's source such as 192.0.2.0/24.", permanent=True
        ) from None
    return {
        "direction": "ingress",
        "ethertype": f"IPv{version}",
        "protocol": "ipv6-icmp" if rule.protocol == "icmp" and version == 6 else rule.protocol,
        "port_range_min": rule.first_port,
        "port_range_max": rule.last_port,
        "remote_ip_prefix": rule.source,
    }
