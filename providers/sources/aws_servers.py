"""What EC2 holds in one region: instances, volumes, security groups."""

from collections.abc import Iterator
from typing import Any, Literal

from libcloud.compute.base import Node, StorageVolume
from libcloud.compute.drivers.ec2 import EC2SecurityGroup

from providers.base import ProviderError
from providers.inventory import Rule, SecurityGroup, Server, Volume
from providers.sources.aws_account import Account, Tell

GIB = 1024**3
"""EC2's sizes are in GiB (API Reference, "Volume")."""


def read_servers(account: Account, tell: Tell) -> list[Server]:
    """All instances; that their images' names are refused does not hide them."""
    with account.ec2() as driver:
        nodes = driver.list_nodes()
    names: dict[str, str] = {}
    try:
        with account.ec2() as driver:
            names = driver.ex_image_names(str(node.extra["image_id"]) for node in nodes)
    except ProviderError as error:
        tell("names of images", error.message)
    return sorted((_server(node, names) for node in nodes), key=lambda one: (one.name, one.id))


def read_volumes(account: Account, tell: Tell) -> list[Volume]:
    with account.ec2() as driver:
        return sorted(map(_volume, driver.list_volumes()), key=lambda one: (one.name, one.id))


def read_security_groups(account: Account, tell: Tell) -> list[SecurityGroup]:
    with account.ec2() as driver:
        return sorted(map(_group, driver.ex_security_groups()), key=lambda one: (one.name, one.id))


def _server(node: Node, image_names: dict[str, str]) -> Server:
    extra: dict[str, Any] = node.extra or {}
    image = str(extra["image_id"] or "")
    return Server(
        id=str(node.id),
        name=str(node.name),
        type=str(extra["instance_type"] or ""),
        state=str(extra["status"] or "unknown"),
        image=image,
        image_name=image_names.get(image, ""),
        architecture=str(extra["architecture"] or ""),
        platform=str(extra["platform"] or ""),
        location=str(extra["availability"] or ""),
        network=str(extra["vpc_id"] or ""),
        subnet=str(extra["subnet_id"] or ""),
        key=str(extra["key_name"] or ""),
        launched=str(extra["launch_time"] or ""),
        public_addresses=tuple(node.public_ips),
        private_addresses=tuple(node.private_ips),
        volumes=tuple(disk["ebs"]["volume_id"] for disk in extra["block_device_mapping"] if disk["ebs"]["volume_id"]),
        security_groups=tuple(group["group_id"] for group in extra["groups"]),
        tags=_tags(extra),
    )


def _volume(volume: StorageVolume) -> Volume:
    extra: dict[str, Any] = volume.extra or {}
    return Volume(
        id=str(volume.id),
        name=str(volume.name),
        bytes=int(volume.size) * GIB,
        type=str(extra["volume_type"] or ""),
        state=str(extra["state"] or "unknown"),
        encrypted=bool(extra["encrypted"]),
        location=str(extra["zone"] or ""),
        snapshot=str(extra["snapshot_id"] or ""),
        attached_to=tuple(extra["attached_to"]),
        tags=_tags(extra),
    )


def _group(group: EC2SecurityGroup) -> SecurityGroup:
    rules = [*_rules("in", group.ingress_rules), *_rules("out", group.egress_rules)]
    extra = group.extra
    return SecurityGroup(
        id=str(group.id),
        name=str(group.name),
        description=str(extra["description"] or ""),
        network=str(extra["vpc_id"] or ""),
        rules=tuple(rules),
        tags=_tags(extra),
    )


def _rules(direction: Literal["in", "out"], rules: list[dict[str, Any]]) -> Iterator[Rule]:
    for rule in rules:
        protocol = "all" if rule["protocol"] == "-1" else rule["protocol"]
        yield Rule(direction, protocol, _ports(rule["from_port"], rule["to_port"]), tuple(rule["peers"]))


def _ports(first: str, last: str) -> str:
    """EC2 writes nothing, or -1, for all."""
    if first in {"", "-1"}:
        return "all"
    return first if first == last else f"{first}-{last}"


def _tags(extra: dict[str, Any]) -> dict[str, str]:
    return {str(key): str(value or "") for key, value in sorted(extra["tags"].items())}
