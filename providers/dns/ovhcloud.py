"""Record sets at OVHcloud, through its signed API 1.0.

Every value is a record with an id, changed by a request of its own; the servers
answer the changes only after the zone is refreshed, and follow within seconds or
minutes. So a change that is cut off is held by the API and not published, until
somebody refreshes the zone. Refreshing also publishes what others have changed
there without doing so.

Servers answer a record set with the lowest TTL that one of its values has. Of several
texts each keeps its record, whose type OVHcloud chose; so where their TTLs alone
change, a change cut off between two of them may look like one that is over, or that has
not begun, and some keep a TTL that no server gives out.

octodns_ovh removes all values before it adds the new ones, reads every record of
the zone one by one, and does not see the types SPF and DMARC, which are TXT to the
world; here these are mended.
"""

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from logging import getLogger
from pathlib import Path
from typing import Any

import dns.exception
import ovh
from octodns.provider.base import BaseProvider
from octodns.provider.plan import Plan
from octodns.record.change import Change
from octodns_ovh import OvhProvider

from providers.base import Context, ProviderError, Secret
from providers.dns.api_session import ApiSession
from providers.dns.authority import zone_settings
from providers.dns.deadline import Deadline
from providers.dns.octodns_plan import HeldRecord, key_of, set_of
from providers.dns.octodns_records import HostedRecords
from providers.dns.record_sets import TYPES, Key, RecordSet, RecordSets, canonical_values
from providers.dns.swap import Swap, Written
from providers.dns.ttl import TtlChange
from providers.dns.value_edits import Edit, Value, edits, record_set, states
from providers.ovhcloud_rules import LISTED_AT, not_told, rules_beside, told, zone_rules
from providers.rights import Right

VENDOR_URL = "https://eu.api.ovh.com"
VERSION = "/1.0"
TEXT_TYPES = frozenset({"TXT", "SPF", "DKIM", "DMARC"})
"""Types of OVHcloud's own whose records are TXT to the world; a record never changes from one to another."""


@dataclass(slots=True)
class _ServerClock:
    """How many seconds the host's clock is ahead of ours, once it is known: signatures hold for a short time only."""

    ahead: int | None = None


class OvhcloudRecords(HostedRecords):
    """`dns.records` with an application's keys and a consumer key; one write per value, then one that publishes."""

    host = "OVHcloud"
    atomic = False
    lowest_ttl = 60

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._clock = _ServerClock()

    def _states(self, expected: RecordSet, wanted: RecordSet) -> Collection[RecordSet]:
        in_place = _in_place(expected.type)
        return [*states(expected, wanted, in_place=in_place), *states(wanted, expected, in_place=in_place)]

    def _write(self, swap: Swap, deadline: Deadline) -> Written:
        self._refreshed(swap.zone).unlink(missing_ok=True)
        return super()._write(swap, deadline)

    def _publish(self, zone: str, deadline: Deadline) -> None:
        self._api(zone, (), deadline).refresh()
        self._refreshed(zone).touch()

    def _is_published(self, zone: str, held: RecordSets) -> bool:
        del held
        return self._refreshed(zone).exists()

    def _refreshed(self, zone: str) -> Path:
        """There while this step's last write to the zone was a refresh. If it is lost, once more does no harm."""
        return self.context.workspace / f"{zone}-refreshed"

    def rights(self, zone: str, now: float, deadline: Deadline) -> Iterable[Right]:
        """The consumer key's own list of rules, where it may see it."""
        try:
            credential = self._api(zone, (), deadline).credential()
        except ProviderError as error:
            if not error.permanent:
                raise
            return [*super().rights(zone, now, deadline), not_told()]
        scope = self.context.scope
        beside = rules_beside(scope, str(zone_settings(scope, zone)["consumer_key"]))
        return list(told(credential, zone_rules(zone), beside, now))

    def _api(self, zone: str, keys: Iterable[Key], deadline: Deadline) -> "_Zone":
        settings = zone_settings(self.context.scope, zone)
        session = self._session(zone, VENDOR_URL, _explained, deadline)
        keyring = (
            self.context.reveal(settings[name]) for name in ("application_key", "application_secret", "consumer_key")
        )
        return _Zone(_Client(session, self._clock, *keyring), session, zone, keys)


class OvhcloudTtl(TtlChange):
    """`dns.ttl` through the same API."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, OvhcloudRecords)


class _Client(ovh.Client):  # type: ignore[misc]  # untyped
    """The vendor's client over our session: it asks neither the environment nor a file of the machine for keys."""

    def __init__(
        self, session: ApiSession, clock: _ServerClock, application: Secret, secret: Secret, consumer: Secret
    ) -> None:
        self._endpoint = session.api.url.removesuffix(VERSION) + VERSION
        self._application_key = application.reveal()
        self._application_secret = secret.reveal()
        self._consumer_key = consumer.reveal()
        self._oauth2 = None
        self._timeout = None  # the session's own holds
        self._session = session
        self._clock = clock

    @property
    def time_delta(self) -> int:
        """Seconds that the host's clock is ahead, asked once for each driver."""
        if self._clock.ahead is None:
            self._clock.ahead = int(self.get("/auth/time", _need_auth=False)) - int(time.time())
        return self._clock.ahead


