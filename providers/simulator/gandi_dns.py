"""Gandi's LiveDNS API v5: record sets of a domain, one per request.

Paths and bodies: the vendor's published API reference and its Go client; only
what records need is here, everything else answers 404.
"""

import hmac
import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault
from providers.simulator.hosted_zones import BadRecordsError, Held, HostedZones, Key, NoSuchZoneError
from providers.simulator.http_service import Request, Response

TTLS = (300, 2_592_000)
"""The lowest and highest TTL in seconds."""
DEFAULT_TTL = 10_800


class _RecordSet(BaseModel):
    """The body that makes or replaces a record set."""

    model_config = ConfigDict(extra="ignore")

    rrset_name: str | None = None
    rrset_type: str | None = None
    rrset_ttl: int = Field(default=DEFAULT_TTL, ge=TTLS[0], le=TTLS[1])
    rrset_values: list[str] = Field(min_length=1, max_length=100)


class _RefusedError(Exception):
    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class GandiDns:
    """Answers requests that carry the right personal access token. Changes are served at once."""

    def __init__(self, zones: HostedZones, token: str, effects: EffectLog) -> None:
        self._zones = zones
        self._token = token
        self._effects = effects

    def handle(self, request: Request) -> Response:
        try:
            self._authenticate(request)
            return self._route(request)
        except _RefusedError as refused:
            return _json(refused.status, refused.body)
        except NoSuchZoneError as unknown:
            return _json(404, _error(404, f"Unknown domain {unknown}", "domain-not-found"))
        except BadRecordsError as wrong:
            return _json(400, _error(400, str(wrong), "Bad Request"))

    def refusal(self, fault: Fault, _request: Request) -> Response:
        return _json(fault.status, _error(fault.status, "simulated refusal", "simulated"))

    def _authenticate(self, request: Request) -> None:
        given = request.headers.get("Authorization", "")
        if not given:
            raise _RefusedError(401, _error(401, "The server could not verify that you authorized", "Unauthorized"))
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            raise _RefusedError(403, _error(403, "The request is not authorized: bad token", "Forbidden"))

    def _route(self, request: Request) -> Response:
        for method, pattern, action in self._routes():
            found = re.fullmatch(rf"/v5/livedns/domains/([^/]+){pattern}", request.path)
            if found is not None and method == request.method:
                return action(request, *(unquote(part) for part in found.groups()))
        return _json(404, _error(404, "The resource could not be found.", "Not Found"))

    def _routes(self) -> Sequence[tuple[str, str, Callable[..., Response]]]:
        one = r"/records/([^/]+)/([A-Z]+)"
        return (
            ("GET", r"", self._domain),
            ("GET", r"/records", self._list),
            ("POST", r"/records", self._create),
            ("GET", one, self._get),
            ("PUT", one, self._put),
            ("DELETE", one, self._delete),
        )

    def _domain(self, _request: Request, zone: str) -> Response:
        self._zones.record_sets(zone)
        return _json(200, {"fqdn": zone, "automatic_snapshots": True})

    def _list(self, request: Request, zone: str) -> Response:
        """A page, with the number of all in `Total-Count`."""
        held = list(self._zones.record_sets(zone).items())
        size, page = int(request.query.get("per_page", "100")), int(request.query.get("page", "1"))
        part = held[(page - 1) * size : page * size]
        answer = _json(200, [_shown(key, one, zone) for key, one in part])
        answer.headers["Total-Count"] = str(len(held))
        return answer

    def _get(self, _request: Request, zone: str, name: str, kind: str) -> Response:
        held = self._zones.record_sets(zone).get((name, kind))
        if held is None:
            return _json(404, _error(404, "Can't find the DNS record", "dns-record"))
        return _json(200, _shown((name, kind), held, zone))

    def _create(self, request: Request, zone: str) -> Response:
        asked = _asked(request)
        key = (asked.rrset_name or "@", asked.rrset_type or "")
        if key in self._zones.record_sets(zone):
            return _json(409, _error(409, "A DNS Record already exists with same value", "Conflict"))
        return self._change(zone, key, asked)

    def _put(self, request: Request, zone: str, name: str, kind: str) -> Response:
        return self._change(zone, (name, kind), _asked(request))

    def _change(self, zone: str, key: Key, asked: _RecordSet) -> Response:
        if key == ("@", "NS"):
            raise BadRecordsError("The NS records of the domain itself cannot be changed")
        held = Held(asked.rrset_ttl, tuple(_quoted(key[1], value) for value in asked.rrset_values))
        if self._zones.change(zone, {key: held}):
            self._effects.add("gandi-dns", "record.put", f"{' '.join(key)} {zone}")
        return _json(201, {"message": "DNS Record Created"})

    def _delete(self, _request: Request, zone: str, name: str, kind: str) -> Response:
        if (name, kind) not in self._zones.record_sets(zone):
            return _json(404, _error(404, "Can't find the DNS record", "dns-record"))
        self._zones.change(zone, {(name, kind): None})
        self._effects.add("gandi-dns", "record.delete", f"{name} {kind} {zone}")
        return Response(204)


def _asked(request: Request) -> _RecordSet:
    try:
        return _RecordSet.model_validate_json(request.body)
    except ValidationError as wrong:
        errors = [
            {"location": "body", "name": ".".join(map(str, error["loc"])), "description": error["msg"]}
            for error in wrong.errors()
        ]
        raise _RefusedError(400, {"status": "error", "errors": errors}) from None


def _quoted(kind: str, value: str) -> str:
    """A text that is not in quotes is taken as it stands."""
    if kind != "TXT" or value.startswith('"'):
        return value
    return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))


def _shown(key: Key, held: Held, zone: str) -> dict[str, Any]:
    """As the vendor shows it: the zone's own name as `@`, targets within the zone without it."""
    name, kind = key
    return {
        "rrset_name": name,
        "rrset_type": kind,
        "rrset_ttl": held.ttl,
        "rrset_values": [_short(kind, value, zone) for value in held.values],
        "rrset_href": f"https://api.gandi.net/v5/livedns/domains/{zone}/records/{name}/{kind}",
    }


def _short(kind: str, value: str, zone: str) -> str:
    if kind not in ("CNAME", "MX", "NS", "SRV"):
        return value
    rest, _, target = value.rpartition(" ")
    own = f"{zone}."
    short = "@" if target == own else target.removesuffix(f".{own}")
    return f"{rest} {short}".strip()


def _error(code: int, message: str, cause: str) -> dict[str, Any]:
    return {"code": code, "message": message, "object": "HTTPError", "cause": cause}


def _json(status: int, body: object) -> Response:
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
