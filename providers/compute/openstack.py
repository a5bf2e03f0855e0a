"""Any OpenStack cloud through libcloud's driver, mended: Nova's servers, with what the other services give them.

Facts: the published API references of Nova (2.1), Cinder (3), Neutron (2.0),
Glance (2) and Keystone (3). No microversion is needed to make a server; reading
one asks for 2.3, which says of each volume whether it ends with its server.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import tenacity
from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import ProviderError, Reveal
from providers.compute.clouds import require
from providers.compute.driver import CloudDriver, NoCapacityError, Order
from providers.compute.openstack_cloud import Wiring, quoted
from providers.compute.openstack_endpoints import Place, Service, keystone_at
from providers.compute.openstack_offers import Offers
from providers.compute.openstack_parts import Parts
from providers.compute.openstack_refusals import is_passing, no_capacity, no_host
from providers.compute.openstack_tags import description_of, metadata_of, tags_in, words_in
from providers.compute.proof import MARK
from providers.vendor_http import Deadline, RefusedError, one_line

READING = {"OpenStack-API-Version": "compute 2.3", "X-OpenStack-Nova-API-Version": "2.3"}
ROOT_GB = 20
"""Of a root volume that neither the flavor, the image nor the order gives a size."""
PORT_SECONDS = 20.0
"""How long a server that was just made may be without its port."""

STATES = {
    "ACTIVE": NodeState.RUNNING,
    "MIGRATING": NodeState.RUNNING,
    "PASSWORD": NodeState.RUNNING,
    "VERIFY_RESIZE": NodeState.RUNNING,
    "BUILD": NodeState.STARTING,
    "REBUILD": NodeState.STARTING,
    "REBOOT": NodeState.STARTING,
    "HARD_REBOOT": NodeState.STARTING,
    "RESIZE": NodeState.STARTING,
    "REVERT_RESIZE": NodeState.STARTING,
    "SHUTOFF": NodeState.STOPPED,
    "PAUSED": NodeState.STOPPED,
    "SUSPENDED": NodeState.STOPPED,
    "SHELVED": NodeState.STOPPED,
    "SHELVED_OFFLOADED": NodeState.STOPPED,
    "ERROR": NodeState.UNKNOWN,
    "DELETED": NodeState.TERMINATED,
    "SOFT_DELETED": NodeState.TERMINATED,
}
"""Nova can delete a server from any of them: so what is paused or suspended counts as stopped, and ERROR as a state
that nobody asked for, not as one that only the vendor can end. ERROR for want of a host is told by `no_capacity`."""
TASKS = {
    "powering-on": NodeState.STARTING,
    "unpausing": NodeState.STARTING,
    "resuming": NodeState.STARTING,
    "unshelving": NodeState.STARTING,
    "powering-off": NodeState.STOPPING,
    "deleting": NodeState.STOPPING,
    "soft-deleting": NodeState.STOPPING,
}
WAKING = {"PAUSED": "unpause", "SUSPENDED": "resume", "SHELVED": "unshelve", "SHELVED_OFFLOADED": "unshelve"}
PRIVATE = [ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")]


@dataclass(frozen=True, slots=True)
class Belongings:
    """Floating addresses and security groups with our mark, as Neutron describes them."""

    addresses: Sequence[Mapping[str, Any]] = ()
    groups: Sequence[Mapping[str, Any]] = ()


class OpenStackDriver(Offers, Parts):
    """One region of one OpenStack cloud, in the project of the application credential."""

    # Servers

    def list_nodes(self, ex_name: str | None = None, ex_tags: Iterable[str] = ()) -> list[Node]:
        """The project's servers. Nova's own filter by name is a regular expression, so names are compared here."""
        tags = set(ex_tags)
        return self._nodes(
            server
            for server in self._servers()
            if ex_name in {None, server["name"]} and tags <= tags_in(server.get("metadata"))
        )

    def ex_servers_of(self, name: str, tags: frozenset[str]) -> list[Node]:
        """From one list: the vendor has no filter for metadata."""
        servers = list(self._servers())
        ours = self._nodes(server for server in servers if tags <= tags_in(server.get("metadata")))
        return ours or self._nodes(server for server in servers if server["name"] == name)

    def ex_get_node(self, node_id: str) -> Node | None:
        server = self._one(self.connection, f"/servers/{quoted(node_id)}", "server", headers=READING)
        if server is None:
            return None
        node = self._node(server, self._belongings([server]))
        return None if node.state == NodeState.TERMINATED else node

    def ex_create(self, order: Order) -> Node:
        """The request carries everything but a floating address; Nova boots the server by itself.

        Its answer has little more than the id (and a password, which is left unread).
        """
        server = self._ordered(order)
        if self.wiring.floating_network:
            description_of(order.tags)
            self._floating_network_id()
        made = self._sent(self.connection, "/servers", {"server": server}, "server")
        told = {"id": made["id"], "name": order.name, "status": "BUILD", "metadata": server["metadata"]}
        return self._node(told, Belongings())

    def ex_complete(self, node: Node, order: Order) -> None:
        """A floating address, where the scope wants one, once the server has its port.

        Without a port so far it is left for the next call: until then the server counts as stopped.
        """
        if not self.wiring.floating_network:
            return
        network = self._floating_network_id()
        ports = self._awaited_ports(str(node.id))
        known = self._addresses(frozenset(order.tags))
        holding = {port["id"] for port in ports} & {each.get("port_id") for each in known}
        if not ports or holding:
            return
        try:
            self._give_address(str(ports[0]["id"]), network, order.tags, known)
        except RefusedError as error:
            lacks = no_capacity(error)
            if lacks is None:
                raise
            raise NoCapacityError(
                f"{self.where} has no public address for server {order.name}: {lacks}; "
                "release one, have the quota raised, or name another provider."
            ) from error

    def start_node(self, node: Node) -> bool:
        """Power on, or wake from whatever rest the server is in; nothing for one that runs."""
        status = node.extra["status"]
        if status == "SHUTOFF" or status in WAKING:
            self._act(node, WAKING.get(status, "os-start"))
        return True

    def stop_node(self, node: Node) -> bool:
        self._act(node, "os-stop")
        return True

    def destroy_node(self, node: Node) -> bool:
        """Delete, from any state; a floating address stays."""
        self.connection.request(f"/servers/{quoted(str(node.id))}", method="DELETE")
        return True

    def ex_outlives(self, node: Node) -> bool:
        """Addresses and security groups stay; volumes only when Nova fails to delete those that end with the server."""
        return bool(node.extra["ips"] or node.extra["firewalls"] or node.extra["volumes"])

    # What its refusals mean

    def ex_is_passing(self, error: RefusedError) -> bool:
        return is_passing(error)

    def ex_no_capacity(self, error: RefusedError) -> str | None:
        return no_capacity(error)

    # Details

    def _servers(self) -> Iterable[Mapping[str, Any]]:
        """All of the project, all pages."""
        servers: Iterable[Mapping[str, Any]] = self._listed(
            self.connection, "/servers/detail", "servers", headers=READING
        )
        return servers

    def _nodes(self, servers: Iterable[Mapping[str, Any]]) -> list[Node]:
        """Those that are not gone, in the order of their ids."""
        found = list(servers)
        belongings = self._belongings(found)
        nodes = [self._node(server, belongings) for server in found]
        return sorted((node for node in nodes if node.state != NodeState.TERMINATED), key=lambda node: str(node.id))

    def _act(self, node: Node, action: str) -> None:
        self.connection.request(f"/servers/{quoted(str(node.id))}/action", data={action: None}, method="POST")

    def _ordered(self, order: Order) -> dict[str, Any]:
        flavor = self.ex_flavor(order.size)
        server: dict[str, Any] = {
            "name": order.name,
            "flavorRef": str(flavor["id"]),
            "metadata": metadata_of(order.tags),
            **self._root(order, float(flavor.get("disk") or 0)),
        }
        if order.user_data is not None:
            server["user_data"] = base64.b64encode(order.user_data.encode()).decode()
        if order.ssh_key:
            server["key_name"] = order.ssh_key
        if order.firewall:
            server["security_groups"] = [{"name": order.firewall}]
        if self.wiring.network:
            server["networks"] = [{"uuid": self._network_id(self.wiring.network)}]
        if self.wiring.availability_zone:
            server["availability_zone"] = self.wiring.availability_zone
        return server

    def _root(self, order: Order, disk: float) -> dict[str, Any]:
        """The flavor's own disk; or a volume that ends with the server, where it has none or more is wanted."""
        if disk and order.disk <= disk:
            return {"imageRef": order.image}
        least = float(self.ex_image_facts(order.image).get("min_disk") or 0)
        root = {
            "boot_index": 0,
            "uuid": order.image,
            "source_type": "image",
            "destination_type": "volume",
            "volume_size": int(max(order.disk or ROOT_GB, least)),
            "delete_on_termination": True,
        }
        return {"imageRef": "", "block_device_mapping_v2": [root]}

    def _floating_network_id(self) -> str:
        return self._network_id(self.wiring.floating_network, **{"router:external": "true"})

    def _awaited_ports(self, server_id: str) -> list[dict[str, Any]]:
        """The server's ports; Nova makes them a moment after it took the server on, or never when it finds no host."""

        def look() -> list[dict[str, Any]] | None:
            ports = self._ports(server_id)
            if ports:
                return ports
            server = self._one(self.connection, f"/servers/{quoted(server_id)}", "server")
            return None if server and server.get("status") != "ERROR" else []

        awaited: Callable[..., list[dict[str, Any]] | None] = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda ports: ports is None),
            wait=tenacity.wait_exponential(multiplier=0.1, max=2.0),
            stop=tenacity.stop_before_delay(min(PORT_SECONDS, self.deadline.left())),
            sleep=self.deadline.sleep,
            retry_error_callback=lambda _: [],
        )
        return awaited(look) or []

    def _belongings(self, servers: Sequence[Mapping[str, Any]]) -> Belongings:
        """What carries our mark at Neutron; nothing is asked when none of the servers can have any of it."""
        marked = [server for server in servers if MARK in (server.get("metadata") or {})]
        addressed = marked and self.wiring.floating_network
        guarded = any(_has_group(server) for server in marked)
        return Belongings(
            self._addresses(frozenset({MARK})) if addressed else (),
            self._groups(frozenset({MARK})) if guarded else (),
        )

    def _node(self, server: Mapping[str, Any], belongings: Belongings) -> Node:
        tags = tags_in(server.get("metadata"))
        public, private = _fixed(server)
        floating = [each for each in _of(tags, belongings.addresses) if not _serves_another(each, server)]
        given = [str(each["floating_ip_address"]) for each in floating if each.get("port_id")]
        status = str(server.get("status", "UNKNOWN"))
        task = str(server.get("OS-EXT-STS:task_state") or "")
        fault = one_line(str((server.get("fault") or {}).get("message", "")))
        state = TASKS.get(task, STATES.get(status, NodeState.UNKNOWN))
        no_room = no_host(fault) if status == "ERROR" else None
        # What lacks its address was made and is to be completed, as one that was not powered on.
        lacking = bool(self.wiring.floating_network and MARK in tags and not given and state == NodeState.RUNNING)
        told = "without its public address" if lacking else task or (fault and f"({fault})")
        extra: dict[str, Any] = {
            "state": f"{status} {told}".strip(),
            "status": status,
            "tags": sorted(tags),
            "zone": self.place.region,
            "volumes": {str(volume["id"]): "" for volume in _own_volumes(server)},
            "ips": sorted(str(each["id"]) for each in floating),
            "firewalls": sorted(str(each["id"]) for each in _of(tags, belongings.groups)),
            "size": str((server.get("flavor") or {}).get("id", "")),
            "no_capacity": no_room,
        }
        return Node(
            str(server["id"]),
            str(server["name"]),
            NodeState.STOPPED if lacking else NodeState.ERROR if no_room and not task else state,
            list(dict.fromkeys([*given, *public])),
            private,
            self,
            extra=extra,
        )