class _Zone(OvhProvider):  # type: ignore[misc]  # octoDNS ships no types
    """octoDNS's provider for the names of one swap, value by value. Its own publishes nothing."""

    def __init__(self, client: _Client, session: ApiSession, zone: str, keys: Iterable[Key]) -> None:
        self.log = getLogger("bascule.dns.ovhcloud")
        # octoDNS's own would make a client of its own, and log the consumer key.
        BaseProvider.__init__(self, zone, root_ns_warnings=False)
        self._client = client
        self._session = session
        self._name = zone
        self._keys = list(keys)
        self._records: list[dict[str, Any]] | None = None

    def held(self, zone: str) -> Iterator[HeldRecord]:
        for record in self.get_records(zone):
            yield HeldRecord(record["subDomain"] or "@", record["fieldType"], record["ttl"], record["target"])

    def get_records(self, zone_name: str) -> list[dict[str, Any]]:
        """The records at the swap's names, TXT for all types that are TXT to the world, targets canonical.

        `native` keeps the type that OVHcloud has.
        """
        if self._records is None:
            names = sorted({"" if name == "@" else name for name, _ in self._keys})
            self._records = [self._read(record, zone_name) for name in names for record in self._at(name, zone_name)]
        return self._records

    def _at(self, name: str, zone: str) -> Iterator[dict[str, Any]]:
        """The records at one name. The host's filter takes patterns, and `_` is one, so names are compared here."""
        for record_id in self._client.get(f"/domain/zone/{zone}/record", subDomain=name):
            record = self.get_record(zone, record_id)
            kind = "TXT" if record["fieldType"] in TEXT_TYPES else record["fieldType"]
            if record["subDomain"].lower() == name and kind in TYPES:
                yield record

    def _read(self, record: dict[str, Any], zone: str) -> dict[str, Any]:
        native = record["fieldType"]
        kind = "TXT" if native in TEXT_TYPES else native
        try:
            (target,) = canonical_values(kind, [record["target"]], zone)
        except (dns.exception.DNSException, ValueError):
            target = record["target"]
        ttl = record["ttl"] or self._default_ttl
        name = record["subDomain"].lower()
        return record | {"subDomain": name, "fieldType": kind, "native": native, "target": target, "ttl": ttl}

    @cached_property
    def _default_ttl(self) -> int:
        """Seconds; what a record's TTL of 0 stands for."""
        return int(self._client.get(f"/domain/zone/{self._name}/soa")["ttl"])

    def credential(self) -> dict[str, Any]:
        """What the host says of the consumer key that asks."""
        found: dict[str, Any] = self._client.get(LISTED_AT)
        return found

    def refresh(self) -> None:
        """Publish what the API holds."""
        self._client.post(f"/domain/zone/{self._name}/refresh")

    def _apply(self, plan: Plan) -> None:
        for change in plan.changes:
            self._change(change)

    def _change(self, change: Change) -> None:
        key = key_of(change.record)
        wanted = RecordSet(*key) if change.new is None else set_of(change.new, self._name)
        ours = [r for r in self.get_records(self._name) if (r["subDomain"] or "@", r["fieldType"]) == key]
        passed = [_value(record) for record in ours]
        for edit in edits(passed, wanted, in_place=_in_place(key[1])):
            record = next((one for one in ours if _value(one) == edit.old), None)
            if record is not None:
                ours.remove(record)
            before = record_set(wanted, passed)
            edit.carry_out(passed)
            after = record_set(wanted, passed)
            # A TTL that changes under a lower one cannot be seen from outside.
            self._session.in_flight.leads_to = () if after == before else (after,)
            self._edit(edit, key, record)

    def _edit(self, edit: Edit, key: Key, record: dict[str, Any] | None) -> None:
        """One request."""
        name, kind = key
        if edit.new is None:
            assert record is not None
            self.delete_record(self._name, record["id"])
            return
        body = {"subDomain": "" if name == "@" else name, "target": edit.new.text, "ttl": edit.new.ttl}
        if record is None:
            self.create_record(self._name, body | {"fieldType": kind})
        else:
            self._client.put(f"/domain/zone/{self._name}/record/{record['id']}", **body)


def _value(record: dict[str, Any]) -> Value:
    return Value(record["target"], record["ttl"])


def _in_place(kind: str) -> bool:
    """Whether a value may take another's place: a text may not suit the type that the host gave the old one."""
    return kind != "TXT"


REMEDIES = {
    "INVALID_SIGNATURE": "check `application_secret`",
    "INVALID_KEY": "check `application_key`",
    "INVALID_CREDENTIAL": "check `consumer_key`; it may have expired",
    "NOT_CREDENTIAL": "check `consumer_key`; it may wait for its validation",
    "NOT_GRANTED_CALL": "make a consumer key with the rules of docs/credentials.md",
    "QUERY_TIME_OUT": "set this machine's clock",
}
"""What to do about the refusals that OVHcloud tells apart by `errorCode`."""


def _explained(code: int, body: Any) -> tuple[str, str]:
    """OVHcloud's `message`."""
    if not isinstance(body, dict):
        return "", ""
    remedy = REMEDIES.get(str(body.get("errorCode")), "")
    if code == 404 and not remedy:
        remedy = "check that the account of the consumer key manages the zone"
    return str(body.get("message") or ""), remedy
