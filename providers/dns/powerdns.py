"""Record sets through PowerDNS's HTTP API, with octoDNS as the library that plans and applies.

The wanted zone is the present one with only the step's record sets replaced, so
nothing else is ever deleted. All changes go in one PATCH, which PowerDNS carries out
as one transaction: all of them or none.

The API knows no precondition. The record sets are compared with what was expected
right before the PATCH, so the foreign change that can be overwritten unnoticed is
one that falls between that reading and the PATCH, some milliseconds. Where that is
too much, let PowerDNS take updates (`dnsupdate=yes`) and use the rfc2136 driver.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
from dns.rdtypes.ANY.TXT import TXT
from octodns.provider import ProviderException
from octodns.provider.plan import Plan, UnsafePlan
from octodns.record import Record, Rrset
from octodns.record.exception import RecordException
from octodns.zone import Zone
from octodns_powerdns import PowerDnsProvider

from providers.base import Context, ProviderError
from providers.dns.authority import ANSWER_SECONDS, zone_settings
from providers.dns.deadline import Deadline, TimeIsUpError
from providers.dns.endpoint import require_allowed_host
from providers.dns.record_sets import Key, RecordSet, RecordSets, canonical_values, owner, to_rdataset
from providers.dns.swap import Swap, Written
from providers.dns.swap_records import SwapRecords
from providers.dns.ttl import TtlChange


class PowerDnsRecords(SwapRecords):
    """`dns.records` through the zone's API `url`; what is published is read from its `servers`."""

    def _write(self, swap: Swap, deadline: Deadline) -> Written:
        with _turn(self.context, swap.zone, deadline):
            return self._change(swap, deadline)

    def _change(self, swap: Swap, deadline: Deadline) -> Written:
        api = _api(self.context, swap.zone, deadline)
        try:
            plan = _plan(api, swap)
        except _RefusedError as refused:
            raise _refused(swap, refused.error, sent=False) from refused.error
        except requests.HTTPError as error:
            raise _refused(swap, error, sent=False) from error
        except requests.RequestException as error:
            raise ProviderError(
                f"The PowerDNS API of {swap.zone} does not answer ({type(error).__name__}); check that it runs.",
                permanent=False,
            ) from error
        except (ProviderException, RecordException, UnsafePlan) as error:
            raise ProviderError(
                f"PowerDNS can't hold {swap}: {' '.join(str(error).split())}; correct the step.", permanent=True
            ) from error
        if plan is None:
            return Written.STALE
        try:
            api.apply(plan)
        except requests.HTTPError as error:
            raise _refused(swap, error, sent=True) from error
        except requests.RequestException:
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


class _RefusedError(Exception):
    """PowerDNS does not take the key. octoDNS has words of its own for that, which name no remedy."""

    def __init__(self, error: requests.HTTPError) -> None:
        super().__init__(str(error))
        self.error = error


class _ExistingZones(PowerDnsProvider):  # type: ignore[misc]  # octoDNS ships no types
    """octoDNS's provider, that never creates the zone when it is gone."""

    def _get(self, path: str, data: object = None) -> requests.Response:
        try:
            answer: requests.Response = super()._get(path, data)
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code in (401, 403):
                raise _RefusedError(error) from error
            raise
        return answer

    def _post(self, path: str, data: object = None) -> NoReturn:
        del data
        raise ProviderError(
            f"PowerDNS holds no zone at {path} any more; create the zone before its records.", permanent=True
        )


def _api(context: Context, zone: str, deadline: Deadline) -> _ExistingZones:
    settings = zone_settings(context.scope, zone)
    url = urlsplit(settings.get("url", ""))
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or not settings.get("api_key"):
        raise ProviderError(
            f"`dns.zones.{zone}` needs a `url` such as http://192.0.2.1:8081, without a path, and an `api_key`; "
            "correct bascule.yaml.",
            permanent=True,
        )
    require_allowed_host(context.scope, url.hostname)
    return _ExistingZones(
        zone,
        host=f"[{url.hostname}]" if ":" in url.hostname else url.hostname,
        port=url.port or (443 if url.scheme == "https" else 80),
        scheme=url.scheme,
        api_key=context.reveal(settings["api_key"]).reveal(),
        server_id=settings.get("server_id", "localhost"),
        ssl_verify=str(context.estate / settings["ca"]) if settings.get("ca") else True,
        timeout=deadline.within(ANSWER_SECONDS),
        enable_dynamic=False,
    )


