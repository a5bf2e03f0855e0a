"""Machines, volumes, snapshots, security groups, images and types in the JSON shapes of the OUTSCALE API."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import CATALOGUE_DATE, Image, Size
from providers.simulator.fleet_parts import Firewall, Server, Snapshot, Volume
from providers.simulator.outscale_answers import tag_shapes, vendor_id

GIB = 1024**3
ROOT_GIB = 10
ROOT_DEVICE = "/dev/sda1"
DEFAULT_GROUP = {"SecurityGroupId": "sg-00000000", "SecurityGroupName": "default"}
CORE_PRICES = {"CustomCore:v5-p1": 0.045, "CustomCore:v5-p2": 0.036, "CustomCore:v6-p2": 0.039}
RAM_PRICE = 0.005
"""Euros an hour: a core by generation and performance, a GiB of memory. Invented."""


def vm_state(fleet: Fleet, server: Server) -> str:
    """The vendor's word; a machine made stopped is `pending` at first."""
    if server.id in fleet.ended:
        return "terminated"
    if server.state == "starting" or (server.state == "stopped" and time.monotonic() < server.facts["made_at"]):
        return "pending"
    if server.state == "stopping" and server.state_detail == "terminate":
        return "shutting-down"
    return server.state


def vm_shape(fleet: Fleet, server: Server) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "ActionsOnNextBoot": {"SecureBoot": "none"},
        "Architecture": server.size.arch,
        "BlockDeviceMappings": list(_devices(fleet, server)),
        "BootMode": "legacy",
        "BsuOptimized": False,
        "CreationDate": _date(server.created),
        "DeletionProtection": False,
        "Hypervisor": "xen",
        "ImageId": server.image.id,
        "IsSourceDestChecked": True,
        "LaunchNumber": 0,
        "NestedVirtualization": False,
        "Performance": "high",
        "Placement": {"SubregionName": server.zone, "Tenancy": "default"},
        "ProductCodes": ["0001"],
        "ReservationId": server.facts["reservation"],
        "RootDeviceName": ROOT_DEVICE,
        "RootDeviceType": "bsu",
        "SecurityGroups": [_group(fleet, server)],
        "State": vm_state(fleet, server),
        "StateReason": server.state_detail if server.state == "stopped" else "",
        "Tags": tag_shapes(server.tags),
        "TpmEnabled": False,
        "UserData": server.facts["user_data"],
        "VmId": vendor_id("server", server.id),
        "VmInitiatedShutdownBehavior": "stop",
        "VmType": server.facts["vm_type"],
    }
    told = {
        "ClientToken": server.facts["client_token"],
        "KeypairName": server.facts["keypair"],
        "PublicIp": fleet.address(server),
        "PrivateIp": f"10.9.0.{server.host}" if server.host else None,
    }
    return shape | {name: value for name, value in told.items() if value is not None}


def _devices(fleet: Fleet, server: Server) -> Iterator[dict[str, Any]]:
    if server.id in fleet.ended:
        return
    for volume in server.volumes.values():
        yield {
            "DeviceName": volume.facts.get("device", ROOT_DEVICE),
            "Bsu": {
                "DeleteOnVmDeletion": volume.goes_with_server,
                "LinkDate": _date(volume.created),
                "State": "attached",
                "VolumeId": vendor_id("volume", volume.id),
            },
        }


def _group(fleet: Fleet, server: Server) -> dict[str, str]:
    firewall = fleet.firewalls.get(server.firewall or "")
    if firewall is None:
        return DEFAULT_GROUP
    return {"SecurityGroupId": vendor_id("firewall", firewall.id), "SecurityGroupName": firewall.name}


def volume_shape(volume: Volume) -> dict[str, Any]:
    making = time.monotonic() < volume.facts.get("made_at", 0.0)
    shape: dict[str, Any] = {
        "CreationDate": _date(volume.created),
        "LinkedVolumes": [],
        "Size": volume.size // GIB,
        "State": "in-use" if volume.server else "creating" if making else "available",
        "SubregionName": volume.zone,
        "Tags": tag_shapes(volume.tags),
        "VolumeId": vendor_id("volume", volume.id),
        "VolumeType": volume.volume_type,
    }
    if volume.server:
        link = {
            "DeleteOnVmDeletion": volume.goes_with_server,
            "DeviceName": volume.facts.get("device", ROOT_DEVICE),
            "State": "attached",
            "VmId": vendor_id("server", volume.server),
            "VolumeId": vendor_id("volume", volume.id),
        }
        shape["LinkedVolumes"] = [link]
    told = {"ClientToken": volume.facts.get("client_token"), "SnapshotId": volume.facts.get("snapshot")}
    return shape | {name: value for name, value in told.items() if value is not None}


