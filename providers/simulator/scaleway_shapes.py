"""Servers, addresses and volumes in the JSON shapes of the Instance API v1."""

from typing import Any

from providers.simulator.scaleway_servers import Cloud, Server, Volume, allowed_actions


def server_shape(cloud: Cloud, server: Server) -> dict[str, Any]:
    ip = _ip_shape(cloud, server)
    return {
        "id": server.id,
        "name": server.name,
        "hostname": server.name,
        "organization": cloud.catalogue.organization,
        "project": server.project,
        "zone": server.zone,
        "tags": list(server.tags),
        "commercial_type": server.size.name,
        "arch": "x86_64",
        "image": server.image.shown(server.zone),
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
        "security_group": {"id": cloud.catalogue.organization, "name": "Default security group"},
        "placement_group": None,
        "private_nics": [],
        "maintenances": [],
        "volumes": {slot: _attached_shape(cloud, volume) for slot, volume in server.volumes.items()},
        "creation_date": server.created,
        "modification_date": server.modified,
        "end_of_service": False,
    }


def volume_shape(cloud: Cloud, volume: Volume) -> dict[str, Any]:
    """One volume; block volumes are described by another API in another shape."""
    if volume.volume_type == "sbs_volume":
        return {
            "id": volume.id,
            "name": volume.name,
            "type": "sbs_5k",
            "size": volume.size,
            "project_id": cloud.catalogue.project,
            "created_at": volume.created,
            "updated_at": volume.created,
            "references": [],
            "parent_snapshot_id": None,
            "status": "in_use" if volume.server else "available",
            "tags": [],
            "specs": {"perf_iops": 5000, "class": "sbs"},
            "zone": volume.zone,
        }
    server = cloud.servers.get(volume.server) if volume.server else None
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "volume_type": volume.volume_type,
        "export_uri": None,
        "organization": cloud.catalogue.organization,
        "project": cloud.catalogue.project,
        "server": {"id": server.id, "name": server.name} if server else None,
        "state": "available",
        "tags": [],
        "zone": volume.zone,
        "creation_date": volume.created,
        "modification_date": volume.created,
    }


def _attached_shape(cloud: Cloud, volume: Volume) -> dict[str, Any]:
    if volume.volume_type == "sbs_volume":
        return {"id": volume.id, "volume_type": "sbs_volume", "zone": volume.zone, "boot": False}
    return volume_shape(cloud, volume) | {"boot": False}


def _ip_shape(cloud: Cloud, server: Server) -> dict[str, Any] | None:
    if server.host is None or not server.dynamic_ip:
        return None
    return {
        "id": server.ip_id,
        "address": cloud.address(server),
        "gateway": cloud.addresses.gateway,
        "netmask": "24",
        "family": "inet",
        "dynamic": True,
        "provisioning_mode": "dhcp",
        "ipam_id": None,
        "state": "attached",
        "tags": [],
    }
