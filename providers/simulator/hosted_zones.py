"""Zones that a DNS host's API changes: record sets in zone-file form, written into what the DNS server serves."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.serial
import dns.zone

from providers.simulator.dns_zones import ZoneBook, origin_of, soa_of

Key = tuple[str, str]
"""Name relative to the zone, `@` for the zone itself; and type."""


class NoSuchZoneError(Exception):
    """The host holds no such zone."""


class BadRecordsError(Exception):
    """The change is refused as a whole; the message says why."""


@dataclass(frozen=True, slots=True)
class Held:
    """One record set: TTL in seconds, values in zone-file form with absolute names, in a stable order."""

    ttl: int
    values: tuple[str, ...]


class HostedZones:
    """Reads and changes zones of the book; every change is one assignment that raises the serial."""

    def __init__(self, book: ZoneBook) -> None:
        self.book = book

    def record_sets(self, zone: str) -> dict[Key, Held]:
        """All but the SOA, sorted by key. Raises NoSuchZoneError."""
        with self.book.lock:
            return dict(sorted(_record_sets(self._zone(zone))))

    def change(self, zone: str, sets: Mapping[Key, Held | None]) -> bool:
        """Puts these record sets in the place of what is there (None removes); False when nothing differs.

        Raises NoSuchZoneError, and BadRecordsError for what a zone can't hold; then nothing is changed.
        """
        with self.book.lock:
            present = self._zone(zone)
            changed = copy.deepcopy(present)
            for key, held in sets.items():
                _put(changed, key, held)
            _check_aliases(changed)
            if dict(_record_sets(changed)) == dict(_record_sets(present)):  # zones compare equal whatever their TTLs
                return False
            _raise_serial(changed)
            self.book.zones[origin_of(changed)] = changed
            return True

    def _zone(self, zone: str) -> dns.zone.Zone:
        found = self.book.zones.get(dns.name.from_text(zone))
        if found is None:
            raise NoSuchZoneError(zone)
        return found


def _record_sets(zone: dns.zone.Zone) -> Iterator[tuple[Key, Held]]:
    for name, rdataset in zone.iterate_rdatasets():
        if rdataset.rdtype != dns.rdatatype.SOA:
            relative = name.relativize(origin_of(zone)).to_text()
            values = tuple(sorted(rdata.to_text() for rdata in rdataset))
            yield (relative, dns.rdatatype.to_text(rdataset.rdtype)), Held(rdataset.ttl, values)


def _put(zone: dns.zone.Zone, key: Key, held: Held | None) -> None:
    try:
        name = dns.name.from_text(key[0], origin_of(zone))
        kind = dns.rdatatype.from_text(key[1])
        if held is None or not held.values:
            zone.delete_rdataset(name, kind)
            return
        rdatas = [rdata_of(key[1], value, origin_of(zone).to_text()) for value in held.values]
        zone.replace_rdataset(name, dns.rdataset.from_rdata_list(held.ttl, rdatas))
    except dns.exception.DNSException as wrong:
        raise BadRecordsError(f"{key[0]} {key[1]}: {wrong}") from None


def rdata_of(kind: str, value: str, origin: str) -> dns.rdata.Rdata:
    """The value of this type; names without a dot at their end are relative to the zone."""
    return dns.rdata.from_text(dns.rdataclass.IN, kind, value, origin=dns.name.from_text(origin), relativize=False)


def _check_aliases(zone: dns.zone.Zone) -> None:
    for name, node in zone.nodes.items():
        kinds = {rdataset.rdtype for rdataset in node}
        alias = dns.rdatatype.CNAME
        if alias in kinds and (len(kinds) > 1 or len(node.find_rdataset(dns.rdataclass.IN, alias)) > 1):
            raise BadRecordsError(f"A CNAME record of {name} cannot exist beside other records")


def _raise_serial(zone: dns.zone.Zone) -> None:
    soa = soa_of(zone)
    raised = (dns.serial.Serial(soa[0].serial) + 1).value or 1
    zone.replace_rdataset(soa.name, dns.rdataset.from_rdata_list(soa.ttl, [soa[0].replace(serial=raised)]))