def snapshot_shape(fleet: Fleet, snapshot: Snapshot) -> dict[str, Any]:
    done = time.monotonic() >= snapshot.facts.get("made_at", 0.0)
    shape: dict[str, Any] = {
        "AccountId": fleet.catalogue.organization,
        "CreationDate": _date(snapshot.created),
        "Description": snapshot.facts.get("description", ""),
        "PermissionsToCreateVolume": {"AccountIds": [], "GlobalPermission": False},
        "Progress": 100 if done else 0,
        "SnapshotId": vendor_id("snapshot", snapshot.id),
        "State": "completed" if done else "pending",
        "Tags": tag_shapes(snapshot.tags),
        "VolumeId": vendor_id("volume", snapshot.volume),
        "VolumeSize": snapshot.size // GIB,
    }
    token = snapshot.facts.get("client_token")
    return shape | ({"ClientToken": token} if token else {})


def group_shape(fleet: Fleet, firewall: Firewall) -> dict[str, Any]:
    everything = {"FromPortRange": -1, "IpProtocol": "-1", "IpRanges": ["0.0.0.0/0"], "ToPortRange": -1}
    return {
        "AccountId": fleet.catalogue.organization,
        "Description": firewall.facts.get("description", ""),
        "InboundRules": firewall.rules,
        "OutboundRules": [everything],
        "SecurityGroupId": vendor_id("firewall", firewall.id),
        "SecurityGroupName": firewall.facts.get("name", firewall.name),
        "Tags": tag_shapes(firewall.tags),
    }


def image_shape(image: Image) -> dict[str, Any]:
    root = {
        "DeleteOnVmDeletion": True,
        "SnapshotId": image.id.replace("ami", "snap"),
        "VolumeSize": ROOT_GIB,
        "VolumeType": "standard",
    }
    return {
        "AccountAlias": "Outscale",
        "AccountId": "000000000001",
        "Architecture": "x86_64",
        "BlockDeviceMappings": [{"Bsu": root, "DeviceName": ROOT_DEVICE}],
        "BootModes": ["legacy"],
        "CreationDate": _date(CATALOGUE_DATE),
        "Description": "",
        "FileLocation": f"Outscale/{image.name}",
        "ImageId": image.id,
        "ImageName": image.name,
        "ImageType": "machine",
        "PermissionsToLaunch": {"AccountIds": [], "GlobalPermission": True},
        "ProductCodes": ["0001"],
        "RootDeviceName": ROOT_DEVICE,
        "RootDeviceType": "bsu",
        "SecureBoot": False,
        "State": "available",
        "StateComment": {},
        "Tags": [],
        "TpmMandatory": False,
    }


def type_shape(size: Size) -> dict[str, Any]:
    return {
        "BsuOptimized": False,
        "MaxPrivateIps": 4,
        "MemorySize": size.ram_gb,
        "VcoreCount": size.cpu,
        "VmTypeName": size.name,
        "VolumeCount": 0,
    }


def price_shapes(sizes: dict[str, Size], region: str) -> Iterator[dict[str, Any]]:
    """The price list: the named types, and cores and memory of the free ones."""
    boxes = {f"BoxUsage:{size.name}": size.hourly_price for size in sizes.values()}
    for kind, price in {**CORE_PRICES, "CustomRam": RAM_PRICE, **boxes}.items():
        yield {
            "Category": "compute",
            "Operation": "RunInstances-OD",
            "Service": "TinaOS-FCU",
            "SubregionName": region,
            "Title": kind,
            "Type": kind,
            "UnitPrice": price,
        }


def _date(stamp: str) -> str:
    at = datetime.fromisoformat(stamp)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
