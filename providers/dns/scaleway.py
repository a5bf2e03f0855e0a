"""Record sets at Scaleway, through the Domains and DNS API v2beta1.

All changes go in one PATCH, which is carried out as a whole. Its servers follow
within seconds or minutes.

octodns_scaleway reads one page, takes a refusal for an empty zone, and knows only
the first of several TXT values; here these are mended.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from logging import getLogger
from typing import Any

import dns.exception
from octodns.provider.base import BaseProvider
from octodns_scaleway import ScalewayClient, ScalewayProvider

from providers.base import Context, ProviderError
from providers.dns.api_session import ApiSession
from providers.dns.authority import zone_settings
from providers.dns.deadline import Deadline
from providers.dns.octodns_plan import HeldRecord, ZoneApi, texts_of
from providers.dns.octodns_records import HostedRecords
from providers.dns.record_sets import TYPES, Key, canonical_values
from providers.dns.ttl import TtlChange

VENDOR_URL = "https://api.scaleway.com"
VERSION = "/domain/v2beta1"
PAGE = 100
STEERED = ("geo_ip_config", "weighted_config", "http_service_config", "view_config")
"""What makes an answer depend on who asks; a plain record set can't stand for it."""


class ScalewayRecords(HostedRecords):
    """`dns.records` with an API token, for a zone of one project; one write for all."""

    host = "Scaleway"
    sets_apex_ns = False

    def _api(self, zone: str, keys: Iterable[Key], deadline: Deadline) -> ZoneApi:
        settings = zone_settings(self.context.scope, zone)
        session = self._session(zone, VENDOR_URL, _explained, deadline)
        session.headers["X-Auth-Token"] = self.context.reveal(settings["token"]).reveal()
        made: ZoneApi = _PlainZones(session, settings["project"], frozenset(keys))
        return made


class ScalewayTtl(TtlChange):
    """`dns.ttl` through the same API."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, ScalewayRecords)


class _Client(ScalewayClient):  # type: ignore[misc]  # octoDNS ships no types
    """octoDNS's client over our session."""

    def __init__(self, session: ApiSession, project: str) -> None:
        self.log = getLogger("bascule.dns.scaleway")
        self._session = session
        self.endpoint = f"{session.api.url}{VERSION}"
        self.create_zone = False
        self.project = project

    def zone_records(self, zone_name: str) -> list[dict[str, Any]]:
        """Every record of our types in the project's zone, all pages; names absolute."""
        records: list[dict[str, Any]] = []
        page = 0
        while True:
            page += 1
            asked = {"page": page, "page_size": PAGE, "project_id": self.project}
            answer = self._request("GET", f"/dns-zones/{zone_name}/records", params=asked).json()
            found = answer["records"]
            records += [_absolute(record, zone_name) for record in found if record["type"] in TYPES]
            if not found or page * PAGE >= int(answer.get("total_count", 0)):
                return records


class _PlainZones(ScalewayProvider):  # type: ignore[misc]
    """octoDNS's provider for record sets that answer everybody alike."""

    def __init__(self, session: ApiSession, project: str, keys: frozenset[Key]) -> None:
        self.log = getLogger("bascule.dns.scaleway")
        # octoDNS's own would open a session of its own.
        BaseProvider.__init__(self, session.api.zone, root_ns_warnings=False)
        self._client = _Client(session, project)
        self._zone_records: dict[str, list[dict[str, Any]]] = {}
        self._keys = keys

    def held(self, zone: str) -> Iterator[HeldRecord]:
        name = f"{zone}."
        if name not in self._zone_records:
            self._zone_records[name] = self._client.zone_records(zone)
        for record in self._zone_records[name]:
            held = HeldRecord(record["name"] or "@", record["type"], record["ttl"], record["data"])
            if held.key in self._keys and any(record.get(name) for name in STEERED):
                raise ProviderError(
                    f"{held.name} {held.type} in {zone} answers by place, weight or health at Scaleway, which this "
                    "step would lose; make it a plain record there, or take it out of the step.",
                    permanent=True,
                )
            yield held

    def _data_for_TXT(self, kind: str, records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N802  # octoDNS's name
        values = [record["data"].replace(";", "\\;") for record in records]
        return {"ttl": records[0]["ttl"], "type": kind, "values": values}

    def _params_for_TXT(self, record: Any) -> list[dict[str, Any]]:  # noqa: N802
        name = self._record_name(record.name)
        return [{"name": name, "ttl": record.ttl, "type": "TXT", "data": text} for text in texts_of(record)]


def _absolute(record: dict[str, Any], zone: str) -> dict[str, Any]:
    """The record as octoDNS reads it: without empty settings, and with absolute names."""
    told: defaultdict[str, Any] = defaultdict(str, {name: value for name, value in record.items() if value})
    try:
        (told["data"],) = canonical_values(record["type"], [_with_priority(record)], zone)
    except (dns.exception.DNSException, ValueError):
        told["data"] = record["data"]
    return {"name": "", "ttl": 0, **told}


def _with_priority(record: dict[str, Any]) -> str:
    """The zone-file form, also where the API tells an MX's priority beside its host only."""
    data: str = record["data"]
    return f"{record.get('priority', 0)} {data}" if record["type"] == "MX" and " " not in data else data


def _explained(code: int, body: Any) -> tuple[str, str]:
    """Scaleway's `message`, with its details."""
    if not isinstance(body, dict):
        return "", ""
    details = body.get("details")
    told = "; ".join(
        " ".join(str(detail[name]) for name in ("argument_name", "reason", "help_message") if detail.get(name))
        for detail in details or ()
        if isinstance(details, list) and isinstance(detail, dict)
    )
    words = ". ".join(part for part in (str(body.get("message") or ""), told) if part)
    if code in (401, 403):
        return words, "check `token`, its rights on Domains and DNS, and `project`"
    if code == 404:
        return words, "check that the zone is in this `project`"
    return words, ""
