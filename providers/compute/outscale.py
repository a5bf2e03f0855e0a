"""Outscale through libcloud's driver, mended.

The stock driver answers errors as if they were results, sends `Tags` as an
object and `VmIds` as a text (a strict gateway refuses both, so a machine leaks
and its end "succeeds"), has no timeout and knows no sizes. Facts: the vendor's
OpenAPI description 1.42 and its published list of error codes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tenacity
from libcloud.compute.base import Node, NodeDriver, NodeSize
from libcloud.compute.drivers.outscale import OutscaleNodeDriver
from libcloud.compute.types import NodeState

from providers.base import ProviderError, Reveal
from providers.compute.clouds import require
from providers.compute.driver import Order
from providers.compute.outscale_catalogue import Catalogue
from providers.compute.outscale_connection import AccessKey, OscConnection
from providers.compute.outscale_marks import (
    NAME,
    from_vendor,
    in_section,
    is_one_step,
    name_of,
    narrowest,
    to_vendor,
    tokens_of,
    with_section,
    without_section,
)
from providers.compute.outscale_parts import SETTLE_SECONDS, Parts, gibibytes
from providers.vendor_http import Deadline, Endpoint, RefusedError

VENDOR_URL = "https://api.{region}.outscale.com/api/v1"
KIND = "server"
ROOT_DEVICE = "/dev/sda1"

STATES = {
    "pending": NodeState.STARTING,
    "running": NodeState.RUNNING,
    "stopping": NodeState.STOPPING,
    "shutting-down": NodeState.STOPPING,
    "stopped": NodeState.STOPPED,
    "terminated": NodeState.TERMINATED,
    "quarantine": NodeState.ERROR,
}
ENDED = frozenset({"shutting-down", "terminated"})

USED_UP = {
    "10010": "the quota of servers",
    "10011": "the quota of public addresses",
    "10018": "the quota of volumes",
    "10024": "the quota of volume size",
    "10025": "the quota of IOPS",
    "10026": "the quota of snapshots",
    "10029": "the quota of cores",
    "10038": "the quota of security groups",
    "10042": "the quota of memory",
}
"""What the vendor's `too-many-…` errors count."""
PASSING_CONFLICTS = frozenset({"9002", "9004", "9085"})
"""Busy, device in use, security group in use."""


