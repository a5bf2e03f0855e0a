"""OVHcloud's API 1.0 for DNS zones: records by id, signed requests, and nothing served before a refresh.

Paths and bodies: the vendor's API console and clients; only what records need is
here, everything else answers 404. SPF, DKIM and DMARC are types of the vendor's
own, served as TXT.
"""

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

import dns.exception
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault
from providers.simulator.hosted_zones import BadRecordsError, Held, HostedZones, Key, NoSuchZoneError, rdata_of
from providers.simulator.http_service import Request, Response
from providers.simulator.ovh_answers import not_granted
from providers.simulator.ovh_shapes import credential_shape
from providers.simulator.ovh_signature import SignatureError, Signatures

TYPES = frozenset({"A", "AAAA", "CAA", "CNAME", "DKIM", "DMARC", "MX", "NS", "SPF", "SRV", "TLSA", "TXT"})
TEXTS = frozenset({"DKIM", "DMARC", "SPF", "TXT"})
DEFAULT_TTL = 3600
"""Seconds; what a TTL of 0 stands for."""
LOWEST_TTL = 60
EVERYTHING = tuple(f"{method} /*" for method in ("GET", "POST", "PUT", "DELETE"))
"""Rules of a consumer key that may call all there is."""

Body = TypeVar("Body", bound=BaseModel)


