"""Scaleway's Instance API v1 over HTTP: routes, checks, pages and error bodies as the vendor has them.

Paths and shapes: the vendor's published API reference and SDK; only what a
server's life needs is here, everything else answers 404.
"""

import hmac
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from providers.simulator.faults import Fault
from providers.simulator.fleet import Fleet
from providers.simulator.fleet_parts import Refusal, Server, ServerOrder, not_found, stamp
from providers.simulator.http_service import Request, Response
from providers.simulator.scaleway_http import (
    ApiError,
    Call,
    Route,
    answer,
    body_of,
    invalid,
    invalid_field,
    page,
    refused,
)
from providers.simulator.scaleway_parts import ScalewayParts
from providers.simulator.scaleway_shapes import image_shape, server_shape, size_shape

ZONED = re.compile(r"^/(instance|block|marketplace|iam)/v\d(?:alpha1|beta1)?(?:/zones/([a-z0-9-]+))?(/.*)$")
MAX_PAGE = 100
BEYOND = {
    "/iam/v1alpha1/api-keys": ("IAMReadOnly", "api_keys"),
    "/k8s/v1/regions/fr-par/clusters": ("AllProductsReadOnly", "clusters"),
}
"""Lists that a key for servers is refused: path, the permission set that opens it, what it lists."""


