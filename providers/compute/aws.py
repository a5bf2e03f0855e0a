"""Amazon EC2's Query API (2016-11-15) through libcloud's driver, mended, for reading only.

Mended: lists are read whole, page by page; any region and any address of the
scope will do; answers whose namespace lacks the final slash are understood; a
rule's networks are read although it also names groups, and IPv6 networks with
them; an instance's further addresses and a volume's further attachments are
seen. Facts: Amazon EC2 API Reference (NextToken, MaxResults, Filter).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from libcloud.compute.base import Node, StorageVolume
from libcloud.compute.drivers.ec2 import API_VERSION, NAMESPACE, BaseEC2NodeDriver, EC2SecurityGroup

from providers.aws_http import AwsConnection, AwsResponse, text
from providers.base import Secret
from providers.vendor_http import Deadline, Endpoint

PAGE = 500
"""Entries a page: the most that DescribeVolumes has always taken."""
IDS_AT_ONCE = 200
"""The most values that one filter takes."""


class Ec2Response(AwsResponse):
    def parse_body(self) -> Any:
        """The answer in the one namespace that libcloud looks for, whatever its writer called it."""
        root: Any = super().parse_body()  # type: ignore[no-untyped-call]
        if isinstance(root, Element):
            for element in root.iter():
                element.tag = f"{{{NAMESPACE}}}{element.tag.rpartition('}')[2]}"
        return root


class Ec2Connection(AwsConnection):
    responseCls = Ec2Response  # noqa: N815 (libcloud's name)
    version = API_VERSION
    service_name = "ec2"


class Ec2Driver(BaseEC2NodeDriver):
    """One region of one account. One per thread and per call. Raises RefusedError and requests' exceptions."""

    name = "Amazon EC2"
    connectionCls = Ec2Connection  # type: ignore[assignment]  # noqa: N815 (libcloud's name)
    connection: Any

    def __init__(self, access_key: Secret, secret_key: Secret, endpoint: Endpoint, region: str, deadline: Deadline):
        self.endpoint = endpoint
        self.region_name = region
        self.deadline = deadline
        super().__init__(  # type: ignore[no-untyped-call]
            key=access_key.reveal(),
            secret=secret_key.reveal(),
            secure=endpoint.secure,
            host=endpoint.host,
            port=endpoint.port,
        )

    def list_nodes(self) -> list[Node]:  # type: ignore[override]
        """All instances, but for those that are terminated: they are gone, though still listed for an hour."""
        found = (self._to_node(one) for one in self._items("DescribeInstances", _INSTANCES))
        return [node for node in found if node.extra["status"] != "terminated"]

    def list_volumes(self) -> list[StorageVolume]:  # type: ignore[override]
        return [self._to_volume(one) for one in self._items("DescribeVolumes", "volumeSet/item")]

    def ex_security_groups(self) -> list[EC2SecurityGroup]:
        """All security groups with their rules."""
        listed = self._items("DescribeSecurityGroups", "securityGroupInfo/item")
        return [self._to_security_group(one) for one in listed]  # type: ignore[no-untyped-call]

    def ex_image_names(self, image_ids: Iterable[str]) -> dict[str, str]:
        """Image id -> name, for those images that still exist."""
        names: dict[str, str] = {}
        ids = sorted(set(image_ids))
        for start in range(0, len(ids), IDS_AT_ONCE):
            # A filter, because asking for an image that was deregistered by its id is an error.
            chosen = {f"Filter.1.Value.{n}": one for n, one in enumerate(ids[start : start + IDS_AT_ONCE], 1)}
            params = {"Action": "DescribeImages", "Filter.1.Name": "image-id", **chosen}
            answer = self.connection.request(self.path, params=params).object
            names |= {text(one, "{*}imageId"): text(one, "{*}name") for one in _all(answer, "imagesSet/item")}
        return names

    def _items(self, action: str, path: str) -> Iterator[Element]:
        """The entries of all pages of a list."""
        more: dict[str, str] = {}
        while True:
            params = {"Action": action, "MaxResults": str(PAGE), **more}
            answer = self.connection.request(self.path, params=params).object
            yield from _all(answer, path)
            token = text(answer, "{*}nextToken")
            if not token:
                return
            more = {"NextToken": token}

    def _to_node(self, element: Element) -> Node:
        node: Node = super()._to_node(element)  # type: ignore[no-untyped-call]
        interfaces = [*_all(element, "networkInterfaceSet/item")]
        private = [text(one, "{*}privateIpAddress") for each in interfaces for one in _all(each, _PRIVATE)]
        public = [text(one, "{*}association/{*}publicIp") for each in interfaces for one in _all(each, _PRIVATE)]
        ipv6 = [text(one, "{*}ipv6Address") for each in interfaces for one in _all(each, "ipv6AddressesSet/item")]
        node.private_ips = _each_once(node.private_ips, private)
        node.public_ips = _each_once(node.public_ips, public, ipv6)
        return node

    def _to_volume(self, element: Element, name: str | None = None) -> StorageVolume:
        volume: StorageVolume = super()._to_volume(element, name)  # type: ignore[no-untyped-call]
        attached = [text(one, "{*}instanceId") for one in _all(element, "attachmentSet/item")]
        more = {"attached_to": _each_once(attached), "volume_type": text(element, "{*}volumeType")}
        volume.extra = {**(volume.extra or {}), **more}
        return volume

    def _to_security_group_rule(self, element: Element) -> dict[str, Any]:
        return {
            "protocol": text(element, "{*}ipProtocol"),
            "from_port": text(element, "{*}fromPort"),
            "to_port": text(element, "{*}toPort"),
            "peers": [text(one, tag) for path, tag in _PEERS.items() for one in _all(element, path)],
        }


_INSTANCES = "reservationSet/item/instancesSet/item"
_PRIVATE = "privateIpAddressesSet/item"
_PEERS: Mapping[str, str] = {
    "ipRanges/item": "{*}cidrIp",
    "ipv6Ranges/item": "{*}cidrIpv6",
    "groups/item": "{*}groupId",
    "prefixListIds/item": "{*}prefixListId",
}


def _all(element: Element, path: str) -> Iterator[Element]:
    return element.iterfind("/".join(f"{{*}}{name}" for name in path.split("/")))


def _each_once(*lists: Iterable[str]) -> list[str]:
    """In their order, without those that are empty."""
    return [*dict.fromkeys(one for each in lists for one in each if one)]