class _NewRecord(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fieldType: str  # noqa: N815  # the vendor's name
    subDomain: str = ""  # noqa: N815
    target: str
    ttl: int = 0


class _Edit(BaseModel):
    model_config = ConfigDict(extra="ignore")

    subDomain: str | None = None  # noqa: N815  # the vendor's name
    target: str | None = None
    ttl: int | None = Field(default=None, ge=0)


@dataclass(slots=True)
class _Record:
    """One record of a zone, whether it is served yet or not."""

    id: int
    zone: str
    fieldType: str  # noqa: N815  # the vendor's name
    subDomain: str  # noqa: N815
    target: str
    ttl: int

    @property
    def key(self) -> Key:
        return self.subDomain or "@", "TXT" if self.fieldType in TEXTS else self.fieldType


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class OvhDns:
    """Answers requests that one of the applications signed. `now` is the server's clock, seconds since the epoch."""

    def __init__(
        self,
        zones: HostedZones,
        signatures: Signatures,
        effects: EffectLog,
        now: Callable[[], float] = time.time,
        rules: Sequence[str] = EVERYTHING,
    ) -> None:
        self._zones = zones
        self._signatures = signatures
        self._effects = effects
        self.now = now
        self.rules = rules
        self._lock = threading.RLock()
        self._ids = itertools.count(5_000_000_001)
        self._records: dict[str, dict[int, _Record]] = {}

    def reset(self) -> None:
        """Hold what is served, nothing else."""
        with self._lock:
            self._records.clear()

    def state(self) -> dict[str, list[str]]:
        """What is held of each zone that was asked for, served or not: `name ttl type target`, sorted."""
        with self._lock:
            return {
                zone: sorted(f"{r.subDomain or '@'} {r.ttl} {r.fieldType} {r.target}" for r in records.values())
                for zone, records in sorted(self._records.items())
            }

    def handle(self, request: Request) -> Response:
        if (request.method, request.path) == ("GET", "/1.0/auth/time"):
            return _json(200, int(self.now()))
        query = f"?{request.raw_query}" if request.raw_query else ""
        full_url = f"http://{request.headers.get('Host', '')}{request.path}{query}"
        try:
            self._signatures.verify(request.method, full_url, request.body, request.headers, self.now())
        except SignatureError as refused:
            return _json(refused.status, refused.body)
        path = request.path.removeprefix("/1.0")
        if not any(fnmatchcase(f"{request.method} {path}", rule) for rule in self.rules):
            return _json(403, not_granted())
        if (request.method, path) == ("GET", "/auth/currentCredential"):
            return _json(200, credential_shape(self.rules, None))
        try:
            with self._lock:
                return self._route(request)
        except _RefusedError as refused:
            return _json(refused.status, {"message": refused.message})
        except NoSuchZoneError:
            return _json(404, {"message": "This service does not exist"})
        except BadRecordsError as wrong:
            return _json(400, {"message": str(wrong)})

    def refusal(self, fault: Fault, _request: Request) -> Response:
        return _json(fault.status, {"message": "simulated refusal"})

    def _route(self, request: Request) -> Response:
        for method, pattern, action in self._routes():
            found = re.fullmatch(rf"/1\.0/domain/zone/([^/]+){pattern}", request.path)
            if found is not None and method == request.method:
                return action(request, *found.groups())
        raise _RefusedError(404, "Got an invalid (or empty) URL")

    def _routes(self) -> Sequence[tuple[str, str, Callable[..., Response]]]:
        return (
            ("GET", r"/record", self._list),
            ("POST", r"/record", self._create),
            ("GET", r"/record/(\d+)", self._get),
            ("PUT", r"/record/(\d+)", self._edit),
            ("DELETE", r"/record/(\d+)", self._delete),
            ("GET", r"/soa", self._soa),
            ("POST", r"/refresh", self._refresh),
        )

    def records(self, zone: str) -> dict[int, _Record]:
        """What is held of the zone, by id; at first, what is served."""
        if zone not in self._records:
            served = self._zones.record_sets(zone)
            made = [
                _Record(next(self._ids), zone, kind, "" if name == "@" else name, value, held.ttl)
                for (name, kind), held in served.items()
                for value in held.values
            ]
            self._records[zone] = {record.id: record for record in made}
        return self._records[zone]

    def _one(self, zone: str, number: str) -> _Record:
        found = self.records(zone).get(int(number))
        if found is None:
            raise _RefusedError(404, f"The requested object (id = {number}) does not exist")
        return found

    def _list(self, request: Request, zone: str) -> Response:
        """Ids. The filters are patterns as SQL's LIKE has them."""
        query = request.query
        kind, name = query.get("fieldType"), query.get("subDomain")
        found = [
            record.id
            for record in self.records(zone).values()
            if kind in (None, record.fieldType) and (name is None or _like(name, record.subDomain))
        ]
        return _json(200, found)

    def _get(self, _request: Request, zone: str, number: str) -> Response:
        return _json(200, asdict(self._one(zone, number)))

    def _create(self, request: Request, zone: str) -> Response:
        asked = _parsed(_NewRecord, request)
        if asked.fieldType not in TYPES:
            raise _RefusedError(400, f"[fieldType] Given data ({asked.fieldType}) does not belong to the enumeration")
        held = self.records(zone)
        record = _Record(next(self._ids), zone, asked.fieldType, asked.subDomain, asked.target, asked.ttl)
        self._accept(record)
        held[record.id] = record
        return _json(200, asdict(record))

    def _edit(self, request: Request, zone: str, number: str) -> Response:
        asked = _parsed(_Edit, request)
        old = self._one(zone, number)
        record = _Record(
            old.id,
            zone,
            old.fieldType,
            old.subDomain if asked.subDomain is None else asked.subDomain,
            old.target if asked.target is None else asked.target,
            old.ttl if asked.ttl is None else asked.ttl,
        )
        self._accept(record)
        self.records(zone)[old.id] = record
        return _json(200, None)

    def _accept(self, record: _Record) -> None:
        """Checks the record and logs it. Raises _RefusedError."""
        if record.ttl and record.ttl < LOWEST_TTL:
            raise _RefusedError(400, f"Invalid ttl, {LOWEST_TTL} is the lowest")
        if record.fieldType == "DKIM" and "p=" not in record.target:
            raise _RefusedError(400, "Invalid target for a DKIM record")
        if record.fieldType == "SPF" and "v=spf1" not in record.target:
            raise _RefusedError(400, "Invalid target for an SPF record")
        try:
            rdata_of(record.key[1], _zone_file(record), record.zone)
        except dns.exception.DNSException as wrong:
            raise _RefusedError(400, f"Invalid target: {wrong}") from None
        beside = [r for r in self.records(record.zone).values() if r.id != record.id and r.key[0] == record.key[0]]
        if beside and "CNAME" in (record.fieldType, *(r.fieldType for r in beside)):
            raise _RefusedError(400, "A CNAME record can not be added beside other records")
        self._effects.add("ovh-dns", "record.write", f"{' '.join(record.key)} {record.zone}", record.target)

    def _delete(self, _request: Request, zone: str, number: str) -> Response:
        record = self._one(zone, number)
        del self.records(zone)[record.id]
        self._effects.add("ovh-dns", "record.delete", f"{' '.join(record.key)} {zone}", record.target)
        return _json(200, None)

    def _soa(self, _request: Request, zone: str) -> Response:
        self.records(zone)
        return _json(200, {"ttl": DEFAULT_TTL, "server": f"dns.{zone}.", "nxDomainTtl": 60})

    def _refresh(self, _request: Request, zone: str) -> Response:
        """Serve what is held."""
        sets: dict[Key, list[_Record]] = {}
        for record in self.records(zone).values():
            sets.setdefault(record.key, []).append(record)
        wanted: dict[Key, Held | None] = {
            key: Held(min(r.ttl or DEFAULT_TTL for r in held), tuple(sorted({_zone_file(r) for r in held})))
            for key, held in sets.items()
        }
        gone = {key: None for key in self._zones.record_sets(zone) if key not in wanted}
        if self._zones.change(zone, gone | wanted):
            self._effects.add("ovh-dns", "zone.refresh", zone)
        return _json(200, None)


def _parsed(kind: type[Body], request: Request) -> Body:
    try:
        return kind.model_validate_json(request.body)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        raise _RefusedError(400, f"[{'.'.join(map(str, first['loc']))}] {first['msg']}") from None


def _zone_file(record: _Record) -> str:
    """The target in zone-file form: a text may be kept without quotes."""
    if record.fieldType not in TEXTS or record.target.startswith('"'):
        return record.target
    return '"{}"'.format(record.target.replace("\\", "\\\\").replace('"', '\\"'))


def _like(pattern: str, text: str) -> bool:
    parts = {"%": ".*", "_": "."}
    return re.fullmatch("".join(parts.get(sign, re.escape(sign)) for sign in pattern), text) is not None


def _json(status: int, body: object) -> Response:
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
