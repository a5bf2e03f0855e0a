"""Volumes, snapshots, addresses and security groups of the Scaleway stand-in, in both APIs that have them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import GB
from providers.simulator.fleet_parts import LOCAL, Firewall, Snapshot, Volume, not_found, stamp
from providers.simulator.http_service import Response
from providers.simulator.scaleway_http import ApiError, Call, Route, answer, body_of, invalid_field, page
from providers.simulator.scaleway_shapes import firewall_shape, server_shape, snapshot_shape, volume_shape

QUOTA_NAMES = {"servers": "instances_servers", "cpu": "instances_vcpu", "volumes": "instances_volumes"}


@dataclass(frozen=True, slots=True)
class ScalewayParts:
    """What belongs to servers."""

    fleet: Fleet

    def routes(self) -> Sequence[Route]:
        return (
            ("GET", r"/instance/volumes", self._list_local),
            ("GET", r"/block/volumes", self._list_block),
            ("POST", r"/block/volumes", self._create_volume),
            ("GET", r"/(instance|block)/volumes/([^/]+)", self._get_volume),
            ("DELETE", r"/(instance|block)/volumes/([^/]+)", self._delete_volume),
            ("POST", r"/instance/servers/([^/]+)/attach-volume", self._attach),
            ("POST", r"/instance/servers/([^/]+)/detach-volume", self._detach),
            ("GET", r"/block/snapshots", self._list_snapshots),
            ("POST", r"/block/snapshots", self._create_snapshot),
            ("GET", r"/block/snapshots/([^/]+)", self._get_snapshot),
            ("DELETE", r"/block/snapshots/([^/]+)", self._delete_snapshot),
            ("GET", r"/instance/security_groups", self._list_groups),
            ("POST", r"/instance/security_groups", self._create_group),
            ("GET", r"/instance/security_groups/([^/]+)", self._get_group),
            ("PUT", r"/instance/security_groups/([^/]+)/rules", self._set_rules),
            ("GET", r"/instance/security_groups/([^/]+)/rules", self._get_rules),
            ("DELETE", r"/instance/security_groups/([^/]+)", self._delete_group),
            ("GET", r"/instance/ips", self._list_ips),
            ("GET", r"/instance/ips/([^/]+)", self._get_ip),
            ("GET", r"/iam/quota", self._quota),
        )

    # Volumes

    def _list_local(self, call: Call) -> Response:
        return page("volumes", [volume_shape(self.fleet, volume) for volume in self._volumes(call, block=False)], call)

    def _list_block(self, call: Call) -> Response:
        found = [volume for volume in self._volumes(call, block=True) if _tagged(call, volume.tags)]
        return page("volumes", [volume_shape(self.fleet, volume) for volume in found], call, counted=True)

    def _volumes(self, call: Call, *, block: bool) -> list[Volume]:
        with self.fleet.lock:
            found = [volume for volume in self.fleet.volumes.values() if volume.zone == call.zone]
        return sorted(
            (volume for volume in found if (volume.volume_type == "sbs_volume") == block), key=lambda one: one.created
        )

    def _create_volume(self, call: Call) -> Response:
        asked = body_of(call.request.body)
        source = asked.get("from_snapshot") or {}
        size = (asked.get("from_empty") or {}).get("size") or source.get("size")
        snapshot = self.fleet.snapshots.get(str(source.get("snapshot_id", "")))
        if source and snapshot is None:
            raise not_found("snapshot", str(source.get("snapshot_id")))
        if not isinstance(size, int) or size < GB:
            raise ApiError(400, invalid_field("size", "should be at least 1 GB"))
        volume = Volume(
            str(uuid.uuid4()),
            str(asked.get("name", "")),
            size,
            "sbs_volume",
            call.zone,
            tags=_tags(asked),
            facts={"parent_snapshot_id": snapshot.id if snapshot else None},
        )
        return answer(200, volume_shape(self.fleet, self.fleet.add_volume(volume)))

    def _get_volume(self, call: Call) -> Response:
        with self.fleet.lock:
            shape = volume_shape(self.fleet, self._volume(call))
        return answer(200, {"volume": shape} if call.ids[0] == "instance" else shape)

    def _delete_volume(self, call: Call) -> Response:
        with self.fleet.lock:
            self.fleet.delete_volume(self._volume(call))
        return Response(204)

    def _attach(self, call: Call) -> Response:
        asked = body_of(call.request.body)
        kind = asked.get("volume_type")
        if kind not in ("l_ssd", "sbs_volume"):
            raise ApiError(400, invalid_field("volume_type", "is not a known type"))
        server = self.fleet.server(call.ids[0], call.zone)
        volume = self.fleet.volumes.get(str(asked.get("volume_id")))
        if volume is None:
            raise not_found("volume", str(asked.get("volume_id")))
        self.fleet.attach(volume, server)
        return answer(200, {"server": server_shape(self.fleet, server)})

    def _detach(self, call: Call) -> Response:
        server = self.fleet.server(call.ids[0], call.zone)
        volume = self.fleet.volumes.get(str(body_of(call.request.body).get("volume_id")))
        if volume is None or volume.server != server.id:
            raise not_found("volume", str(body_of(call.request.body).get("volume_id")))
        self.fleet.detach(volume)
        return answer(200, {"server": server_shape(self.fleet, server)})

    def _volume(self, call: Call) -> Volume:
        api, volume_id = call.ids
        volume = self.fleet.volumes.get(volume_id)
        if volume is None or volume.zone != call.zone or (volume.volume_type == "sbs_volume") != (api == "block"):
            raise not_found("volume", volume_id)
        return volume

    # Snapshots

    def _list_snapshots(self, call: Call) -> Response:
        with self.fleet.lock:
            found = [each for each in self.fleet.snapshots.values() if each.zone == call.zone]
        shapes = [snapshot_shape(self.fleet, each) for each in found if _tagged(call, each.tags)]
        return page("snapshots", shapes, call, counted=True)

    def _create_snapshot(self, call: Call) -> Response:
        asked = body_of(call.request.body)
        volume = self.fleet.volumes.get(str(asked.get("volume_id")))
        if volume is None or volume.volume_type == LOCAL:
            raise not_found("volume", str(asked.get("volume_id")))
        made = Snapshot(
            str(uuid.uuid4()), str(asked.get("name", "")), volume.size, call.zone, volume.id, stamp(), _tags(asked)
        )
        return answer(200, snapshot_shape(self.fleet, self.fleet.add_snapshot(made)))

    def _get_snapshot(self, call: Call) -> Response:
        return answer(200, snapshot_shape(self.fleet, self._snapshot(call)))

    def _delete_snapshot(self, call: Call) -> Response:
        self.fleet.delete_snapshot(self._snapshot(call))
        return Response(204)

    def _snapshot(self, call: Call) -> Snapshot:
        found = self.fleet.snapshots.get(call.ids[0])
        if found is None or found.zone != call.zone:
            raise not_found("snapshot", call.ids[0])
        return found

    # Security groups

    def _list_groups(self, call: Call) -> Response:
        with self.fleet.lock:
            found = [each for each in self.fleet.firewalls.values() if each.zone == call.zone]
        shapes = [firewall_shape(self.fleet, each) for each in found if _tagged(call, each.tags)]
        return page("security_groups", shapes, call)

    def _create_group(self, call: Call) -> Response:
        asked = body_of(call.request.body)
        for name in ("inbound_default_policy", "outbound_default_policy"):
            if asked.get(name) not in ("accept", "drop"):
                raise ApiError(400, invalid_field(name, "should be accept or drop"))
        facts = {name: asked[name] for name in ("inbound_default_policy", "outbound_default_policy")}
        made = Firewall(str(uuid.uuid4()), str(asked.get("name", "")), call.zone, tags=_tags(asked), facts=facts)
        return answer(201, {"security_group": firewall_shape(self.fleet, self.fleet.add_firewall(made))})

    def _get_group(self, call: Call) -> Response:
        return answer(200, {"security_group": firewall_shape(self.fleet, self._group(call))})

    def _set_rules(self, call: Call) -> Response:
        group = self._group(call)
        rules = body_of(call.request.body).get("rules")
        if not isinstance(rules, list) or any(rule.get("protocol") not in ("TCP", "UDP", "ICMP") for rule in rules):
            raise ApiError(400, invalid_field("rules", "protocol should be TCP, UDP, ICMP"))
        with self.fleet.lock:
            group.rules = list(rules)
            self.fleet.effect("firewall.rules", group.name, group.tags)
        return answer(200, {"rules": group.rules})

    def _get_rules(self, call: Call) -> Response:
        return page("rules", self._group(call).rules, call)

    def _delete_group(self, call: Call) -> Response:
        self.fleet.delete_firewall(self._group(call))
        return Response(204)

    def _group(self, call: Call) -> Firewall:
        found = self.fleet.firewalls.get(call.ids[0])
        if found is None or found.zone != call.zone:
            raise not_found("security_group", call.ids[0])
        return found

    # Addresses and quotas

    def _list_ips(self, call: Call) -> Response:
        return page("ips", self._ips(call.zone), call)

    def _get_ip(self, call: Call) -> Response:
        for ip in self._ips(call.zone):
            if call.ids[0] in (ip["id"], ip["address"]):
                return answer(200, {"ip": ip})
        raise not_found("ip", call.ids[0])

    def _ips(self, zone: str) -> list[dict[str, Any]]:
        """Dynamic addresses live and die with their server, so there are none of their own."""
        with self.fleet.lock:
            return [
                ip | {"server": {"id": server.id, "name": server.name}, "zone": zone, "project": server.project}
                for server in self.fleet.servers.values()
                if server.zone == zone
                for ip in server_shape(self.fleet, server)["public_ips"]
            ]

    def _quota(self, call: Call) -> Response:
        quotas = [
            {"name": QUOTA_NAMES[name], "limit": limit, "pretty_name": name, "unit": "unit", "description": ""}
            for name, limit in self.fleet.catalogue.quotas.items()
            if name in QUOTA_NAMES
        ]
        return page("quota", quotas, call, counted=True)


def _tags(asked: dict[str, Any]) -> list[str]:
    return [str(tag) for tag in asked.get("tags") or []]


def _tagged(call: Call, tags: list[str]) -> bool:
    wanted = {tag for tag in call.request.query.get("tags", "").split(",") if tag}
    return wanted <= set(tags)