class _NewServer(BaseModel):
    """The body of a creation; what the vendor knows besides is accepted and ignored."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(default="", max_length=255)
    commercial_type: str
    image: str
    project: str | None = None
    organization: str | None = None
    tags: list[str] = Field(default_factory=list)
    dynamic_ip_required: bool = True
    volumes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    security_group: str | None = None


@dataclass(frozen=True, slots=True)
class ScalewayApi:
    """Answers requests that carry the right token; `wider`: permission sets that it has besides those for servers."""

    fleet: Fleet
    token: str
    wider: frozenset[str] = frozenset()

    def handle(self, request: Request) -> Response:
        try:
            self._authenticate(request)
            return self._route(request)
        except ApiError as no:
            return answer(no.status, no.body)
        except Refusal as no:
            return refused(no)

    def refusal(self, fault: Fault, _request: Request) -> Response:
        if fault.kind == "quota":
            quota = self.fleet.catalogue.quotas["servers"]
            return refused(Refusal("quota", "simulated", resource="servers", limit=quota))
        kind = {429: "too_many_requests", 403: "permissions_denied", 401: "denied_authentication"}
        return answer(fault.status, {"type": kind.get(fault.status, "internal_error"), "message": "simulated refusal"})

    def _authenticate(self, request: Request) -> None:
        token = request.headers.get("X-Auth-Token", "")
        if not token:
            raise ApiError(
                401,
                {
                    "type": "denied_authentication",
                    "method": "api_key",
                    "reason": "not_found",
                    "message": "authentication is denied",
                },
            )
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            raise ApiError(
                403,
                {
                    "type": "permissions_denied",
                    "message": "insufficient permissions",
                    "details": [{"resource": "compute_servers", "action": "read"}],
                },
            )

    def _route(self, request: Request) -> Response:
        if request.method == "GET" and request.path in BEYOND:
            return self._beyond(*BEYOND[request.path])
        match = ZONED.match(request.path)
        if match is None:
            raise ApiError(404, {"type": "not_found", "message": "resource is not found"})
        api, zone, rest = match.groups()
        if zone is not None and zone not in self.fleet.catalogue.zones:
            raise ApiError(
                400,
                {
                    "type": "invalid_arguments",
                    "message": "invalid argument(s)",
                    "details": [{"argument_name": "zone", "reason": "unknown"}],
                },
            )
        for method, pattern, action in self._routes():
            found = re.fullmatch(pattern, f"/{api}{rest}")
            if found is not None and method == request.method:
                return action(Call(request, zone or "", tuple(unquote(part) for part in found.groups())))
        raise ApiError(404, {"type": "not_found", "message": "resource is not found"})

    def _beyond(self, permissions: str, name: str) -> Response:
        if permissions not in self.wider:
            told = [{"resource": name, "action": "read"}]
            raise ApiError(403, {"type": "permissions_denied", "message": "insufficient permissions", "details": told})
        return answer(200, {name: [], "total_count": 0})

    def _routes(self) -> Sequence[Route]:
        return (
            ("GET", r"/instance/servers", self._list_servers),
            ("POST", r"/instance/servers", self._create_server),
            ("GET", r"/instance/servers/([^/]+)", self._get_server),
            ("PATCH", r"/instance/servers/([^/]+)", self._patch_server),
            ("DELETE", r"/instance/servers/([^/]+)", self._delete_server),
            ("POST", r"/instance/servers/([^/]+)/action", self._act),
            ("GET", r"/instance/servers/([^/]+)/action", self._actions),
            ("GET", r"/instance/servers/([^/]+)/user_data", self._list_user_data),
            ("GET", r"/instance/servers/([^/]+)/user_data/([^/]+)", self._get_user_data),
            ("PATCH", r"/instance/servers/([^/]+)/user_data/([^/]+)", self._set_user_data),
            ("DELETE", r"/instance/servers/([^/]+)/user_data/([^/]+)", self._delete_user_data),
            ("GET", r"/instance/products/servers", self._sizes),
            ("GET", r"/instance/products/servers/availability", self._availability),
            ("GET", r"/instance/images", self._images),
            ("GET", r"/instance/images/([^/]+)", self._image),
            ("GET", r"/marketplace/local-images", self._local_images),
            *ScalewayParts(self.fleet).routes(),
        )

    # Servers

    def _list_servers(self, call: Call) -> Response:
        query = call.request.query
        wanted_tags = {tag for tag in query.get("tags", "").split(",") if tag}
        with self.fleet.lock:
            found = [
                server_shape(self.fleet, server)
                for server in sorted(self.fleet.servers.values(), key=lambda server: server.created, reverse=True)
                if server.zone == call.zone
                and query.get("name", "") in server.name
                and wanted_tags <= set(server.tags)
                and query.get("project", server.project) == server.project
                and query.get("state", server.state) == server.state
            ]
        return page("servers", found, call)

    def _create_server(self, call: Call) -> Response:
        try:
            asked = _NewServer.model_validate_json(call.request.body)
        except ValidationError as wrong:
            raise ApiError(400, invalid(wrong)) from None
        catalogue = self.fleet.catalogue
        size = catalogue.sizes.get(asked.commercial_type)
        image = catalogue.image(asked.image)
        if size is None:
            raise ApiError(400, invalid_field("commercial_type", f"{asked.commercial_type} is not a known type."))
        if image is None:
            raise not_found("image", asked.image)
        project = asked.project or catalogue.project
        if project != catalogue.project:
            raise ApiError(
                403,
                {
                    "type": "permissions_denied",
                    "message": f"insufficient permissions on project {project}",
                    "details": [{"resource": "compute_servers", "action": "create"}],
                },
            )
        name = asked.name or f"srv-{uuid.uuid4().hex[:8]}"
        server = self.fleet.create(
            ServerOrder(
                name,
                call.zone,
                project,
                size,
                image,
                asked.tags,
                asked.dynamic_ip_required,
                asked.volumes,
                firewall=asked.security_group,
            )
        )
        return answer(201, {"server": server_shape(self.fleet, server)})

    def _get_server(self, call: Call) -> Response:
        with self.fleet.lock:
            return answer(200, {"server": server_shape(self.fleet, self._server(call))})

    def _patch_server(self, call: Call) -> Response:
        asked = body_of(call.request.body)
        with self.fleet.lock:
            server = self._server(call)
            server.name = str(asked.get("name", server.name))
            server.tags = [str(tag) for tag in asked.get("tags", server.tags)]
            server.modified = stamp()
            return answer(200, {"server": server_shape(self.fleet, server)})

    def _delete_server(self, call: Call) -> Response:
        self.fleet.delete(self._server(call))
        return Response(204)

    def _actions(self, call: Call) -> Response:
        with self.fleet.lock:
            return answer(200, {"actions": server_shape(self.fleet, self._server(call))["allowed_actions"]})

    def _act(self, call: Call) -> Response:
        action = str(body_of(call.request.body).get("action", "poweron"))
        server = self._server(call)
        self.fleet.act(server, action)
        task = {
            "id": str(uuid.uuid4()),
            "description": f"server_{action}",
            "progress": 0,
            "started_at": stamp(),
            "terminated_at": None,
            "status": "pending",
            "href_from": f"/servers/{server.id}/action",
            "href_result": f"/servers/{server.id}",
            "zone": call.zone,
        }
        return answer(202, {"task": task})

    # User data

    def _list_user_data(self, call: Call) -> Response:
        return answer(200, {"user_data": sorted(self._server(call).user_data)})

    def _get_user_data(self, call: Call) -> Response:
        value = self._server(call).user_data.get(call.ids[1])
        if value is None:
            raise not_found("user_data", call.ids[1])
        return Response(200, value, {"Content-Type": "text/plain"})

    def _set_user_data(self, call: Call) -> Response:
        self.fleet.set_user_data(self._server(call), call.ids[1], call.request.body)
        return Response(204)

    def _delete_user_data(self, call: Call) -> Response:
        self.fleet.set_user_data(self._server(call), call.ids[1], None)
        return Response(204)

    # Products and images

    def _sizes(self, call: Call) -> Response:
        sizes = {name: size_shape(size) for name, size in self.fleet.catalogue.sizes.items()}
        return page("servers", list(sizes.items()), call, keyed=True)

    def _availability(self, call: Call) -> Response:
        stock = self.fleet.catalogue.stock
        sizes = [
            (name, {"availability": "available" if stock.get(name, 1) else "shortage"})
            for name in self.fleet.catalogue.sizes
        ]
        return page("servers", sizes, call, keyed=True)

    def _images(self, call: Call) -> Response:
        name = call.request.query.get("name", "")
        images = [image_shape(image, call.zone) for image in self.fleet.catalogue.images if name in image.name]
        return page("images", images, call)

    def _image(self, call: Call) -> Response:
        image = self.fleet.catalogue.image(call.ids[0])
        if image is None or image.id != call.ids[0]:
            raise not_found("image", call.ids[0])
        return answer(200, {"image": image_shape(image, call.zone)})

    def _local_images(self, call: Call) -> Response:
        label, zone = call.request.query.get("image_label"), call.request.query.get("zone", "")
        images = [
            {
                "id": image.id,
                "label": image.label,
                "arch": "x86_64",
                "zone": zone,
                "compatible_commercial_types": sorted(self.fleet.catalogue.sizes),
                "type": "instance_local",
            }
            for image in self.fleet.catalogue.images
            if label in (None, image.label)
        ]
        return page("local_images", images, call, counted=True)

    def _server(self, call: Call) -> Server:
        return self.fleet.server(call.ids[0], call.zone)
