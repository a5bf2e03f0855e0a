"""How OpenStack's services answer: refusals in each service's own shape, and lists in pages with links."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from providers.simulator.fleet_parts import Refusal
from providers.simulator.http_service import Request, Response

MOST = 1000
"""Things on one page at most, whatever is asked (`max_limit` of the services)."""

NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
"""What Nova and Cinder call a status."""


class ApiError(Exception):
    """An answer that is a refusal."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body.decode("utf-8", "replace"))
        self.answer = answer


def answer(status: int, body: Mapping[str, Any]) -> Response:
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def fault(status: int, message: str) -> Response:
    """As Nova and Cinder refuse."""
    told: dict[str, Any] = {"code": status, "message": message}
    found = answer(status, {NAMES.get(status, "computeFault"): told})
    if status == 413:
        found.headers["Retry-After"] = "0"
    return found


def neutron_fault(status: int, kind: str, message: str) -> Response:
    """As Neutron refuses."""
    return answer(status, {"NeutronError": {"type": kind, "message": message, "detail": ""}})


def keystone_fault(status: int, title: str, message: str) -> Response:
    """As Keystone refuses, and the part of it that stands before every service."""
    return answer(status, {"error": {"code": status, "title": title, "message": message}})


def page_fault(status: int, reason: str) -> Response:
    """As Glance refuses."""
    body = f"<html><head><title>{status} {reason}</title></head><body><h1>{status} {reason}</h1></body></html>"
    return Response(status, body.encode(), {"Content-Type": "text/html; charset=UTF-8"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request below a service's root, with the ids of its path. `root`: the service's URL, for links."""

    request: Request
    root: str
    path: str
    ids: tuple[str, ...] = ()

    @property
    def queries(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.request.raw_query, keep_blank_values=True):
            found.setdefault(name, []).append(value)
        return found


Action = Callable[[Call], Response]
Routes = Sequence[tuple[str, str, Action]]
Refuse = Callable[[int, str], Response]
"""Makes a service's refusal of a status and a message."""


def routed(routes: Routes, call: Call, refuse: Refuse) -> Response:
    """The answer of the route that fits; 404 for what the simulator does not have."""
    for method, pattern, action in routes:
        found = re.fullmatch(pattern, call.path)
        if found is not None and method == call.request.method:
            return action(Call(call.request, call.root, call.path, tuple(unquote(part) for part in found.groups())))
    return refuse(404, "The resource could not be found.")


def paged(call: Call, key: str, things: Sequence[Mapping[str, Any]], refuse: Refuse, most: int = MOST) -> Response:
    """One page: `limit` things behind the one that `marker` names, and a link when there are more."""
    query = call.request.query
    try:
        limit = min(int(query.get("limit") or most), most)
    except ValueError:
        limit = -1
    if limit < 0:
        raise ApiError(refuse(400, f"Invalid input for query parameters limit. Value: {query.get('limit')}."))
    first = 0
    if "marker" in query:
        ids = [str(thing["id"]) for thing in things]
        if query["marker"] not in ids:
            raise ApiError(refuse(400, f"marker [{query['marker']}] not found"))
        first = ids.index(query["marker"]) + 1
    part = list(things[first : first + limit])
    body: dict[str, Any] = {key: part}
    if part and first + limit < len(things):
        following = urlencode({**query, "marker": part[-1]["id"]})
        body[f"{key}_links"] = [{"rel": "next", "href": f"{call.root}{call.path}?{following}"}]
    return answer(200, body)


def sent(request: Request, key: str, refuse: Refuse) -> dict[str, Any]:
    """The object below `key` of a JSON body."""
    try:
        found = json.loads(request.body)[key]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, dict):
        raise ApiError(refuse(400, f"Invalid input for field/attribute {key}."))
    return found


def checked(given: Mapping[str, Any], known: Mapping[str, type | tuple[type, ...]], refuse: Refuse) -> None:
    """Refuses what the service's schema does not know, and what is of another type."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        named = ", ".join(f"'{name}'" for name in unknown)
        raise ApiError(refuse(400, f"Additional properties are not allowed ({named} was unexpected)"))
    for name, value in given.items():
        if not isinstance(value, known[name]) or (isinstance(value, bool) and known[name] is int):
            raise ApiError(refuse(400, f"Invalid input for field/attribute {name}. Value: {value}."))


def tags_in(metadata: Mapping[str, str]) -> list[str]:
    """Metadata as the fleet's tags, for the effect log and for people."""
    return [f"{key}={value}" if value else key for key, value in sorted(metadata.items())]


def quota_fault(refused: Refusal, names: Mapping[str, str]) -> Response:
    """A used-up quota in Nova's words."""
    name = names.get(refused.resource, refused.resource)
    text = f"Quota exceeded for {name}: Requested 1, but already used {refused.limit} of {refused.limit} {name}"
    return fault(403, text)
