"""What requests to OVHcloud's native API may hold, and how the vendor words its answers and refusals."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from providers.simulator.fleet_parts import Refusal
from providers.simulator.http_service import Response

HOST_NAME = 63
"""Characters of a host name that OpenStack makes of an instance's name."""


class ApiError(Exception):
    """An answer that is a refusal: HTTP status and the vendor's class and message."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"class": kind, "message": message}


class Body(BaseModel):
    """The vendor refuses parameters that it has not described."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewInstance(Body):
    name: str = Field(min_length=1, max_length=255)
    region: str
    flavorId: str  # noqa: N815 (the vendor's names, here and below)
    imageId: str | None = None  # noqa: N815
    monthlyBilling: bool | None = None  # noqa: N815
    sshKeyId: str | None = None  # noqa: N815
    userData: str | None = Field(default=None, max_length=65535)  # noqa: N815


class Reboot(Body):
    type: Literal["soft", "hard"]


class NewVolume(Body):
    region: str
    size: int = Field(ge=1, le=12000)
    type: Literal["classic", "high-speed", "high-speed-gen2"]
    name: str | None = Field(default=None, max_length=255)
    description: str | None = Field(default=None, max_length=255)
    snapshotId: str | None = None  # noqa: N815


class Holder(Body):
    instanceId: str  # noqa: N815


class NewSnapshot(Body):
    name: str | None = Field(default=None, max_length=255)
    description: str | None = Field(default=None, max_length=255)


_B = TypeVar("_B", bound=Body)


_COUNTED = {"servers": "instances", "cpu": "cores", "volume_gb": "gigabytes"}
"""What quotas count, in OpenStack's words."""


def refusal_of(refused: Refusal) -> Response:
    """A refusal of the fleet in the words of OpenStack, which the vendor hands on."""
    match refused.cause:
        case "not_found":
            thing = f"{refused.resource.capitalize()} {refused.resource_id}"
            return answer(404, {"class": "Client::NotFound", "message": f"{thing} not found"})
        case "quota":
            counted = _COUNTED.get(refused.resource, refused.resource)
            if refused.resource in {"servers", "cpu"}:
                used = f"already used {refused.limit} of {refused.limit} {counted}"
                message = f"Quota exceeded for {counted}: Requested 1, but {used}"
                return answer(403, {"class": "Client::Forbidden", "message": message})
            message = f"VolumeLimitExceeded: Maximum number allowed ({refused.limit}) exceeded for quota '{counted}'."
            return answer(413, {"class": "Client::RequestEntityTooLarge", "message": message})
        case "stock":
            message = f"Flavor {refused.resource} is not available in this region"
            return answer(409, {"class": "Client::Conflict", "message": message})
        case "in_use":
            return answer(400, {"class": "Client::BadRequest", "message": f"Invalid volume: {refused.message}"})
        case "state":
            message = f"Cannot do this while the instance is in another state: {refused.message}"
            return answer(409, {"class": "Client::Conflict", "message": message})


def parsed(kind: type[_B], body: bytes) -> _B:
    """The body; raises ApiError for what is missing, ill-typed or not described."""
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as wrong:
        errors = wrong.errors()
    extra = [str(error["loc"][0]) for error in errors if error["type"] == "extra_forbidden"]
    if extra:
        raise undescribed(extra)
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    raise ApiError(400, "Client::BadRequest", f"[{where}] {first['msg']}")


def undescribed(names: Sequence[str]) -> ApiError:
    message = f"Received not described parameters: ({', '.join(names)}) while calling this API"
    return ApiError(400, "Client::BadRequest", message)


def not_granted() -> dict[str, str]:
    return {"errorCode": "NOT_GRANTED_CALL", "httpCode": "403 Forbidden", "message": "This call has not been granted"}


def found_in(things: Sequence[Mapping[str, Any]], kind: str, wanted: str) -> Response:
    for thing in things:
        if thing["id"] == wanted:
            return answer(200, thing)
    raise ApiError(404, "Client::NotFound", f"{kind} {wanted} not found")


def host_name(name: str) -> str:
    """As OpenStack makes it of an instance's name: lower case, letters, digits and hyphens."""
    kept = re.sub(r"[^a-z0-9-]", "", re.sub(r"[ _.]", "-", name.lower()))
    return kept[:HOST_NAME].strip("-") or "server"


def answer(status: int, body: object) -> Response:
    headers = {"Content-Type": "application/json; charset=utf-8", "X-OVH-QUERYID": f"EU.ext-1.{uuid.uuid4().hex[:8]}"}
    return Response(status, json.dumps(body).encode(), headers)
