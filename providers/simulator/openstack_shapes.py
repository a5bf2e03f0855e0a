"""Servers, flavors, volumes, ports and addresses in the JSON shapes of Nova 2.1, Cinder 3, Neutron 2.0 and Glance 2."""

import uuid
from datetime import UTC, datetime
from typing import Any

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import CATALOGUE_DATE, GB, Image, Size
from providers.simulator.fleet_parts import Firewall, FloatingAddress, Server, Snapshot, Volume

LOCAL_DISK = "local"
"""The kind of root disks that are not Cinder's."""
LAG = 0.1
"""Seconds that a server is without its port, and that a volume is `creating`."""
SCHEDULING = 0.2
"""Seconds until Nova finds that there is no host."""
NO_HOST = "No valid host was found. There are not enough hosts available."
EXTERNAL, INTERNAL = "Ext-Net", "private"


def age(created: str) -> float:
    """Seconds since."""
    return (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()


def named_id(kind: str, name: str) -> str:
    """An id that stays the same for a thing that has no other."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}/{name}"))


def flavor_shape(size: Size) -> dict[str, Any]:
    return {
        "id": named_id("flavor", size.name),
        "name": size.name,
        "vcpus": size.cpu,
        "ram": int(size.ram_gb * 1024),
        "disk": size.max_gb,
        "swap": "",
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": True,
        "rxtx_factor": 1.0,
        "links": [],
    }


def status_of(server: Server) -> tuple[str, str | None, str]:
    """Nova's status and task, and the message of a fault."""
    if server.state == "error":
        return ("BUILD", "scheduling", "") if age(server.created) < SCHEDULING else ("ERROR", None, NO_HOST)
    if server.state == "stopped" and server.state_detail.startswith("boot failed"):
        return "ERROR", None, f"Build of instance {server.id} aborted: {server.state_detail}"
    if server.state == "starting" and server.state_detail == "rebooting":
        return "REBOOT", "rebooting", ""
    if server.state == "starting":
        return ("SHUTOFF", "powering-on", "") if server.facts.get("started_again") else ("BUILD", "spawning", "")
    if server.state == "stopping":
        return "ACTIVE", "deleting" if server.state_detail == "terminate" else "powering-off", ""
    return ("ACTIVE" if server.state == "running" else "SHUTOFF"), None, ""


def fixed_address(fleet: Fleet, server: Server) -> str | None:
    """On the external network the machine's own; on a private one an address that leads nowhere from here."""
    if server.facts["network"] == EXTERNAL:
        return fleet.address(server)
    return f"10.0.{int(server.id[:2], 16)}.{int(server.id[2:4], 16)}"


def server_shape(fleet: Fleet, server: Server, *, ends_told: bool) -> dict[str, Any]:
    """`ends_told`: whether the request's microversion has `delete_on_termination`."""
    status, task, fault = status_of(server)
    volumes = [volume for volume in server.volumes.values() if volume.volume_type != LOCAL_DISK]
    backed = any(volume.facts.get("root") for volume in volumes)
    shape: dict[str, Any] = {
        "id": server.id,
        "name": server.name,
        "status": status,
        "OS-EXT-STS:task_state": task,
        "OS-EXT-STS:vm_state": {"ACTIVE": "active", "SHUTOFF": "stopped", "ERROR": "error"}.get(status, "building"),
        "OS-EXT-STS:power_state": 1 if status == "ACTIVE" else 4,
        "OS-EXT-AZ:availability_zone": "" if status in {"BUILD", "ERROR"} else "nova",
        "OS-DCF:diskConfig": "MANUAL",
        "tenant_id": server.project,
        "user_id": fleet.catalogue.organization,
        "metadata": dict(server.facts["metadata"]),
        "hostId": "",
        "image": "" if backed else {"id": server.image.id, "links": []},
        "flavor": {"id": named_id("flavor", server.size.name), "links": []},
        "created": server.created[:19] + "Z",
        "updated": server.modified[:19] + "Z",
        "addresses": _addresses(fleet, server),
        "accessIPv4": "",
        "accessIPv6": "",
        "key_name": server.facts.get("key_name"),
        "config_drive": "",
        "security_groups": [{"name": server.firewall or "default"}],
        "os-extended-volumes:volumes_attached": [_attached(volume, ends_told) for volume in volumes],
        "links": [],
    }
    if status == "ERROR":
        shape["fault"] = {"code": 500, "created": shape["updated"], "message": fault}
    elif status == "ACTIVE":
        shape["progress"] = 100
    return shape


def _attached(volume: Volume, ends_told: bool) -> dict[str, Any]:
    return {"id": volume.id} | ({"delete_on_termination": volume.goes_with_server} if ends_told else {})


def _addresses(fleet: Fleet, server: Server) -> dict[str, list[dict[str, Any]]]:
    """Nova learns them as the server is built, and floating ones a while later."""
    fixed = fixed_address(fleet, server)
    if fixed is None or status_of(server)[0] in {"BUILD", "ERROR"}:
        return {}
    mac = "fa:16:3e:" + bytes.fromhex(server.id[:6]).hex(":")
    told = [{"version": 4, "addr": fixed, "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": mac}]
    told += [
        {"version": 4, "addr": each.address, "OS-EXT-IPS:type": "floating", "OS-EXT-IPS-MAC:mac_addr": mac}
        for each in fleet.floating.values()
        if each.server == server.id
    ]
    return {server.facts["network"]: told}


def volume_status(volume: Volume) -> str:
    if age(volume.created) < LAG:
        return "creating"
    return "in-use" if volume.server else "available"


def volume_shape(volume: Volume) -> dict[str, Any]:
    attachment = {
        "id": volume.id,
        "attachment_id": named_id("attachment", volume.id),
        "volume_id": volume.id,
        "server_id": volume.server,
        "device": "/dev/vdb",
    }
    return {
        "id": volume.id,
        "name": volume.name,
        "description": None,
        "status": volume_status(volume),
        "size": volume.size // GB,
        "volume_type": volume.volume_type,
        "availability_zone": "nova",
        "bootable": "true" if volume.facts.get("root") else "false",
        "encrypted": False,
        "metadata": dict(volume.facts.get("metadata", {})),
        "snapshot_id": volume.facts.get("snapshot_id"),
        "source_volid": None,
        "attachments": [attachment] if volume.server else [],
        "created_at": volume.created[:26],
        "links": [],
    }


def snapshot_shape(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "description": None,
        "status": "creating" if age(snapshot.created) < LAG else "available",
        "size": snapshot.size // GB,
        "volume_id": snapshot.volume,
        "metadata": dict(snapshot.facts.get("metadata", {})),
        "created_at": snapshot.created[:26],
    }


def network_shape(name: str) -> dict[str, Any]:
    return {
        "id": named_id("network", name),
        "name": name,
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": name == EXTERNAL,
        "router:external": name == EXTERNAL,
        "subnets": [],
    }


def port_id(server: Server) -> str:
    return named_id("port", server.id)


def port_shape(fleet: Fleet, server: Server) -> dict[str, Any]:
    return {
        "id": port_id(server),
        "name": "",
        "status": "ACTIVE" if server.state == "running" else "DOWN",
        "device_id": server.id,
        "device_owner": "compute:nova",
        "network_id": named_id("network", server.facts["network"]),
        "project_id": server.project,
        "tenant_id": server.project,
        "fixed_ips": [{"subnet_id": "", "ip_address": fixed_address(fleet, server)}],
        "security_groups": [server.firewall or named_id("security-group", "default")],
    }


def floating_shape(fleet: Fleet, floating: FloatingAddress) -> dict[str, Any]:
    server = fleet.servers.get(floating.server or "")
    return {
        "id": floating.id,
        "floating_ip_address": floating.address,
        "floating_network_id": named_id("network", EXTERNAL),
        "fixed_ip_address": fixed_address(fleet, server) if server else None,
        "port_id": port_id(server) if server else None,
        "port_details": {"device_id": server.id, "device_owner": "compute:nova"} if server else None,
        "router_id": named_id("router", "main") if server else None,
        "status": "ACTIVE" if server else "DOWN",
        "description": floating.facts.get("description", ""),
        "project_id": fleet.catalogue.project,
        "tags": [],
    }


def group_shape(fleet: Fleet, firewall: Firewall) -> dict[str, Any]:
    return {
        "id": firewall.id,
        "name": firewall.name,
        "description": firewall.facts.get("description", ""),
        "project_id": fleet.catalogue.project,
        "stateful": True,
        "tags": [],
        "security_group_rules": [*_egress(firewall.id), *firewall.rules],
    }


def _egress(group_id: str) -> list[dict[str, Any]]:
    """What every new group has."""
    return [
        {
            "id": named_id(version, group_id),
            "security_group_id": group_id,
            "direction": "egress",
            "ethertype": version,
            "protocol": None,
            "port_range_min": None,
            "port_range_max": None,
            "remote_ip_prefix": None,
        }
        for version in ("IPv4", "IPv6")
    ]


def image_shape(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "name": image.name,
        "status": "active",
        "visibility": "public",
        "created_at": CATALOGUE_DATE[:19] + "Z",
        "updated_at": CATALOGUE_DATE[:19] + "Z",
        "min_disk": 4,
        "min_ram": 512,
        "size": 2 * GB,
        "disk_format": "qcow2",
        "container_format": "bare",
        "os_hidden": False,
        "tags": [],
        "self": f"/v2/images/{image.id}",
    }
