"""Scaleway's Domains and DNS API v2beta1: the records of a zone, changed together in one PATCH.

Paths and bodies: the vendor's published API reference and SDK; only what records
need is here, everything else answers 404. As with every API of that vendor that
speaks JSON for protocol buffers, names come in camel or in snake case.
"""

import hmac
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dns.exception
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault
from providers.simulator.hosted_zones import BadRecordsError, Held, HostedZones, Key, NoSuchZoneError, rdata_of
from providers.simulator.http_service import Request, Response

ZONES = re.compile(r"^/domain/v2beta1/dns-zones/([^/]+)/records$")
MAX_PAGE = 1000
DEFAULT_PAGE = 20
IDS = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Record(_Body):
    name: str = ""
    type: str
    ttl: int = Field(ge=1)
    data: str
    priority: int = 0


class _IdFields(_Body):
    name: str
    type: str
    data: str | None = None
    ttl: int | None = None


class _Add(_Body):
    records: list[_Record]


class _Set(_Body):
    id: str | None = None
    id_fields: _IdFields | None = Field(default=None, validation_alias=AliasChoices("id_fields", "idFields"))
    records: list[_Record]


class _Delete(_Body):
    id: str | None = None
    id_fields: _IdFields | None = Field(default=None, validation_alias=AliasChoices("id_fields", "idFields"))


class _Change(_Body):
    """One of the four."""

    add: _Add | None = None
    set: _Set | None = None
    delete: _Delete | None = None
    clear: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "_Change":
        if sum(one is not None for one in (self.add, self.set, self.delete, self.clear)) != 1:
            raise ValueError("exactly one of add, set, delete, clear is needed")
        return self


class _Changes(_Body):
    changes: list[_Change]
    return_all_records: bool = False
    disallow_new_zone_creation: bool = False


@dataclass(frozen=True, slots=True)
class _Value:
    """One record."""

    name: str
    type: str
    ttl: int
    data: str

    @property
    def id(self) -> str:
        return str(uuid.uuid5(IDS, f"{self.name} {self.type} {self.data}"))

    def shown(self) -> dict[str, Any]:
        priority = int(self.data.split(" ")[0]) if self.type in ("MX", "SRV") else 0
        name = "" if self.name == "@" else self.name
        return {
            "id": self.id,
            "name": name,
            "type": self.type,
            "ttl": self.ttl,
            "data": self.data,
            "priority": priority,
            "comment": None,
        }


