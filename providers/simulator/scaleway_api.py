"""Scaleway's Instance API v1 over HTTP: routes, checks, pages and error bodies as the vendor has them.

Paths and shapes: the vendor's published API reference and SDK; only what a
server's life needs is here, everything else answers 404.
"""

import hmac
import json
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from providers.simulator.faults import Fault
from providers.simulator.fleet import Fleet, Refusal, Server, ServerOrder, Volume, not_found, stamp
from providers.simulator.http_service import Request, Response
from providers.simulator.scaleway_shapes import image_shape, server_shape, size_shape, volume_shape

ZONED = re.compile(r"^/(instance|block|marketplace)/v\d(?:alpha1|beta1)?(?:/zones/([a-z0-9-]+))?(/.*)$")
MAX_PAGE = 100


class ApiError(Exception):
    """An answer that is a refusal: HTTP status and the vendor's JSON body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("message", body.get("type"))))
        self.status = status
        self.body = body


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
class _Call:
    """One request in its zone, with the path's ids."""

    request: Request
    zone: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScalewayApi:
    """Answers requests that carry the right token."""

    fleet: Fleet
    token: str

    def handle(self, request: Request) -> Response:
        try:
            self._authenticate(request)
            return self._route(request)
        except ApiError as refused:
            return _json(refused.status, refused.body)
        except Refusal as refused:
            return _refused(refused)

    def refusal(self, fault: Fault, _request: Request) -> Response:
        if fault.kind == "quota":
            quota = self.fleet.catalogue.quotas["servers"]
            return _refused(Refusal("quota", "simulated", resource="servers", limit=quota))
        kind = {429: "too_many_requests", 403: "permissions_denied", 401: "denied_authentication"}
        return _json(fault.status, {"type": kind.get(fault.status, "internal_error"), "message": "simulated refusal"})

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
                return action(_Call(request, zone or "", tuple(unquote(part) for part in found.groups())))
        raise ApiError(404, {"type": "not_found", "message": "resource is not found"})

    def _routes(self) -> Sequence[tuple[str, str, Callable[[_Call], Response]]]:
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
            ("GET", r"/instance/volumes", self._list_volumes),
            ("GET", r"/(instance|block)/volumes/([^/]+)", self._get_volume),
            ("DELETE", r"/(instance|block)/volumes/([^/]+)", self._delete_volume),
            ("GET", r"/instance/ips", self._list_ips),
            ("GET", r"/instance/ips/([^/]+)", self._get_ip),
            ("GET", r"/marketplace/local-images", self._local_images),
        )

    # Servers

    def _list_servers(self, call: _Call) -> Response:
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
        return _page("servers", found, query)

    def _create_server(self, call: _Call) -> Response:
        try:
            asked = _NewServer.model_validate_json(call.request.body)
        except ValidationError as wrong:
            raise ApiError(400, _invalid(wrong)) from None
        catalogue = self.fleet.catalogue
        size = catalogue.sizes.get(asked.commercial_type)
        image = catalogue.image(asked.image)
        if size is None:
            raise ApiError(400, _invalid_field("commercial_type", f"{asked.commercial_type} is not a known type."))
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
                facts={"security_group": asked.security_group},
            )
        )
        return _json(201, {"server": server_shape(self.fleet, server)})

    def _get_server(self, call: _Call) -> Response:
        with self.fleet.lock:
            return _json(200, {"server": server_shape(self.fleet, self._server(call))})

    def _patch_server(self, call: _Call) -> Response:
        asked = _object(call.request.body)
        with self.fleet.lock:
            server = self._server(call)
            server.name = str(asked.get("name", server.name))
            server.tags = [str(tag) for tag in asked.get("tags", server.tags)]
            server.modified = stamp()
            return _json(200, {"server": server_shape(self.fleet, server)})

    def _delete_server(self, call: _Call) -> Response:
        self.fleet.delete(self._server(call))
        return Response(204)

    def _actions(self, call: _Call) -> Response:
        with self.fleet.lock:
            return _json(200, {"actions": server_shape(self.fleet, self._server(call))["allowed_actions"]})

    def _act(self, call: _Call) -> Response:
        action = str(_object(call.request.body).get("action", "poweron"))
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
        return _json(202, {"task": task})

    # User data

    def _list_user_data(self, call: _Call) -> Response:
        return _json(200, {"user_data": sorted(self._server(call).user_data)})

    def _get_user_data(self, call: _Call) -> Response:
        value = self._server(call).user_data.get(call.ids[1])
        if value is None:
            raise not_found("user_data", call.ids[1])
        return Response(200, value, {"Content-Type": "text/plain"})

    def _set_user_data(self, call: _Call) -> Response:
        self.fleet.set_user_data(self._server(call), call.ids[1], call.request.body)
        return Response(204)

    def _delete_user_data(self, call: _Call) -> Response:
        self.fleet.set_user_data(self._server(call), call.ids[1], None)
        return Response(204)

    # Products and images

    def _sizes(self, call: _Call) -> Response:
        sizes = {name: size_shape(size) for name, size in self.fleet.catalogue.sizes.items()}
        return _page("servers", list(sizes.items()), call.request.query, keyed=True)

    def _availability(self, call: _Call) -> Response:
        stock = self.fleet.catalogue.stock
        sizes = [
            (name, {"availability": "available" if stock.get(name, 1) else "shortage"})
            for name in self.fleet.catalogue.sizes
        ]
        return _page("servers", sizes, call.request.query, keyed=True)

    def _images(self, call: _Call) -> Response:
        name = call.request.query.get("name", "")
        images = [image_shape(image, call.zone) for image in self.fleet.catalogue.images if name in image.name]
        return _page("images", images, call.request.query)

    def _image(self, call: _Call) -> Response:
        image = self.fleet.catalogue.image(call.ids[0])
        if image is None or image.id != call.ids[0]:
            raise not_found("image", call.ids[0])
        return _json(200, {"image": image_shape(image, call.zone)})

    def _local_images(self, call: _Call) -> Response:
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
        return _json(200, {"local_images": images, "total_count": len(images)})

    # Volumes and addresses

    def _list_volumes(self, call: _Call) -> Response:
        with self.fleet.lock:
            volumes = [
                volume_shape(self.fleet, volume)
                for volume in sorted(self.fleet.volumes.values(), key=lambda volume: volume.created)
                if volume.zone == call.zone and volume.volume_type != "sbs_volume"
            ]
        return _page("volumes", volumes, call.request.query)

    def _get_volume(self, call: _Call) -> Response:
        with self.fleet.lock:
            shape = volume_shape(self.fleet, self._volume(call))
        return _json(200, {"volume": shape} if call.ids[0] == "instance" else shape)

    def _delete_volume(self, call: _Call) -> Response:
        with self.fleet.lock:
            self.fleet.delete_volume(self._volume(call))
        return Response(204)

    def _list_ips(self, call: _Call) -> Response:
        return _page("ips", self._ips(call.zone), call.request.query)

    def _get_ip(self, call: _Call) -> Response:
        for ip in self._ips(call.zone):
            if call.ids[0] in (ip["id"], ip["address"]):
                return _json(200, {"ip": ip})
        raise not_found("ip", call.ids[0])

    def _ips(self, zone: str) -> list[dict[str, Any]]:
        """Dynamic addresses live and die with their server, so there are none of their own."""
        with self.fleet.lock:
            return [
                ip | {"server": {"id": server.id, "name": server.name}, "zone": zone, "project": server.project}
                for server in self.fleet.servers.values()
                if server.zone == zone
                for ip in server_shape(self.fleet, server)["public_ips"]
            ]

    def _server(self, call: _Call) -> Server:
        return self.fleet.server(call.ids[0], call.zone)

    def _volume(self, call: _Call) -> Volume:
        api, volume_id = call.ids
        volume = self.fleet.volumes.get(volume_id)
        if volume is None or volume.zone != call.zone or (volume.volume_type == "sbs_volume") != (api == "block"):
            raise not_found("volume", volume_id)
        return volume


