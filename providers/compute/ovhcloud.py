"""OVHcloud Public Cloud by its native API, through libcloud's driver, mended.

The stock driver fails on regions it does not know, asks a fixed host, filters
lists with a body that a GET must not have, and has neither stop nor user data.
Facts: the vendor's own description of the API (https://eu.api.ovh.com/1.0/cloud.json):
an instance has no tags and no metadata, boots as it is made, and its disk ends
with it; lists come whole, without pages. So the name carries the tags
(name_marks.py), and the host name inside the server, which OVHcloud derives from
it, begins with the plain name and goes on with the mark.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from libcloud.compute.base import Node, NodeLocation
from libcloud.compute.drivers.ovh import OvhNodeDriver
from libcloud.compute.types import NodeState

from providers.base import ProviderError, Reveal, Secret
from providers.compute.clouds import require
from providers.compute.driver import CloudDriver, Order
from providers.compute.name_marks import marked, read
from providers.compute.ovhcloud_market import NativeMarket
from providers.compute.ovhcloud_parts import NativeParts, no_firewalls
from providers.compute.ovhcloud_signed import VENDOR_URL, NativeConnection
from providers.vendor_http import Deadline, Endpoint, RefusedError, json_object

NEEDED = ("region", "project", "application_key", "application_secret", "consumer_key")
FAILED = "ERROR"
GONE = frozenset({"DELETED", "SOFT_DELETED"})
STATES = {
    "ACTIVE": NodeState.RUNNING,
    "SNAPSHOTTING": NodeState.RUNNING,
    "RESIZED": NodeState.RUNNING,
    "VERIFY_RESIZE": NodeState.RUNNING,
    "BUILD": NodeState.STARTING,
    "BUILDING": NodeState.STARTING,
    "REBUILD": NodeState.STARTING,
    "REBOOT": NodeState.STARTING,
    "HARD_REBOOT": NodeState.STARTING,
    "PASSWORD": NodeState.STARTING,
    "RESIZE": NodeState.STARTING,
    "REVERT_RESIZE": NodeState.STARTING,
    "MIGRATING": NodeState.STARTING,
    "RESUMING": NodeState.STARTING,
    "UNSHELVING": NodeState.STARTING,
    "UNRESCUING": NodeState.STARTING,
    "DELETING": NodeState.STOPPING,
    "SHELVING": NodeState.STOPPING,
    "SHUTOFF": NodeState.STOPPED,
    "STOPPED": NodeState.STOPPED,
    "PAUSED": NodeState.PAUSED,
    "SUSPENDED": NodeState.PAUSED,
    "SHELVED": NodeState.PAUSED,
    "SHELVED_OFFLOADED": NodeState.PAUSED,
}
"""By the vendor's `cloud.instance.InstanceStatusEnum`. ERROR is not in it: such an instance (no room on any host, say)
runs no more, but nobody at the vendor is needed to delete it, which NodeState.ERROR would mean."""


class NativeDriver(NativeParts, NativeMarket, OvhNodeDriver):
    """Libcloud's OVH driver at one region of one project. One per thread and per call."""

    connectionCls = NativeConnection  # noqa: N815 (libcloud's name)
    connection: Any

    def __init__(
        self,
        credential: tuple[Secret, Secret, Secret],
        endpoint: Endpoint,
        region: str,
        project: str,
        deadline: Deadline,
        images: Mapping[str, str] | None = None,
    ) -> None:
        """`credential`: application key, application secret, consumer key. `images`: names of the scope's own."""
        self.application, self.application_secret, self.consumer = credential
        self.endpoint = endpoint
        self.deadline = deadline
        self.images = dict(images or {})
        self.where = f"OVHcloud {region}"
        self.heard: set[str] = set()
        self._flavors_seen: dict[str, Mapping[str, Any]] = {}
        self.asked: Mapping[str, Any] = {}
        # Libcloud keeps these in plain sight, so the real ones stay with the signature. No key at all
        # would make it ask the vendor for one.
        super().__init__("", "", project, ex_consumer_key="-")  # type: ignore[no-untyped-call]
        self.region = region

    # Servers

    def list_nodes(  # type: ignore[override]
        self, ex_name: str | None = None, ex_tags: Iterable[str] = (), location: NodeLocation | None = None
    ) -> list[Node]:
        """The region's servers with exactly this plain name and at least these tags."""
        tags = set(ex_tags)
        self.heard |= tags
        nodes = self._nodes(location.id if location else self.region)
        wanted = [node for node in nodes if tags <= set(node.extra["tags"]) and ex_name in {None, node.name}]
        for node in wanted:
            self._tell_size(node, self._flavor_of(node.extra["size"]))
        return wanted

    def ex_servers_of(self, name: str, tags: frozenset[str]) -> list[Node]:
        """From one list: the vendor has no filter for either. Only those that failed are told their size's name."""
        self.heard |= tags
        nodes = self._nodes(self.region)
        ours = [node for node in nodes if tags <= set(node.extra["tags"])]
        wanted = ours or [node for node in nodes if node.name == name]
        for node in wanted:
            if node.extra["state"] == FAILED:
                self._tell_size(node, self._flavor_of(node.extra["size"]))
        return wanted

    def ex_get_node(self, node_id: str) -> Node | None:
        """One server by its id; None when it does not exist (any more)."""
        found = self._one(f"instance/{quote(node_id, safe='')}")
        return None if found is None or found["status"] in GONE else self._to_node(found)

    def ex_create(self, order: Order) -> Node:
        """One request that has all of it; the server boots at once. Billed by the hour.

        Raises ProviderError(permanent) for what the native API cannot do: a firewall, a larger root disk.
        """
        if order.firewall is not None:
            raise ProviderError(no_firewalls(self.where), permanent=True)
        self.heard |= order.tags
        flavor = self._flavor(order.size)
        if order.disk > flavor["disk"]:
            raise ProviderError(
                f"{self.where}: size {order.size} has a disk of {flavor['disk']} GB, and the native API knows no "
                "other; choose a larger size or attach a volume.",
                permanent=True,
            )
        body: dict[str, Any] = {
            "name": marked(order.name, order.tags),
            "region": self.region,
            "flavorId": flavor["id"],
            "imageId": order.image,
            "monthlyBilling": False,
        }
        if order.user_data is not None:
            body["userData"] = order.user_data
        if order.ssh_key is not None:
            body["sshKeyId"] = self._key_id(order.ssh_key)
        self.asked = {"instances": 1, "flavor": flavor["id"]}
        return self._to_node(self._made("instance", body))

    def ex_complete(self, node: Node, order: Order) -> None:
        """Nothing: the create request carried all."""

    def start_node(self, node: Node) -> bool:
        """Power on; the server is running later."""
        self._write("POST", f"instance/{node.id}/start")
        return True

    def stop_node(self, node: Node) -> bool:
        """Power off; the server is stopped later. It is billed on."""
        self._write("POST", f"instance/{node.id}/stop")
        return True

    def reboot_node(self, node: Node) -> bool:
        """Ask the system to boot again."""
        self._write("POST", f"instance/{node.id}/reboot", {"type": "soft"})
        return True

    def destroy_node(self, node: Node) -> bool:
        """Ask for the server's end with its disk; it is gone later. Volumes are detached and stay."""
        self._write("DELETE", f"instance/{node.id}")
        return True

    def ex_outlives(self, node: Node) -> bool:
        """Nothing that came with a server stays: its disk and its public address end with it."""
        return False

    # Requests

    def _nodes(self, region: str) -> list[Node]:
        """The region's servers in the order of their ids, their sizes by id."""
        found = [self._to_node(one) for one in self._read("instance", region=region) if one["status"] not in GONE]
        return sorted(found, key=lambda node: str(node.id))

    def _get_project_action(self, suffix: str) -> str:
        """Below the endpoint's own path, which has the version; the stock methods build theirs with this too."""
        return f"/cloud/project/{quote(self.project_id, safe='')}/{suffix}"

    def _read(self, suffix: str, **params: Any) -> Any:
        return self.connection.request(self._get_project_action(suffix), params=params).object

    def _one(self, suffix: str) -> dict[str, Any] | None:
        """One thing as the vendor describes it; None when it does not exist."""
        try:
            found: dict[str, Any] = self._read(suffix)
        except RefusedError as error:
            if error.code == 404:
                return None
            raise
        return found

    def _made(self, suffix: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a creation answers. Raises MalformedResponseError for what cannot be the vendor's own."""
        return json_object(self.connection.request(self._get_project_action(suffix), data=body, method="POST"))

    def _write(self, method: str, suffix: str, body: Mapping[str, Any] | None = None) -> Any:
        return self.connection.request(self._get_project_action(suffix), data=body, method=method).object

    def _flavor_of(self, flavor_id: str) -> Mapping[str, Any]:
        """A flavor, of which lists of servers give the id alone; empty when the vendor no longer has it."""
        if flavor_id not in self._flavors_seen:
            self._flavors_seen[flavor_id] = self._one(f"flavor/{flavor_id}") or {}
        return self._flavors_seen[flavor_id]

    def _tell_size(self, node: Node, flavor: Mapping[str, Any]) -> None:
        """The size's name; and for a server that could not be built, whether its size is out of stock now."""
        node.extra["size"] = flavor.get("name", node.extra["size"])
        if node.extra["state"] == FAILED and flavor.get("available") is False:
            node.extra["no_capacity"] = f"size {node.extra['size']} in stock"

    def _key_id(self, name: str) -> str:
        keys = self._read("sshkey", region=self.region)
        found = next((key["id"] for key in keys if key["name"] == name), None)
        if found is None:
            known = ", ".join(sorted(key["name"] for key in keys)) or "none"
            raise ProviderError(
                f"{self.where} has no SSH key {name} (it has: {known}); add it to the project or correct `ssh_key`.",
                permanent=True,
            )
        return str(found)

    # Shapes

    def _to_location(self, obj: str) -> NodeLocation:
        """A region; one that libcloud's table lacks has its name and no country."""
        known = self.connectionCls.LOCATIONS.get(obj, {})
        return NodeLocation(obj, known.get("name", obj), known.get("country", ""), self)

    def _to_node(self, obj: Mapping[str, Any]) -> Node:
        told = read(obj["name"], self.heard)
        addresses = [one for one in obj.get("ipAddresses") or [] if one.get("version") == 4]
        node = Node(
            id=obj["id"],
            name=told.name,
            state=STATES.get(obj["status"], NodeState.UNKNOWN),
            public_ips=[one["ip"] for one in addresses if one.get("type") == "public"],
            private_ips=[one["ip"] for one in addresses if one.get("type") != "public"],
            driver=self,
            extra={
                "state": obj["status"],
                "tags": sorted(told.tags),
                "zone": obj["region"],
                # What comes with a server ends with it; volumes are attached by others, and outlive it.
                "volumes": {},
                "ips": [],
                "size": obj.get("flavorId", ""),
                "full_name": obj["name"],
            },
        )
        if obj.get("flavor"):
            self._tell_size(node, obj["flavor"])
        return node


def connect(block: Mapping[str, Any], reveal: Reveal, deadline: Deadline) -> CloudDriver:
    """The driver of one `compute` block of a scope.

    Raises ProviderError(permanent) that names what the block lacks.
    """
    require(block, "OVHcloud", *NEEDED)
    application, secret, consumer = (reveal(block[name]) for name in NEEDED[2:])
    endpoint = Endpoint.at(block.get("url") or VENDOR_URL, block.get("ca"))
    return NativeDriver(
        (application, secret, consumer), endpoint, block["region"], block["project"], deadline, block.get("images")
    )
