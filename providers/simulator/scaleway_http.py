"""Requests to and answers from the Scaleway stand-in: calls in a zone, pages, and refusals in the vendor's words."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from providers.simulator.fleet_parts import Refusal
from providers.simulator.http_service import Request, Response

MAX_PAGE = 100


class ApiError(Exception):
    """An answer that is a refusal: HTTP status and the vendor's JSON body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("message", body.get("type"))))
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Call:
    """One request in its zone, with the path's ids."""

    request: Request
    zone: str
    ids: tuple[str, ...]


Route = tuple[str, str, Callable[[Call], Response]]
"""Method, pattern of the path below the zone with the API's name before it, and what answers."""


_RESOURCES = {"servers": "InstanceServers", "cpu": "InstanceVCPU", "volumes": "InstanceVolumes"}
"""The vendor's names of what quotas count."""


def refused(refusal: Refusal) -> Response:
    """A refusal of the fleet in the vendor's words."""
    match refusal.cause:
        case "not_found":
            told = {"resource": f"instance_{refusal.resource}", "resource_id": refusal.resource_id}
            return answer(404, {"type": "unknown_resource", "message": f'"{refusal.resource_id}" not found', **told})
        case "quota":
            resource = _RESOURCES.get(refusal.resource, refusal.resource)
            detail = {"resource": resource, "quota": refusal.limit, "current": refusal.limit, "scope": "project"}
            message = "Quota exceeded for this resource."
            return answer(403, {"type": "quotas_exceeded", "message": message, "details": [detail]})
        case "stock":
            return answer(
                412,
                {
                    "type": "out_of_stock",
                    "message": f"{refusal.resource} is out of stock",
                    "resource": refusal.resource,
                },
            )
        case "in_use":
            told = {"precondition": "resource_still_in_use", "message": refusal.message}
            return answer(412, {"type": "precondition_failed", **told})
        case "state":
            return answer(400, {"type": "invalid_request_error", "message": refusal.message})


def page(name: str, items: Sequence[Any], call: Call, *, keyed: bool = False, counted: bool = False) -> Response:
    """One page, with the number of all in `X-Total-Count`; `counted`: the younger APIs count in the body instead."""
    query = call.request.query
    try:
        size = min(int(query.get("page_size" if counted else "per_page", "50")), MAX_PAGE)
        first = (int(query.get("page", "1")) - 1) * size
    except ValueError:
        raise ApiError(400, invalid_field("page", "should be a number")) from None
    if size < 1 or first < 0:
        raise ApiError(400, invalid_field("page", "should be 1 or more"))
    part = items[first : first + size]
    told: dict[str, Any] = {name: dict(part) if keyed else list(part)}
    response = answer(200, {**told, "total_count": len(items)} if counted else told)
    if not counted:
        response.headers["X-Total-Count"] = str(len(items))
    return response


def body_of(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ApiError(400, {"type": "invalid_request_error", "message": "The request body is not a JSON object."})
    return found


def invalid(wrong: ValidationError) -> dict[str, Any]:
    fields: dict[str, list[str]] = {}
    for error in wrong.errors():
        fields.setdefault(".".join(str(part) for part in error["loc"]) or "body", []).append(error["msg"])
    return {"type": "invalid_request_error", "message": "Validation Error", "fields": fields}


def invalid_field(name: str, message: str) -> dict[str, Any]:
    return {"type": "invalid_request_error", "message": "Validation Error", "fields": {name: [message]}}


def answer(status: int, body: dict[str, Any]) -> Response:
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