_RESOURCES = {"servers": "InstanceServers", "cpu": "InstanceVCPU", "volumes": "InstanceVolumes"}
"""The vendor's names of what quotas count."""


def _refused(refused: Refusal) -> Response:
    """A refusal of the fleet in the vendor's words."""
    match refused.cause:
        case "not_found":
            told = {"resource": f"instance_{refused.resource}", "resource_id": refused.resource_id}
            return _json(404, {"type": "unknown_resource", "message": f'"{refused.resource_id}" not found', **told})
        case "quota":
            resource = _RESOURCES.get(refused.resource, refused.resource)
            detail = {"resource": resource, "quota": refused.limit, "current": refused.limit, "scope": "project"}
            message = "Quota exceeded for this resource."
            return _json(403, {"type": "quotas_exceeded", "message": message, "details": [detail]})
        case "stock":
            return _json(
                412,
                {
                    "type": "out_of_stock",
                    "message": f"{refused.resource} is out of stock",
                    "resource": refused.resource,
                },
            )
        case "in_use":
            told = {"precondition": "resource_still_in_use", "message": refused.message}
            return _json(412, {"type": "precondition_failed", **told})
        case "state":
            return _json(400, {"type": "invalid_request_error", "message": refused.message})


def _page(name: str, items: Sequence[Any], query: dict[str, str], *, keyed: bool = False) -> Response:
    """One page, with the number of all in `X-Total-Count`."""
    try:
        size = min(int(query.get("per_page", "50")), MAX_PAGE)
        first = (int(query.get("page", "1")) - 1) * size
    except ValueError:
        raise ApiError(400, _invalid_field("page", "should be a number")) from None
    if size < 1 or first < 0:
        raise ApiError(400, _invalid_field("page", "should be 1 or more"))
    part = items[first : first + size]
    response = _json(200, {name: dict(part) if keyed else list(part)})
    response.headers["X-Total-Count"] = str(len(items))
    return response


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ApiError(400, {"type": "invalid_request_error", "message": "The request body is not a JSON object."})
    return found


def _invalid(wrong: ValidationError) -> dict[str, Any]:
    fields: dict[str, list[str]] = {}
    for error in wrong.errors():
        fields.setdefault(".".join(str(part) for part in error["loc"]) or "body", []).append(error["msg"])
    return {"type": "invalid_request_error", "message": "Validation Error", "fields": fields}


def _invalid_field(name: str, message: str) -> dict[str, Any]:
    return {"type": "invalid_request_error", "message": "Validation Error", "fields": {name: [message]}}


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
