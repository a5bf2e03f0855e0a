"""Record sets through PowerDNS's HTTP API.

All changes go in one PATCH, which PowerDNS carries out as one transaction: all of
them or none. Where the milliseconds between the last reading and the PATCH are too
much, let PowerDNS take updates (`dnsupdate=yes`) and use the rfc2136 driver.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
from octodns_powerdns import PowerDnsProvider

from providers.base import Context, ProviderError
from providers.dns.api_session import ApiSession
from providers.dns.authority import zone_settings
from providers.dns.deadline import Deadline, TimeIsUpError
from providers.dns.in_flight import AnswerLostError
from providers.dns.octodns_plan import HeldRecord, ZoneApi, record_sets, whole
from providers.dns.octodns_records import OctoDnsRecords
from providers.dns.record_sets import Key, origin, relative
from providers.dns.swap import Swap, Written
from providers.dns.ttl import TtlChange


class PowerDnsRecords(OctoDnsRecords):
    """`dns.records` through the zone's API `url`; what is published is read from its `servers`."""

    host = "PowerDNS"
    side_by_side = 3
    """Zones at once: its changes take turns, and it is near; more threads would only wait for each other."""

    def _api(self, zone: str, keys: Iterable[Key], deadline: Deadline) -> ZoneApi:
        del keys
        settings = zone_settings(self.context.scope, zone)
        url = urlsplit(settings.get("url", ""))
        if not url.hostname or url.path.strip("/") or not settings.get("api_key"):
            raise ProviderError(
                f"`dns.zones.{zone}` needs a `url` such as http://192.0.2.1:8081, without a path, and an `api_key`; "
                "correct bascule.yaml.",
                permanent=True,
            )
        session = self._session(zone, "http://192.0.2.1:8081", _explained, deadline)
        session.headers["X-API-Key"] = self.context.reveal(settings["api_key"]).reveal()
        made: ZoneApi = _ExistingZones(session, settings.get("server_id", "localhost"))
        return made

    def _write(self, swap: Swap, deadline: Deadline) -> Written:
        """The plan is made before the turn: only the comparing read and the PATCH have to follow each other."""
        keys = [one.key for one in swap.wanted]
        api = self._api(swap.zone, keys, deadline)
        with self._explaining(swap):
            plan = whole(swap)
        with _turn(self.context, swap.zone, deadline):
            if record_sets(api.held(swap.zone), keys, swap.zone) != swap.expected:
                return Written.STALE
            try:
                api.apply(plan)
            except AnswerLostError:
                return Written.LOST
        return Written.DONE


class PowerDnsTtl(TtlChange):
    """`dns.ttl` through the zone's API."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, PowerDnsRecords)


_TURNS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""For each API the lock of the one change that this process makes there at a time."""


@contextmanager
def _turn(context: Context, zone: str, deadline: Deadline) -> Iterator[None]:
    """Changes of several zones at one server go one after the other.

    PowerDNS on SQLite answers 500 to a change that comes while it is at another. The
    turn begins before the comparing read, so waiting for it widens no gap.
    """
    turn = _TURNS[str(zone_settings(context.scope, zone).get("url", ""))]
    if not turn.acquire(timeout=deadline.left()):
        raise TimeIsUpError
    try:
        yield
    finally:
        turn.release()


class _ExistingZones(PowerDnsProvider):  # type: ignore[misc]  # octoDNS ships no types
    """octoDNS's provider over our session, that reads the zone once and never creates it when it is gone."""

    def __init__(self, session: ApiSession, server_id: str) -> None:
        url = urlsplit(session.api.url)
        super().__init__(
            session.api.zone,
            host=f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname,
            port=url.port or (443 if url.scheme == "https" else 80),
            scheme=url.scheme,
            api_key="",  # the session has it; octoDNS would keep it in plain sight
            server_id=server_id,
            enable_dynamic=False,
        )
        self._sess = session
        self._read: dict[str, requests.Response] = {}

    def _get(self, path: str, data: object = None) -> requests.Response:
        if path not in self._read:
            self._read[path] = super()._get(path, data)
        return self._read[path]

    def _post(self, path: str, data: object = None) -> NoReturn:
        del data
        raise ProviderError(
            f"PowerDNS holds no zone at {path} any more; create the zone before its records.", permanent=True
        )

    def held(self, zone: str) -> Iterator[HeldRecord]:
        for rrset in self._get(f"zones/{origin(zone).to_text()}").json()["rrsets"]:
            name = relative(rrset["name"], zone)
            for record in rrset["records"]:
                yield HeldRecord(name, rrset["type"], rrset["ttl"], record["content"])


def _explained(code: int, body: Any) -> tuple[str, str]:
    """PowerDNS's own `error`; a zone that it does not hold is 404 or 422, as the version has it."""
    words = str(body.get("error") or "") if isinstance(body, dict) else ""
    if code == 404 or "Could not find domain" in words:
        return words, "create the zone there, or correct `server_id`"
    if code in (401, 403):
        return words, "check `api_key`"
    return words, "look into its log" if code >= 500 else ""
