"""What all actions of the simulated OUTSCALE API share: ids, pages, tag filters, and refusals in the vendor's words.

Codes and statuses: the vendor's published list of errors, and what its own
acceptance tests expect (an unknown id is 400, a wrong state 409).
"""

import base64
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from providers.simulator.fleet_parts import Refusal
from providers.simulator.http_service import Response
from providers.simulator.outscale_requests import Page, Tagged

PREFIXES = {"server": "i", "volume": "vol", "snapshot": "snap", "firewall": "sg"}
NO_SUCH = {"server": "5063", "volume": "5064", "snapshot": "5054", "firewall": "5020", "image": "5023", "ip": "5025"}
QUOTA_CODES = {
    "servers": "10010",
    "cpu": "10029",
    "memory": "10042",
    "volumes": "10018",
    "volume_gb": "10024",
    "snapshots": "10026",
    "firewalls": "10038",
}


class OscError(Exception):
    """An answer that is a refusal: HTTP status, the vendor's code, its type and what it says."""

    def __init__(self, status: int, code: str, kind: str, details: str = "") -> None:
        super().__init__(details or kind)
        self.status = status
        self.code = code
        self.kind = kind
        self.details = details


class Thing(Protocol):
    """Anything of the fleet that has an id."""

    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=Thing)


def vendor_id(kind: str, internal: str) -> str:
    """`i-0123abcd`: the vendor's form of the fleet's id."""
    return f"{PREFIXES[kind]}-{internal.replace('-', '')[:8]}"


def find(kind: str, things: Iterable[T], asked: str) -> T:
    """The one thing with this vendor id. Raises OscError: 4104, 4105 for what is no id, 50xx for an unknown one."""
    prefix = PREFIXES[kind]
    if not asked.startswith(f"{prefix}-"):
        raise OscError(400, "4104", "InvalidParameterValue", f"The value {asked} must begin with {prefix}-.")
    if not re.fullmatch(rf"{prefix}-[0-9a-f]{{8}}", asked):
        raise OscError(400, "4105", "InvalidParameterValue", f"The id {asked} is malformed.")
    for thing in things:
        if vendor_id(kind, thing.id) == asked:
            return thing
    raise no_such(kind, asked)


def no_such(kind: str, asked: str) -> OscError:
    return OscError(400, NO_SUCH[kind], "InvalidResource", f"The {kind} '{asked}' doesn't exist.")


def wrong_state(what: str) -> OscError:
    return OscError(409, "6003", "InvalidState", what)


def is_tagged(tags: Sequence[str], filters: Tagged) -> bool:
    """Whether tags (`key` or `key=value`) pass the filters; values of one filter are alternatives."""
    pairs = [(key, value) for key, _, value in (tag.partition("=") for tag in tags)]
    return (
        passes([f"{key}={value}" for key, value in pairs], filters.tags)
        and passes([key for key, _ in pairs], filters.tag_keys)
        and passes([value for _, value in pairs], filters.tag_values)
    )


def passes(values: Iterable[str | None], wanted: Sequence[str] | None) -> bool:
    """Whether one of the values is wanted; no filter lets everything pass."""
    return wanted is None or any(value in wanted for value in values)


def tag_shapes(tags: Sequence[str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, _, value in (tag.partition("=") for tag in tags)]


def page(name: str, items: Sequence[Any], asked: Page) -> dict[str, Any]:
    """One page; a token for the next one while there is more."""
    try:
        first = int(base64.b64decode(asked.next_page_token or "MA==", validate=True))
    except ValueError:
        raise OscError(400, "4047", "InvalidParameterValue", "NextPageToken is not one of ours.") from None
    last = first + asked.results_per_page
    answer: dict[str, Any] = {name: list(items[first:last])}
    if last < len(items):
        answer["NextPageToken"] = base64.b64encode(str(last).encode()).decode()
    return answer


def accepted(body: Mapping[str, Any]) -> Response:
    return _json(200, {**body, "ResponseContext": _context()})


def refused(error: OscError) -> Response:
    told = {"Code": error.code, "Type": error.kind, "Details": error.details}
    return _json(error.status, {"Errors": [told], "ResponseContext": _context()})


def of_refusal(refusal: Refusal) -> OscError:
    """A refusal of the fleet in the vendor's words."""
    match refusal.cause:
        case "not_found":
            return no_such(refusal.resource, refusal.resource_id)
        case "quota":
            code = QUOTA_CODES[refusal.resource]
            return OscError(400, code, "TooManyResources (QuotaExceded)", f"The limit has exceeded: {refusal.limit}.")
        case "stock":
            return OscError(400, "10001", "InsufficientCapacity")
        case "in_use" if refusal.resource == "firewall":
            return OscError(409, "9085", "ResourceConflict", refusal.message)
        case _:
            return wrong_state(refusal.message)


def of_invalid(wrong: ValidationError) -> OscError:
    """The first thing that is wrong with a request's body."""
    error = wrong.errors()[0]
    where = ".".join(str(part) for part in error["loc"]) or "body"
    if error["type"] == "extra_forbidden":
        return OscError(400, "3001", "InvalidParameter", f"Unknown parameter {where}.")
    if error["type"] in {"missing", "too_short"}:
        return OscError(400, "7000", "MissingParameter", f"Insufficient parameters provided out of: {where}.")
    return OscError(400, "4110", "InvalidParameterValue", f"{where}: {error['msg']}")


def _context() -> dict[str, str]:
    return {"RequestId": str(uuid.uuid4())}


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