def _plan(api: _ExistingZones, swap: Swap) -> Plan | None:
    """octoDNS's plan of exactly this swap, or None when the API holds something else than expected."""
    name = f"{swap.zone}."
    existing = Zone(name, [])
    if not api.populate(existing, target=True, lenient=True):
        raise ProviderError(
            f"PowerDNS holds no zone {swap.zone}; create it there, or correct `server_id`.", permanent=True
        )
    if _held(existing, swap) != _joined(swap.expected):
        return None
    # One reading is both what is there and what the wanted zone starts from: a second one could differ.
    desired = existing.copy()
    for one in swap.wanted:
        _put(desired, one, swap.zone)
    keys = {one.key for one in swap.wanted}
    changes = existing.changes(desired, api)
    assert {(change.record.name or "@", change.record._type) for change in changes} <= keys
    share = len(keys) / max(len(existing.records), 1)
    ours = Plan(existing, desired, changes, True, share, share)
    if ("@", "NS") not in keys:  # octoDNS vetoes any change of the zone's own NS set; here the step names it
        ours.raise_if_unsafe()
    return ours


def _put(zone: Zone, one: RecordSet, zone_name: str) -> None:
    """Make the record set in octoDNS's zone what it shall be."""
    name = "" if one.name == "@" else one.name
    if not one.values:
        for record in [r for r in zone.records if (r.name, r._type) == (name, one.type)]:
            zone.remove_record(record)
        return
    zone.add_record(_record(zone, name, one, zone_name), replace=True, lenient=True)


def _record(zone: Zone, name: str, one: RecordSet, zone_name: str) -> Record:
    if one.type != "TXT":
        fqdn = owner(one.name, zone_name).to_text()
        (record,) = Record.from_rrsets(zone, [Rrset(fqdn, one.type, one.ttl, one.values)], lenient=True)
        return record
    # octoDNS joins the strings of a TXT, and its PowerDNS provider sends what is between the outer
    # quotes as it stands. Set past octoDNS's parser, each string keeps its own bounds.
    inner = [value[1:-1].replace(";", "\\;") for value in one.values]
    record = Record.new(zone, name, {"type": "TXT", "ttl": one.ttl, "values": inner}, lenient=True)
    record.values = inner
    return record


def _held(zone: Zone, swap: Swap) -> RecordSets:
    """The record sets of the swap as the API holds them; the strings of each TXT joined."""
    records = {(record.name or "@", record._type): record for record in zone.records}
    return _joined(tuple(_from_octodns(one.key, records.get(one.key), swap.zone) for one in swap.expected))


def _from_octodns(key: Key, record: Any, zone_name: str) -> RecordSet:
    if record is None:
        return RecordSet(*key)
    texts = [f'"{text}"' for text in record.values] if record._type == "TXT" else record.to_rrset().rdatas
    return RecordSet(*key, record.ttl, canonical_values(record._type, texts, zone_name))


def _joined(sets: RecordSets) -> RecordSets:
    """With each TXT value as one string, in hexadecimal: octoDNS joins strings, so only that can be compared."""
    return tuple(_joined_strings(one) if one.type == "TXT" and one.ttl is not None else one for one in sets)


def _joined_strings(one: RecordSet) -> RecordSet:
    texts = []
    for rdata in to_rdataset(one, ttl=0):
        assert isinstance(rdata, TXT)
        texts.append(b"".join(rdata.strings).hex())
    return RecordSet(one.name, one.type, one.ttl, tuple(sorted(set(texts))))


def _refused(swap: Swap, error: requests.HTTPError, *, sent: bool) -> ProviderError:
    """What the API answered instead of doing it; an error of the server's own may come after the effect."""
    code = error.response.status_code if error.response is not None else 500
    passing = code in (408, 429) or code >= 500
    remedy = "check `api_key`" if code in (401, 403) else "look into its log" if passing else "correct the step"
    return ProviderError(
        f"PowerDNS answered {code} to the change of {swap}{_reason(error.response)}; {remedy}.",
        permanent=not passing,
        effect_possible=sent and code >= 500,
    )


def _reason(response: requests.Response | None) -> str:
    """The `error` of PowerDNS's JSON answer, bounded."""
    try:
        body = None if response is None else response.json()
    except requests.JSONDecodeError:
        return ""
    reason = body.get("error") if isinstance(body, dict) else None
    return f" ({' '.join(str(reason).split())[:300]})" if reason else ""
