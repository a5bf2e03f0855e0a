"""Record sets at Gandi, through LiveDNS v5.

LiveDNS changes one record set per request, each as a whole (PUT puts it in the
place of what was there). Its servers follow within seconds or minutes.

octodns_gandi deletes a record set before it makes it anew, and an answer lost in
between leaves the name empty; here one PUT does both.
"""

from collections.abc import Iterable, Iterator
from logging import getLogger
from typing import Any

import dns.exception
from octodns.provider.base import BaseProvider
from octodns.record.change import Change
from octodns_gandi import GandiClient, GandiProvider

from providers.base import Context
from providers.dns.api_session import ApiSession
from providers.dns.authority import zone_settings
from providers.dns.deadline import Deadline
from providers.dns.octodns_plan import HeldRecord, ZoneApi, key_of, set_of, texts_of
from providers.dns.octodns_records import HostedRecords
from providers.dns.record_sets import TYPES, Key, RecordSet, canonical_values
from providers.dns.ttl import TtlChange

VENDOR_URL = "https://api.gandi.net"
PAGE = 500


class GandiRecords(HostedRecords):
    """`dns.records` with a personal access token; one write per record set."""

    host = "Gandi"
    atomic = False
    lowest_ttl = 300
    sets_apex_ns = False

    def _api(self, zone: str, keys: Iterable[Key], deadline: Deadline) -> ZoneApi:
        del keys
        settings = zone_settings(self.context.scope, zone)
        session = self._session(zone, VENDOR_URL, _explained, deadline)
        session.headers["Authorization"] = f"Bearer {self.context.reveal(settings['token']).reveal()}"
        made: ZoneApi = _LiveDns(session)
        return made


class GandiTtl(TtlChange):
    """`dns.ttl` through the same API."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, GandiRecords)


class _Client(GandiClient):  # type: ignore[misc]  # octoDNS ships no types
    """octoDNS's client over our session."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session
        self.endpoint = f"{session.api.url.removesuffix('/v5')}/v5"

    def zone_records(self, zone_name: str) -> list[dict[str, Any]]:
        """Every record set of our types, all pages; names absolute, and the zone's own name empty, as octoDNS has it.

        octoDNS's own would make the target `@` into `@.zone`.
        """
        records: list[dict[str, Any]] = []
        page = 0
        while True:
            page += 1
            path = f"/livedns/domains/{zone_name}/records"
            answer = self._request("GET", path, params={"page": page, "per_page": PAGE})
            found = answer.json()
            records += [_absolute(record, zone_name) for record in found if record["rrset_type"] in TYPES]
            if not found or page * PAGE >= int(answer.headers.get("total-count", 0)):
                return records

    def record_put(self, zone_name: str, data: dict[str, Any]) -> None:
        """Put this record set in the place of whatever is at its name and type."""
        path = f"/livedns/domains/{zone_name}/records/{data['rrset_name']}/{data['rrset_type']}"
        body = {"rrset_ttl": data["rrset_ttl"], "rrset_values": data["rrset_values"]}
        self._request("PUT", path, data=body)


class _LiveDns(GandiProvider):  # type: ignore[misc]
    """octoDNS's provider, one request per changed record set."""

    def __init__(self, session: ApiSession) -> None:
        self.log = getLogger("bascule.dns.gandi")
        # octoDNS's own would open a session of its own.
        BaseProvider.__init__(self, session.api.zone, root_ns_warnings=False)
        self._session = session
        self._client = _Client(session)
        self._zone_records: dict[str, list[dict[str, Any]]] = {}
        self._domains = None

    def held(self, zone: str) -> Iterator[HeldRecord]:
        name = f"{zone}."
        if name not in self._zone_records:
            self._zone_records[name] = self._client.zone_records(zone)
        for record in self._zone_records[name]:
            for value in record["rrset_values"]:
                yield HeldRecord(record["rrset_name"] or "@", record["rrset_type"], record["rrset_ttl"], value)

    def _apply_create(self, change: Change) -> None:
        new = change.new
        self._session.in_flight.leads_to = (set_of(new, new.zone.name[:-1]),)
        self._client.record_put(new.zone.name[:-1], getattr(self, f"_params_for_{new._type}")(new))

    _apply_update = _apply_create

    def _apply_delete(self, change: Change) -> None:
        self._session.in_flight.leads_to = (RecordSet(*key_of(change.existing)),)
        super()._apply_delete(change)

    def _params_for_TXT(self, record: Any) -> dict[str, Any]:  # noqa: N802  # octoDNS finds it by this name
        params: dict[str, Any] = self._params_for_multiple(record)
        return params | {"rrset_values": texts_of(record)}


def _absolute(record: dict[str, Any], zone: str) -> dict[str, Any]:
    name = "" if record["rrset_name"] == "@" else record["rrset_name"]
    try:
        values = list(canonical_values(record["rrset_type"], record["rrset_values"], zone))
    except (dns.exception.DNSException, ValueError):
        values = record["rrset_values"]
    return record | {"rrset_name": name, "rrset_values": values}


def _explained(code: int, body: Any) -> tuple[str, str]:
    """Gandi's `message` or `cause`, with what is wrong in which field."""
    if not isinstance(body, dict):
        return "", ""
    errors = body.get("errors")
    fields = "; ".join(
        f"{error.get('name')}: {error.get('description')}"
        for error in errors or ()
        if isinstance(errors, list) and isinstance(error, dict)
    )
    words = ". ".join(str(part) for part in (body.get("message") or body.get("cause"), fields) if part)
    if code in (401, 403):
        return words, "check `token`: a personal access token with the right to manage the domain's technical settings"
    if code == 404:
        return words, "check that the domain uses LiveDNS, and that the token's organization holds it"
    return words, ""