def connect(block: Mapping[str, Any], reveal: Reveal, deadline: Deadline) -> "OutscaleDriver":
    """The driver of a scope's block. Raises ProviderError(permanent) when something is missing in it."""
    require(block, "Outscale", "region", "access_key", "secret_key")
    region = str(block["region"])
    return OutscaleDriver(
        AccessKey(reveal(block["access_key"]), reveal(block["secret_key"]), region),
        Endpoint.at(block.get("url") or VENDOR_URL.format(region=region), block.get("ca")),
        block.get("zone") or f"{region}a",
        deadline,
        security_group=block.get("security_group"),
        images=block.get("images") or {},
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer in the form that the stock driver's methods look at."""

    body: dict[str, Any]
    status_code: int = 200

    def json(self) -> dict[str, Any]:
        return self.body


class OutscaleDriver(Parts, Catalogue, OutscaleNodeDriver):
    """Libcloud's Outscale driver as a `CloudDriver`. One per thread and per call."""

    connectionCls = OscConnection  # noqa: N815 (libcloud's name)
    connection: Any

    def __init__(
        self,
        key: AccessKey,
        endpoint: Endpoint,
        zone: str,
        deadline: Deadline,
        security_group: str | None = None,
        images: Mapping[str, str] | None = None,
    ) -> None:
        self.key_pair = key
        self.endpoint = endpoint
        self.zone = zone
        self.deadline = deadline
        self.security_group = security_group
        self.images = images or {}
        self.where = f"Outscale {zone}"
        # The stock constructor would keep the real keys in plain sight.
        NodeDriver.__init__(  # type: ignore[no-untyped-call]
            self, key="outscale", secret="", secure=endpoint.secure, region=key.region
        )

    # Servers

    def list_nodes(self, ex_name: str | None = None, ex_tags: Iterable[str] = ()) -> list[Node]:
        """As CloudDriver says; a machine that is not tagged yet is found by its client token."""
        tags = frozenset(ex_tags)
        filters: list[dict[str, list[str]]]
        if ex_name is not None:
            filters = [{"Tags": [f"{NAME}={ex_name}"]}]
        elif is_one_step(tags):
            filters = [narrowest(tags), {"ClientTokens": tokens_of(KIND, tags)}]
        else:
            # A machine that has no tags yet is among all of them only.
            filters = [{}]
        nodes = self._nodes(filters)
        return [node for node in nodes if tags <= set(node.extra["tags"]) and ex_name in {None, node.name}]

    def ex_servers_of(self, name: str, tags: frozenset[str]) -> list[Node]:
        """The vendor's filter takes alternatives, so tag and name are asked for at once; the token goes apart."""
        either = {"Tags": [*narrowest(tags)["Tags"], f"{NAME}={name}"]}
        nodes = self._nodes([either, {"ClientTokens": tokens_of(KIND, tags)}])
        ours = [node for node in nodes if tags <= set(node.extra["tags"])]
        return ours or [node for node in nodes if node.name == name]

    def ex_get_node(self, node_id: str) -> Node | None:
        vm = self._vm(node_id)
        return None if vm is None else self._to_node(vm)

    def ex_create(self, order: Order) -> Node:
        """One machine, powered off; the vendor makes one for each token, and a token of a machine that ended is spent.

        The machine's end may be forgotten by the list and known by the token, so both are asked.
        """
        tokens = tokens_of(KIND, order.tags)
        known = self.connection.read("ReadVms", "Vms", {"ClientTokens": tokens})
        spent = {vm.get("ClientToken") for vm in known if vm["State"] in ENDED}
        for token in tokens:
            if token in spent:
                continue
            vm = self.connection.call("CreateVms", **self._creation(order, token))["Vms"][0]
            if vm["State"] not in ENDED:
                return self._to_node(vm)
        raise ProviderError(
            f"{self.where}: this step has made its server {len(tokens)} times already; begin a new run.", permanent=True
        )

    def ex_complete(self, node: Node, order: Order) -> None:
        """Tags and name, then, once the machine is made, the user data without what carried the tags so far.

        `node` then says in which state that left it.
        """
        vm = self._vm(str(node.id))
        if vm is None:
            return
        wanted = to_vendor(order.tags, order.name)
        if any(tag not in vm["Tags"] for tag in wanted):
            self.connection.call("CreateTags", ResourceIds=[node.id], Tags=wanted)
        user_data = without_section(vm.get("UserData", ""))
        if user_data is not None:
            node.state = STATES[self._until_made(str(node.id))]
            self.connection.call("UpdateVm", VmId=node.id, UserData=user_data)

    def start_node(self, node: Node) -> bool:
        """Power on; it is running later."""
        self.connection.call("StartVms", VmIds=[node.id])
        return True

    def stop_node(self, node: Node) -> bool:
        """Power off; it is stopped later."""
        self.connection.call("StopVms", VmIds=[node.id])
        return True

    def destroy_node(self, node: Node) -> bool:
        """Terminate, from running or stopped; the vendor goes on listing it for a while."""
        self.connection.call("DeleteVms", VmIds=[node.id])
        return True

    def ex_outlives(self, node: Node) -> bool:
        """Volumes that were attached later stay, and so does a security group; the root volume goes."""
        return bool(node.extra["kept_volumes"] or node.extra["firewalls"])

    def list_sizes(self, location: Any = None) -> list[NodeSize]:
        """Libcloud's form of the offers; memory in MB, price in euros an hour, 0 where it is not told."""
        return [
            NodeSize(offer.name, offer.name, round(offer.memory * 1000), 0, 0, offer.hourly or 0.0, self)
            for offer in self.ex_offers()
        ]

    # What its refusals mean

    def ex_is_passing(self, error: RefusedError) -> bool:
        return _type_of(error) == "InvalidState" or error.kind in PASSING_CONFLICTS

    def ex_no_capacity(self, error: RefusedError) -> str | None:
        kind = _type_of(error)
        if kind == "InsufficientCapacity":
            return f"the size in stock in {self.zone}"
        if kind.startswith("TooManyResources"):
            return USED_UP.get(error.kind, f"a quota ({error.message})")
        return None

    def _creation(self, order: Order, token: str) -> dict[str, Any]:
        root = {"DeleteOnVmDeletion": True, "VolumeType": "gp2"}
        if order.disk:
            root["VolumeSize"] = gibibytes(order.disk)
        group = order.firewall or self.security_group
        return {
            "ImageId": order.image,
            "VmType": order.size,
            "ClientToken": token,
            "BootOnCreation": False,
            "BlockDeviceMappings": [{"DeviceName": ROOT_DEVICE, "Bsu": root}],
            "KeypairName": order.ssh_key,
            "SecurityGroupIds": [group] if group else None,
            "Placement": {"SubregionName": self.zone},
            "UserData": with_section(order.user_data, order.name, order.tags),
        }

    def _nodes(self, filters: Iterable[Mapping[str, list[str]]]) -> list[Node]:
        """The machines that pass any of these filters, in the order of their ids."""
        vms = {vm["VmId"]: vm for each in filters for vm in self.connection.read("ReadVms", "Vms", each)}
        return [self._to_node(vm) for _, vm in sorted(vms.items()) if vm["State"] != "terminated"]

    def _vm(self, node_id: str) -> dict[str, Any] | None:
        """One machine as the vendor describes it; None when it is gone."""
        vms = self.connection.read("ReadVms", "Vms", {"VmIds": [node_id]})
        return next((vm for vm in vms if vm["State"] != "terminated"), None)

    def _until_made(self, node_id: str) -> str:
        """The machine's state once it is no longer being made; `pending` when that takes longer than some seconds."""

        def state() -> str:
            vm = self._vm(node_id)
            return "terminated" if vm is None else str(vm["State"])

        found: str = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda state: state == "pending"),
            wait=tenacity.wait_exponential(multiplier=0.1, max=2.0),
            stop=tenacity.stop_before_delay(min(SETTLE_SECONDS, self.deadline.left())),
            sleep=self.deadline.sleep,
            retry_error_callback=lambda _: "pending",
        )(state)
        return found

    def _to_node(self, vm: dict[str, Any]) -> Node:
        name, tags = in_section(vm.get("UserData", ""))
        volumes = list(_volumes(vm))
        return Node(
            id=vm["VmId"],
            name=name_of(vm["Tags"]) or name,
            state=STATES.get(vm["State"], NodeState.UNKNOWN),
            public_ips=[vm["PublicIp"]] if vm.get("PublicIp") else [],
            private_ips=[vm["PrivateIp"]] if vm.get("PrivateIp") else [],
            driver=self,
            size=None,
            extra={
                "state": vm["State"],
                "tags": sorted({*from_vendor(vm["Tags"]), *tags}),
                "zone": (vm.get("Placement") or {}).get("SubregionName", self.zone),
                "volumes": {volume: "bsu" for volume, goes in volumes if goes},
                "kept_volumes": sorted(volume for volume, goes in volumes if not goes),
                "ips": [],
                "firewalls": sorted(
                    group["SecurityGroupId"]
                    for group in vm.get("SecurityGroups") or []
                    if group.get("SecurityGroupName") != "default"
                ),
                "size": vm.get("VmType", ""),
            },
        )

    def _call_api(self, action: str, data: str) -> "_Answer":
        """What the stock driver's other methods send goes the same way; an error is raised, never answered."""
        return _Answer(self.connection.call(action, **json.loads(data)))


def _volumes(vm: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Each volume, and whether it goes with the machine."""
    for device in vm.get("BlockDeviceMappings") or []:
        bsu = device.get("Bsu") or {}
        if bsu.get("VolumeId"):
            yield bsu["VolumeId"], bool(bsu.get("DeleteOnVmDeletion"))


def _type_of(error: RefusedError) -> str:
    return str((error.details or {}).get("type", ""))
