"""Scaleway's Instance API v1 through libcloud's driver, mended.

The stock driver calls hosts that were retired, moves to another host for good
when a call names a region, and fails on more than 100 sizes and on errors
without a `message`. Facts: the vendor's published Instance and Block API
(paths, `X-Total-Count`, actions, `terminate` keeps `sbs_volume` volumes).
"""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize
from libcloud.compute.drivers.scaleway import ScalewayConnection, ScalewayNodeDriver, ScalewayResponse
from libcloud.compute.types import NodeState

from providers.base import Secret
from providers.vendor_http import Deadline, Endpoint, RefusedError, VendorConnection, json_object

VENDOR_URL = "https://api.scaleway.com"
PAGE = 100

STATES = {
    "running": NodeState.RUNNING,
    "starting": NodeState.STARTING,
    "stopping": NodeState.STOPPING,
    "stopped": NodeState.STOPPED,
    "stopped in place": NodeState.SUSPENDED,
    "stopped_in_place": NodeState.SUSPENDED,
    "locked": NodeState.ERROR,
}


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
        api: str = "instance",
    ) -> Any:
        zone = (region.id if isinstance(region, NodeLocation) else region) or self.driver.zone
        path = f"/{api}/v1/zones/{quote(zone, safe='')}{action}"
        return super().request(path, params=params, data=data, headers=headers, method=method, raw=raw, stream=stream)

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """The token; a content type only where the request has none of its own."""
        headers["X-Auth-Token"] = self.driver.token.reveal()
        headers.setdefault("Content-Type", "application/json")
        return headers

    def _request_paged(  # type: ignore[override]
        self, action: str, params: Any = None, region: Any = None
    ) -> dict[str, Any]:
        """All pages in one answer, counted by `X-Total-Count`; lists and maps are joined."""
        joined: dict[str, Any] = {}
        page = 0
        while True:
            page += 1
            asked = {**(params or {}), "per_page": PAGE, "page": page}
            answer = self.request(action, params=asked, region=region)
            got = 0
            for name, part in answer.object.items():
                got = max(got, len(part))
                joined[name] = _join(joined.get(name), part)
            total = int(answer.headers.get("x-total-count", 0))
            if got == 0 or page * PAGE >= total:
                return joined


def _join(sofar: Any, part: Any) -> Any:
    if sofar is None:
        return part
    return {**sofar, **part} if isinstance(part, dict) else [*sofar, *part]


class InstanceDriver(ScalewayNodeDriver):
    """Libcloud's Scaleway driver for the present API. One per thread and per call."""

    connectionCls = InstanceConnection  # noqa: N815 (libcloud's name)
    connection: Any

    def __init__(self, token: Secret, endpoint: Endpoint, zone: str, project: str, deadline: Deadline) -> None:
        self.token = token
        self.endpoint = endpoint
        self.zone = zone
        self.project = project
        self.deadline = deadline
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

    def ex_get_node(self, node_id: str) -> Node | None:
        """One server by its id; None when it does not exist."""
        try:
            answer = self.connection.request(f"/servers/{quote(node_id, safe='')}")
        except RefusedError as error:
            if error.code == 404:
                return None
            raise
        return self._to_node(answer.object["server"])

    def create_node(  # type: ignore[override]
        self, name: str, size: NodeSize, image: NodeImage, ex_tags: Iterable[str] = (), region: Any = None
    ) -> Node:
        """Create a server, tagged in the same request, and leave it stopped.

        Unlike the stock driver it does not power on: a failure there must not lose the id.
        `image.id` may be an id or a label such as debian_bookworm.
        """
        body = {
            "name": name,
            "commercial_type": size.id,
            "image": image.id,
            "project": self.project,
            "tags": list(ex_tags),
            "dynamic_ip_required": True,
            "volumes": {},
        }
        answer = self.connection.request("/servers", data=json.dumps(body), method="POST", region=region)
        return self._to_node(json_object(answer)["server"])

    def ex_set_user_data(self, node: Node, text: str, key: str = "cloud-init") -> None:
        """Set one user-data key; the same content again changes nothing."""
        self.connection.request(
            f"/servers/{node.id}/user_data/{quote(key, safe='')}",
            data=text.encode(),
            headers={"Content-Type": "text/plain"},
            method="PATCH",
        )

    def start_node(self, node: Node) -> bool:
        """Power on; the server is running later."""
        return bool(self._action(node.id, "poweron"))  # type: ignore[no-untyped-call]

    def stop_node(self, node: Node) -> bool:
        """Power off; the server is stopped later."""
        return bool(self._action(node.id, "poweroff"))  # type: ignore[no-untyped-call]

    def destroy_node(self, node: Node) -> bool:
        """Delete the server with its local volumes: `terminate` while it runs, DELETE once it is stopped."""
        if node.state == NodeState.STOPPED:
            return bool(self.connection.request(f"/servers/{node.id}", method="DELETE").success())
        return bool(super().destroy_node(node))  # type: ignore[no-untyped-call]

    def ex_resource(self, kind: str, resource_id: str, api: str = "instance") -> dict[str, Any] | None:
        """One volume (`volumes`) or address (`ips`) as the vendor describes it; None when it does not exist."""
        try:
            answer = self.connection.request(f"/{kind}/{quote(resource_id, safe='')}", api=api)
        except RefusedError as error:
            if error.code == 404:
                return None
            raise
        body: dict[str, Any] = answer.object
        # The Instance API wraps what it returns, the Block API does not.
        wrapped: dict[str, Any] = next(iter(body.values())) if len(body) == 1 else body
        return wrapped

    def ex_delete_resource(self, kind: str, resource_id: str, api: str = "instance") -> None:
        """Delete one volume or address."""
        self.connection.request(f"/{kind}/{quote(resource_id, safe='')}", method="DELETE", api=api)

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
                "dynamic_ips": [ip["id"] for ip in addresses if ip.get("dynamic") and ip.get("id")],
            },
        )
