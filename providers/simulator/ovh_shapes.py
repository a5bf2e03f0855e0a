"""Instances, volumes, flavors and images in the JSON shapes of OVHcloud's native API (cloud.json), version 1.0.

Identifiers of flavors and images differ from region to region, as the vendor's do.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import CATALOGUE_DATE, GB, Image, Size
from providers.simulator.fleet_parts import Server, Snapshot, Volume

MOVING_SECONDS = 0.3
"""How long a volume or snapshot stays in a passing status, so that a client that does not wait is found out."""


@dataclass(slots=True)
class Moves:
    """The passing statuses of volumes and snapshots, by id."""

    _words: dict[str, tuple[str, float]] = field(default_factory=dict)

    def begin(self, thing: str, word: str) -> None:
        self._words[thing] = (word, time.monotonic() + MOVING_SECONDS)

    def of(self, thing: str) -> str | None:
        """The passing status now; None when it is settled."""
        word, until = self._words.get(thing, ("", 0.0))
        return word if time.monotonic() < until else None


def flavor_id(region: str, size: Size) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{region}/flavor/{size.name}"))


def image_id(region: str, image: Image) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{region}/image/{image.id}"))


def key_id(name: str) -> str:
    return name.encode().hex()


def status_of(server: Server) -> str:
    """While the vendor powers a server on or off, its status stays what it was."""
    match server.state:
        case "running":
            return "ACTIVE"
        case "stopping":
            return "DELETING" if server.state_detail == "terminate" else "ACTIVE"
        case "starting" if server.state_detail == "rebooting":
            return "REBOOT"
        case "starting":
            return "SHUTOFF" if server.facts.get("started") else "BUILD"
    failed = server.state_detail.startswith("boot failed") and not server.facts.get("started")
    return "ERROR" if failed else "SHUTOFF"


def instance_shape(fleet: Fleet, server: Server) -> dict[str, Any]:
    """As lists have it."""
    return {
        "id": server.id,
        "name": server.name,
        "region": server.zone,
        "status": status_of(server),
        "created": server.created,
        "flavorId": flavor_id(server.zone, server.size),
        "imageId": image_id(server.zone, server.image),
        "sshKeyId": server.facts.get("key"),
        "ipAddresses": _addresses(fleet, server),
        "monthlyBilling": None,
        "planCode": f"{server.size.name}.consumption",
        "operationIds": [],
        "currentMonthOutgoingTraffic": None,
    }


def instance_detail(fleet: Fleet, server: Server, keys: dict[str, str]) -> dict[str, Any]:
    """As one instance by itself is told: its flavor, image and key whole."""
    shape = instance_shape(fleet, server)
    key = shape.pop("sshKeyId")
    del shape["flavorId"], shape["imageId"]
    name = bytes.fromhex(key).decode() if key else None
    return shape | {
        "flavor": flavor_shape(fleet, server.size, server.zone),
        "image": image_shape(server.image, server.zone),
        "sshKey": key_shape(name, keys[name], server.zone) | {"fingerPrint": ""} if name else None,
        "rescuePassword": None,
    }


def flavor_shape(fleet: Fleet, size: Size, region: str) -> dict[str, Any]:
    quotas, servers = fleet.catalogue.quotas, fleet.servers.values()
    left = quotas["servers"] - len(servers)
    cpu_left = quotas["cpu"] - sum(server.size.cpu for server in servers)
    return {
        "id": flavor_id(region, size),
        "name": size.name,
        "region": region,
        "ram": int(size.ram_gb * 1000),
        "disk": size.max_gb,
        "vcpus": size.cpu,
        "type": "ovh.ssd.eg",
        "osType": "windows" if size.name.startswith("win-") else "linux",
        "inboundBandwidth": 250,
        "outboundBandwidth": 250,
        "available": fleet.catalogue.stock.get(size.name, 1) > 0,
        "quota": max(0, min(left, cpu_left // size.cpu)),
        "planCodes": {"hourly": f"{size.name}.consumption", "monthly": None},
        "capabilities": [{"name": name, "enabled": True} for name in ("failoverip", "resize", "snapshot", "volume")],
    }


def image_shape(image: Image, region: str) -> dict[str, Any]:
    return {
        "id": image_id(region, image),
        "name": image.name,
        "region": region,
        "visibility": "public",
        "type": "linux",
        "status": "active",
        "user": image.label.partition("-")[0],
        "minDisk": 0,
        "minRam": 0,
        "size": 2.0,
        "creationDate": CATALOGUE_DATE,
        "flavorType": None,
        "tags": [],
        "planCode": None,
    }


def key_shape(name: str, public: str, region: str) -> dict[str, Any]:
    return {"id": key_id(name), "name": name, "publicKey": public, "regions": [region]}


def volume_shape(volume: Volume, moves: Moves) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "description": volume.facts.get("description") or "",
        "region": volume.zone,
        "size": volume.size // GB,
        "type": volume.volume_type,
        "status": moves.of(volume.id) or ("in-use" if volume.server else "available"),
        "attachedTo": [volume.server] if volume.server else [],
        "bootable": False,
        "creationDate": volume.created,
        "planCode": f"volume.{volume.volume_type}.consumption",
    }


def snapshot_shape(snapshot: Snapshot, moves: Moves) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "description": snapshot.facts.get("description") or "",
        "region": snapshot.zone,
        "size": snapshot.size // GB,
        "status": moves.of(snapshot.id) or "available",
        "volumeId": snapshot.volume,
        "creationDate": snapshot.created,
        "planCode": "volume.snapshot.consumption",
    }


def quota_shape(fleet: Fleet, region: str) -> dict[str, Any]:
    """What is used counts for the whole project here: the stand-in's quotas are not kept by region."""
    quotas, servers, volumes = fleet.catalogue.quotas, fleet.servers.values(), fleet.volumes.values()
    return {
        "region": region,
        "instance": {
            "maxInstances": quotas["servers"],
            "usedInstances": len(servers),
            "maxCores": quotas["cpu"],
            "usedCores": sum(server.size.cpu for server in servers),
            "maxRam": quotas["memory"] * 1000,
            "usedRAM": int(sum(server.size.ram_gb for server in servers) * 1000),
        },
        "volume": {
            "maxVolumeCount": quotas["volumes"],
            "volumeCount": len(volumes),
            "maxGigabytes": quotas["volume_gb"],
            "usedGigabytes": sum(volume.size for volume in volumes) // GB,
            "maxVolumeBackupCount": 0,
            "volumeBackupCount": 0,
            "maxBackupGigabytes": 0,
            "usedBackupGigabytes": 0,
        },
        "keypair": {"maxCount": 100},
        "network": None,
        "loadbalancer": None,
        "keymanager": None,
        "share": None,
    }


def _addresses(fleet: Fleet, server: Server) -> list[dict[str, Any]]:
    """The server's public addresses, one of each version; the second leads nowhere here."""
    address = fleet.address(server)
    if address is None:
        return []
    network = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{server.zone}/Ext-Net"))
    common = {"type": "public", "networkId": network}
    return [
        common | {"ip": f"2001:db8::{server.host}", "version": 6, "gatewayIp": "2001:db8::1"},
        common | {"ip": address, "version": 4, "gatewayIp": fleet.addresses.gateway},
    ]


def credential_shape(rules: Sequence[str], expiration: str | None) -> dict[str, Any]:
    """`api.Credential`: the consumer key that asks, with the calls that it was granted."""
    return {
        "allowedIPs": None,
        "applicationId": 1,
        "creation": "2026-01-01T00:00:00+00:00",
        "credentialId": 1,
        "expiration": expiration,
        "lastUse": None,
        "ovhSupport": False,
        "rules": [dict(zip(("method", "path"), rule.split(" ", 1), strict=True)) for rule in rules],
        "status": "validated",
    }
