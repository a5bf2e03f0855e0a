"""Scaleway's Instance API v1 through libcloud's driver, mended.

The stock driver calls hosts that were retired, moves to another host for good
when a call names a region, and fails on more than 100 sizes and on errors
without a `message`. Facts: the vendor's published Instance and Block API
(paths, `X-Total-Count`, actions, `terminate` keeps `sbs_volume` volumes).
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from libcloud.compute.base import Node, NodeLocation
from libcloud.compute.drivers.scaleway import ScalewayConnection, ScalewayNodeDriver, ScalewayResponse
from libcloud.compute.types import NodeState

from providers.base import ProviderError, Reveal, Secret
from providers.compute.clouds import require
from providers.compute.driver import Offer, Order, Quota, Resource
from providers.compute.scaleway_parts import ScalewayParts
from providers.vendor_http import Deadline, Endpoint, RefusedError, VendorConnection, json_object

VENDOR_URL = "https://api.scaleway.com"
PAGE = 100
GB = 1000**3
WITHOUT_ZONES = frozenset({"marketplace", "iam", "k8s"})
TRANSIENT = frozenset({400, 404, 409, 412})
"""What Scaleway answers to an action on a server or volume that is just changing its state."""
GOES_WITH_SERVER = frozenset({"l_ssd", "scratch"})
"""Kinds of volumes that `terminate` deletes; others it only detaches."""
NEUTRAL_IMAGES = {
    "debian-12": "debian_bookworm",
    "debian-13": "debian_trixie",
    "ubuntu-24.04": "ubuntu_noble",
}
QUOTAS = {"instances_servers": Resource.SERVERS}
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

STATES = {
    "running": NodeState.RUNNING,
    "starting": NodeState.STARTING,
    "stopping": NodeState.STOPPING,
    "stopped": NodeState.STOPPED,
    "stopped in place": NodeState.SUSPENDED,
    "stopped_in_place": NodeState.SUSPENDED,
    "locked": NodeState.ERROR,
}


def connect(block: Mapping[str, Any], reveal: Reveal, deadline: Deadline) -> "InstanceDriver":
    """The driver of a scope's block. Raises ProviderError(permanent) when something is missing in it."""
    require(block, "Scaleway", "zone", "project", "token")
    return InstanceDriver(
        reveal(block["token"]),
        Endpoint.at(block.get("url") or VENDOR_URL, block.get("ca")),
        block["zone"],
        block["project"],
        deadline,
        organization=block.get("organization"),
        images=block.get("images"),
    )


class InstanceResponse(ScalewayResponse):
    """An answer; errors may lack `message`, or not be JSON at all."""

    def parse_error(self) -> str:
        """Raises RefusedError with the vendor's type and details."""
        try:
            body = json.loads(self.body or "")
        except ValueError:
            body = {}
        told = body if isinstance(body, dict) else {}
        raise RefusedError(
            self.status,
            str(told.get("message") or told.get("error") or told.get("type") or self.error or "no reason given"),
            self.headers,
            kind=str(told.get("type", "")),
            details=told.get("details") or told.get("fields"),
        )


class InstanceConnection(VendorConnection, ScalewayConnection):
    """Requests below `/instance/v1/zones/{zone}`; `region` names another zone for this request only."""

    responseCls = InstanceResponse  # noqa: N815 (libcloud's name)

    def request(
        self,
        action: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        method: str = "GET",
        raw: bool = False,
        stream: bool = False,
        region: NodeLocation | str | None = None,
        api: str = "instance/v1",
    ) -> Any:
        """`api` is the vendor's API and its version; what is sold everywhere (`marketplace`, `iam`) has no zones."""
        zone = (region.id if isinstance(region, NodeLocation) else region) or self.driver.zone
        zoned = "" if api.split("/")[0] in WITHOUT_ZONES else f"/zones/{quote(zone, safe='')}"
        path = f"/{api}{zoned}{action}"
        return super().request(path, params=params, data=data, headers=headers, method=method, raw=raw, stream=stream)

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """The token; a content type only where the request has none of its own."""
        headers["X-Auth-Token"] = self.driver.token.reveal()
        headers.setdefault("Content-Type", "application/json")
        return headers

    def _request_paged(  # type: ignore[override]
        self, action: str, params: Any = None, region: Any = None, api: str = "instance/v1"
    ) -> dict[str, Any]:
        """All pages in one answer; lists and maps are joined.

        The Instance API counts all in `X-Total-Count` and takes `per_page`, the
        younger ones count in the body's `total_count` and take `page_size`.
        """
        joined: dict[str, Any] = {}
        page = 0
        while True:
            page += 1
            size = "per_page" if api == "instance/v1" else "page_size"
            asked = {**(params or {}), size: PAGE, "page": page}
            answer = self.request(action, params=asked, region=region, api=api)
            got = 0
            for name, part in answer.object.items():
                if isinstance(part, list | dict):
                    got = max(got, len(part))
                    joined[name] = _join(joined.get(name), part)
            total = int(answer.headers.get("x-total-count") or answer.object.get("total_count") or 0)
            if got == 0 or page * PAGE >= total:
                return joined