def _of(tags: frozenset[str], marked: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that were made by the same run and step as a server with these tags."""
    ours = {tag for tag in tags if tag == MARK or tag.startswith(f"{MARK}-")}
    return [each for each in marked if MARK in ours and ours <= words_in(each.get("description"))]


def _has_group(server: Mapping[str, Any]) -> bool:
    """Whether a server can have a security group of ours; one that found no host may not say."""
    groups = server.get("security_groups")
    return server.get("status") == "ERROR" or groups is None or any(each.get("name") != "default" for each in groups)


def _fixed(server: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Public and private addresses as Nova tells them, IPv4 first."""
    told = [one for group in (server.get("addresses") or {}).values() for one in group]
    found = sorted((ip_address(str(one["addr"])) for one in told), key=lambda address: address.version)
    private = [address for address in found if any(address in net for net in PRIVATE if net.version == address.version)]
    return [str(address) for address in found if address not in private], [str(address) for address in private]


def _serves_another(floating: Mapping[str, Any], server: Mapping[str, Any]) -> bool:
    """Whether a floating address is another server's; clouds without `port_details` tell by the fixed address."""
    device = (floating.get("port_details") or {}).get("device_id")
    if device:
        return bool(device != server["id"])
    fixed = {str(address) for addresses in _fixed(server) for address in addresses}
    return bool(floating.get("port_id") and fixed) and floating.get("fixed_ip_address") not in fixed


def _own_volumes(server: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The volumes that are to end with the server; others serve it for a while."""
    attached = server.get("os-extended-volumes:volumes_attached") or []
    return [volume for volume in attached if volume.get("delete_on_termination")]


def connect(block: Mapping[str, Any], reveal: Reveal, deadline: Deadline) -> CloudDriver:
    """A driver for one block of the scope. Raises ProviderError(permanent) that names what the block lacks."""
    require(block, "OpenStack", "url", "region", "credential", "secret")
    endpoints = dict(block.get("endpoints") or {})
    unknown = sorted(set(endpoints) - set(Service))
    if unknown:
        raise ProviderError(
            f"`endpoints` of an OpenStack block names {', '.join(unknown)}; it takes {', '.join(Service)}.",
            permanent=True,
        )
    place = Place(
        keystone_at(str(block["url"]), block.get("ca")),
        str(block["region"]),
        str(block.get("interface") or "public"),
        str(block.get("domain") or ""),
        endpoints,
    )
    wiring = Wiring(
        str(block.get("network") or ""),
        str(block.get("floating_network") or ""),
        str(block.get("availability_zone") or ""),
        dict(block.get("images") or {}),
    )
    return OpenStackDriver(place, reveal(str(block["credential"])), reveal(str(block["secret"])), deadline, wiring)
