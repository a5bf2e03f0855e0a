"""Servers, volumes, sizes and images in the JSON shapes of the Instance and Block Storage APIs v1."""

import uuid
from typing import Any

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import CATALOGUE_DATE, GB, ROOT_GB, Image, Size
from providers.simulator.fleet_parts import Firewall, Server, Snapshot, Volume, allowed_actions


def size_shape(size: Size) -> dict[str, Any]:
    return {
        "alt_names": [],
        "arch": size.arch,
        "baremetal": False,
        "capabilities": {"boot_types": ["local", "rescue"], "block_storage": True},
        "hourly_price": size.hourly_price,
        "monthly_price": round(size.hourly_price * 730, 2),
        "ncpus": size.cpu,
        "gpu": 0,
        "ram": int(size.ram_gb * 1024**3),
        "network": {
            "sum_internal_bandwidth": 200_000_000,
            "sum_internet_bandwidth": 200_000_000,
            "ipv6_support": True,
            "interfaces": [],
        },
        "volumes_constraint": {"min_size": 0, "max_size": size.max_gb * GB},
        "per_volume_constraint": {"l_ssd": {"min_size": GB, "max_size": size.max_gb * GB}},
        "scratch_storage_max_size": None,
        "end_of_service": False,
    }


def image_shape(image: Image, zone: str) -> dict[str, Any]:
    root = str(uuid.uuid5(uuid.NAMESPACE_OID, image.id))
    return {
        "id": image.id,
        "name": image.name,
        "arch": "x86_64",
        "creation_date": CATALOGUE_DATE,
        "modification_date": CATALOGUE_DATE,
        "default_bootscript": None,
        "extra_volumes": {},
        "from_server": "",
        "organization": "51b656e3-4865-41e8-adbc-0c45bdd780db",
        "project": "51b656e3-4865-41e8-adbc-0c45bdd780db",
        "public": True,
        "root_volume": {"id": root, "name": image.name, "size": ROOT_GB * GB, "volume_type": "unified"},
        "state": "available",
        "tags": [],
        "zone": zone,
    }


def server_shape(fleet: Fleet, server: Server) -> dict[str, Any]:
    ip = _ip_shape(fleet, server)
    return {
        "id": server.id,
        "name": server.name,
        "hostname": server.name,
        "organization": fleet.catalogue.organization,
        "project": server.project,
        "zone": server.zone,
        "tags": list(server.tags),
        "commercial_type": server.size.name,
        "arch": "x86_64",
        "image": image_shape(server.image, server.zone),
        "state": server.state,
        "state_detail": server.state_detail,
        "allowed_actions": allowed_actions(server),
        "public_ip": ip,
        "public_ips": [ip] if ip else [],
        "private_ip": None,
        "ipv6": None,
        "enable_ipv6": False,
        "dynamic_ip_required": server.dynamic_ip,
        "routed_ip_enabled": True,
        "mac_address": "de:00:00:" + bytes.fromhex(server.id[:6]).hex(":"),
        "boot_type": "local",
        "bootscript": None,
        "protected": False,
        "location": {
            "zone_id": server.zone,
            "platform_id": "1",
            "cluster_id": "1",
            "hypervisor_id": "1",
            "node_id": "1",
        }
        if server.state != "stopped"
        else None,
        "security_group": _group_of(fleet, server),
        "placement_group": None,
        "private_nics": [],
        "maintenances": [],
        "volumes": {slot: _attached_shape(fleet, volume) for slot, volume in server.volumes.items()},
        "creation_date": server.created,
        "modification_date": server.modified,
        "end_of_service": False,
    }


def volume_shape(fleet: Fleet, volume: Volume) -> dict[str, Any]:
    """One volume; block volumes are described by another API in another shape."""
    if volume.volume_type == "sbs_volume":
        return {
            "id": volume.id,
            "name": volume.name,
            "type": "sbs_5k",
            "size": volume.size,
            "project_id": fleet.catalogue.project,
            "created_at": volume.created,
            "updated_at": volume.created,
            "references": [{"product_resource_type": "instance_server", "product_resource_id": volume.server}]
            if volume.server
            else [],
            "parent_snapshot_id": volume.facts.get("parent_snapshot_id"),
            "status": "in_use" if volume.server else "available",
            "tags": list(volume.tags),
            "specs": {"perf_iops": 5000, "class": "sbs"},
            "zone": volume.zone,
        }
    server = fleet.servers.get(volume.server) if volume.server else None
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "volume_type": volume.volume_type,
        "export_uri": None,
        "organization": fleet.catalogue.organization,
        "project": fleet.catalogue.project,
        "server": {"id": server.id, "name": server.name} if server else None,
        "state": "available",
        "tags": [],
        "zone": volume.zone,
        "creation_date": volume.created,
        "modification_date": volume.created,
    }


def _attached_shape(fleet: Fleet, volume: Volume) -> dict[str, Any]:
    if volume.volume_type == "sbs_volume":
        return {"id": volume.id, "volume_type": "sbs_volume", "zone": volume.zone, "boot": False}
    return volume_shape(fleet, volume) | {"boot": False}


def _ip_shape(fleet: Fleet, server: Server) -> dict[str, Any] | None:
    if server.host is None or not server.dynamic_ip:
        return None
    return {
        "id": server.ip_id,
        "address": fleet.address(server),
        "gateway": fleet.addresses.gateway,
        "netmask": "24",
        "family": "inet",
        "dynamic": True,
        "provisioning_mode": "dhcp",
        "ipam_id": None,
        "state": "attached",
        "tags": [],
    }


def _group_of(fleet: Fleet, server: Server) -> dict[str, Any]:
    """Every server is in a group: its own, or the project's."""
    own = fleet.firewalls.get(server.firewall or "")
    if own is not None:
        return {"id": own.id, "name": own.name}
    return {"id": fleet.catalogue.organization, "name": "Default security group"}


def snapshot_shape(fleet: Fleet, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "parent_volume": {"id": snapshot.volume, "name": "", "type": "sbs_5k", "status": "available"},
        "size": snapshot.size,
        "project_id": fleet.catalogue.project,
        "created_at": snapshot.created,
        "updated_at": snapshot.created,
        "references": [],
        "status": "available",
        "tags": list(snapshot.tags),
        "zone": snapshot.zone,
        "class": "sbs",
    }


def firewall_shape(fleet: Fleet, firewall: Firewall) -> dict[str, Any]:
    with fleet.lock:
        servers = [server for server in fleet.servers.values() if server.firewall == firewall.id]
    return {
        "id": firewall.id,
        "name": firewall.name,
        "description": "",
        "enable_default_security": True,
        **firewall.facts,
        "organization": fleet.catalogue.organization,
        "project": fleet.catalogue.project,
        "tags": list(firewall.tags),
        "project_default": False,
        "servers": [{"id": server.id, "name": server.name} for server in servers],
        "stateful": True,
        "state": "available",
        "zone": firewall.zone,
    }