def _join(sofar: Any, part: Any) -> Any:
    if sofar is None:
        return part
    return {**sofar, **part} if isinstance(part, dict) else [*sofar, *part]


class InstanceDriver(ScalewayParts, ScalewayNodeDriver):
    """Libcloud's Scaleway driver for the present API. One per thread and per call."""

    connectionCls = InstanceConnection  # noqa: N815 (libcloud's name)
    connection: Any

    def __init__(
        self,
        token: Secret,
        endpoint: Endpoint,
        zone: str,
        project: str,
        deadline: Deadline,
        *,
        organization: str | None = None,
        images: Mapping[str, str] | None = None,
    ) -> None:
        self.token = token
        self.endpoint = endpoint
        self.zone = zone
        self.project = project
        self.organization = organization
        self.images = dict(images or {})
        self.deadline = deadline
        self.where = f"Scaleway {zone}"
        # Libcloud keeps these two in plain sight; the real token goes into the header only.
        super().__init__(key=project, secret="", secure=endpoint.secure)  # type: ignore[no-untyped-call]

    def list_nodes(self, region: Any = None, ex_name: str | None = None, ex_tags: Iterable[str] = ()) -> list[Node]:
        """The project's servers with exactly this name and at least these tags.

        The vendor matches a name within names, so the exact comparison is made here.
        """
        tags = set(ex_tags)
        params = {"project": self.project}
        if ex_name is not None:
            params["name"] = ex_name
        if tags:
            params["tags"] = ",".join(sorted(tags))
        answer = self.connection._request_paged("/servers", params=params, region=region)
        nodes = [self._to_node(server) for server in answer["servers"]]
        wanted = [node for node in nodes if tags <= set(node.extra["tags"]) and ex_name in {None, node.name}]
        return sorted(wanted, key=lambda node: str(node.id))

    def ex_servers_of(self, name: str, tags: frozenset[str]) -> list[Node]:
        """The vendor narrows by both at once only, so the name is asked for apart."""
        return self.list_nodes(ex_tags=tags) or self.list_nodes(ex_name=name)

    def ex_get_node(self, node_id: str) -> Node | None:
        answer = self._found(f"/servers/{quote(node_id, safe='')}")
        return None if answer is None else self._to_node(answer["server"])

    def ex_create(self, order: Order) -> Node:
        """Create a server, tagged in the same request, and leave it stopped.

        Unlike the stock driver it does not power on: a failure there must not lose the id.
        """
        body: dict[str, Any] = {
            "name": order.name,
            "commercial_type": order.size,
            "image": order.image,
            "project": self.project,
            "tags": sorted(order.tags),
            "dynamic_ip_required": True,
            "volumes": {"0": {"size": int(order.disk * GB), "volume_type": "sbs_volume"}} if order.disk else {},
        }
        if order.firewall:
            body["security_group"] = order.firewall
        answer = self.connection.request("/servers", data=json.dumps(body), method="POST")
        return self._to_node(json_object(answer)["server"])

    def ex_complete(self, node: Node, order: Order) -> None:
        """User data, which the vendor takes only for a server that exists; the same content again changes nothing."""
        if order.user_data is None:
            return
        self.connection.request(
            f"/servers/{node.id}/user_data/cloud-init",
            data=order.user_data.encode(),
            headers={"Content-Type": "text/plain"},
            method="PATCH",
        )

    def start_node(self, node: Node) -> bool:
        return bool(self._action(node.id, "poweron"))  # type: ignore[no-untyped-call]

    def stop_node(self, node: Node) -> bool:
        return bool(self._action(node.id, "poweroff"))  # type: ignore[no-untyped-call]

    def destroy_node(self, node: Node) -> bool:
        """Delete the server with its local volumes: `terminate` while it runs, DELETE once it is stopped."""
        if node.state == NodeState.STOPPED:
            return bool(self.connection.request(f"/servers/{node.id}", method="DELETE").success())
        return bool(super().destroy_node(node))  # type: ignore[no-untyped-call]

    def ex_outlives(self, node: Node) -> bool:
        """Block volumes always, all of them when it is deleted while stopped; and a firewall of its own."""
        kinds = set(node.extra["volumes"].values())
        volumes = bool(kinds) and (node.state == NodeState.STOPPED or not kinds <= GOES_WITH_SERVER)
        return volumes or bool(node.extra["firewalls"])

    def ex_is_passing(self, error: RefusedError) -> bool:
        return error.code in TRANSIENT

    def ex_no_capacity(self, error: RefusedError) -> str | None:
        """`quotas_exceeded`: 403 with the resources in `details`; `out_of_stock` and `resource_exhausted`: 412."""
        if error.kind == "quotas_exceeded":
            details = [part for part in error.details or [] if isinstance(part, Mapping)]
            used = (f"{part.get('resource')} ({part.get('current')} of {part.get('quota')})" for part in details)
            return f"the quota of {', '.join(used) or 'this resource'} is used up"
        if error.kind in {"out_of_stock", "resource_exhausted"}:
            return f"the size is out of stock ({error.message})"
        return None

    def ex_offers(self) -> list[Offer]:
        products = self.connection._request_paged("/products/servers")["servers"]
        stock = self.connection._request_paged("/products/servers/availability")["servers"]
        return [_offer(name, facts, stock.get(name, {})) for name, facts in products.items()]

    def ex_image(self, name: str) -> str:
        label = self.images.get(name, NEUTRAL_IMAGES.get(name, name))
        if _UUID.fullmatch(label):
            return label
        params = {"image_label": label, "zone": self.zone}
        found = self.connection._request_paged("/local-images", params=params, api="marketplace/v2")
        if not found.get("local_images"):
            raise ProviderError(
                f"{self.where} has no image {name}; write one such as {', '.join(NEUTRAL_IMAGES)}, "
                "the vendor's label, or an id.",
                permanent=True,
            )
        return label

    def ex_quotas(self) -> list[Quota]:
        """What the project uses, counted, against what the organisation may (IAM's quotas).

        Only with `organization` in the scope. The names of the quotas are those of
        the vendor's console; one that is not known here is left out.
        """
        if not self.organization:
            return []
        params = {"organization_id": self.organization}
        found = self.connection._request_paged("/quota", params=params, api="iam/v1alpha1")["quota"]
        limits = {str(one["name"]): one.get("limit") for one in found}
        servers = self.list_nodes()
        used = {Resource.SERVERS: float(len(servers))}
        return [
            Quota(resource, used[resource], float(limits[name]))
            for name, resource in QUOTAS.items()
            if limits.get(name) is not None
        ]

    def _to_node(self, server: dict[str, Any]) -> Node:
        single = server.get("public_ip")
        addresses = server.get("public_ips") or ([single] if single else [])
        location = server.get("location") or {}
        return Node(
            id=server["id"],
            name=server["name"],
            state=STATES.get(server.get("state", ""), NodeState.UNKNOWN),
            public_ips=[ip["address"] for ip in addresses if ip.get("family", "inet") == "inet" and ip.get("address")],
            private_ips=[server["private_ip"]] if server.get("private_ip") else [],
            driver=self,
            extra={
                "state": server.get("state", "unknown"),
                "tags": list(server.get("tags") or []),
                "zone": server.get("zone") or location.get("zone_id") or self.zone,
                "allowed_actions": list(server.get("allowed_actions") or []),
                "volumes": {
                    volume["id"]: volume.get("volume_type", "") for volume in (server.get("volumes") or {}).values()
                },
                "ips": [ip["id"] for ip in addresses if ip.get("dynamic") and ip.get("id")],
                "firewalls": [group["id"]] if (group := server.get("security_group")) else [],
                "size": server.get("commercial_type", ""),
            },
        )


def _offer(name: str, facts: Mapping[str, Any], stock: Mapping[str, Any]) -> Offer:
    largest = (facts.get("volumes_constraint") or {}).get("max_size") or 0
    return Offer(
        name,
        int(facts["ncpus"]),
        round(facts["ram"] / 1024**3, 1),
        largest / GB,
        "arm64" if facts.get("arch") in {"arm64", "aarch64"} else "x86_64",
        stock.get("availability") in {"available", "scarce"} and not facts.get("end_of_service"),
        facts.get("hourly_price"),
    )