class _RefusedError(Exception):
    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class ScalewayDns:
    """Answers requests that carry the right token, for zones of one project. Changes are served at once."""

    def __init__(self, zones: HostedZones, token: str, project: str, effects: EffectLog) -> None:
        self._zones = zones
        self._token = token
        self._project = project
        self._effects = effects

    def handle(self, request: Request) -> Response:
        try:
            self._authenticate(request)
            return self._route(request)
        except _RefusedError as refused:
            return _json(refused.status, refused.body)
        except NoSuchZoneError:
            return _json(403, _denied("domain not found or access denied"))
        except BadRecordsError as wrong:
            return _json(400, _invalid("changes", str(wrong)))

    def refusal(self, fault: Fault, _request: Request) -> Response:
        kind = {429: "too_many_requests", 403: "permissions_denied", 401: "denied_authentication"}
        return _json(fault.status, {"type": kind.get(fault.status, "internal_error"), "message": "simulated refusal"})

    def _authenticate(self, request: Request) -> None:
        token = request.headers.get("X-Auth-Token", "")
        if not token:
            raise _RefusedError(401, {"type": "denied_authentication", "message": "authentication is denied"})
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise _RefusedError(403, _denied("insufficient permissions"))

    def _route(self, request: Request) -> Response:
        found = ZONES.match(request.path)
        if found is None or request.method not in ("GET", "PATCH"):
            raise _RefusedError(404, {"type": "not_found", "message": "resource is not found"})
        zone = found.group(1)
        return self._list(request, zone) if request.method == "GET" else self._patch(request, zone)

    def _list(self, request: Request, zone: str) -> Response:
        query = request.query
        if query.get("project_id", self._project) != self._project:
            raise _RefusedError(403, _denied("insufficient permissions on the project"))
        held = [
            value.shown()
            for value in self._values(zone)
            if query.get("type", value.type) == value.type
            and query.get("name", value.name) in (value.name, "" if value.name == "@" else value.name)
        ]
        size = min(int(query.get("page_size", DEFAULT_PAGE)), MAX_PAGE)
        first = (int(query.get("page", "1")) - 1) * size
        return _json(200, {"records": held[first : first + size], "total_count": len(held)})

    def _patch(self, request: Request, zone: str) -> Response:
        """All changes on a copy, in their order; the zone takes all of them or none."""
        try:
            asked = _Changes.model_validate_json(request.body)
        except ValidationError as wrong:
            first = wrong.errors()[0]
            raise _RefusedError(400, _invalid(".".join(map(str, first["loc"])), first["msg"])) from None
        with self._zones.book.lock:
            before = self._zones.record_sets(zone)
            values = list(self._values(zone))
            for change in asked.changes:
                values = _changed(values, change, zone)
            after = _sets(values)
            touched = {key: after.get(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
            if any(key == ("@", "NS") for key in touched):
                raise BadRecordsError("the NS records of the zone itself cannot be changed here")
            if self._zones.change(zone, touched):
                keys = ", ".join(" ".join(key) for key in sorted(touched))
                self._effects.add("scaleway-dns", "records.patch", zone, keys)
            shown = [value.shown() for value in self._values(zone)] if asked.return_all_records else []
        return _json(200, {"records": shown})

    def _values(self, zone: str) -> Iterator[_Value]:
        for (name, kind), held in self._zones.record_sets(zone).items():
            for data in held.values:
                yield _Value(name, kind, held.ttl, data)


def _changed(values: list[_Value], change: _Change, zone: str) -> list[_Value]:
    if change.clear is not None:
        return [value for value in values if value.type == "NS" and value.name == "@"]
    if change.add is not None:
        return [*values, *(_value(record, zone) for record in change.add.records)]
    which = change.set or change.delete
    assert which is not None
    left = [value for value in values if not _meant(value, which.id, which.id_fields, zone)]
    if change.delete is not None:
        if len(left) == len(values):
            raise _RefusedError(404, {"type": "not_found", "resource": "record", "message": "resource is not found"})
        return left
    assert change.set is not None
    return [*left, *(_value(record, zone) for record in change.set.records)]


def _meant(value: _Value, record_id: str | None, fields: _IdFields | None, zone: str) -> bool:
    if fields is None:
        return value.id == record_id
    return (
        value.name == (fields.name or "@")
        and value.type == fields.type
        and (fields.data is None or value.data == _value_text(fields.type, fields.data, 0, zone))
        and fields.ttl in (None, value.ttl)
    )


def _value(record: _Record, zone: str) -> _Value:
    data = _value_text(record.type, record.data, record.priority, zone)
    return _Value(record.name or "@", record.type, record.ttl, data)


def _value_text(kind: str, data: str, priority: int, zone: str) -> str:
    """Zone-file form; an MX may have its priority beside it, a text may come without quotes."""
    text = f"{priority} {data}" if kind == "MX" and " " not in data else data
    if kind == "TXT" and not text.startswith('"'):
        text = '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))
    try:
        return rdata_of(kind, text, zone).to_text()
    except dns.exception.DNSException as wrong:
        raise BadRecordsError(f"{kind}: {wrong}") from None


def _sets(values: list[_Value]) -> Mapping[Key, Held]:
    found: dict[Key, list[_Value]] = {}
    for value in values:
        found.setdefault((value.name, value.type), []).append(value)
    return {
        key: Held(min(one.ttl for one in held), tuple(sorted({one.data for one in held})))
        for key, held in found.items()
    }


def _denied(message: str) -> dict[str, Any]:
    details = [{"resource": "domain", "action": "read"}]
    return {"type": "permissions_denied", "message": message, "details": details}


def _invalid(name: str, why: str) -> dict[str, Any]:
    details = [{"argument_name": name, "reason": "constraint", "help_message": why}]
    return {"type": "invalid_arguments", "message": "invalid argument(s)", "details": details}


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
