"""The zones: their content, how a question is answered from them, and how they show in `/state`."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.name
import dns.node
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rrset
import dns.zone

MAX_CHAIN = 8
"""Aliases followed in one answer."""


@dataclass(slots=True)
class Answer:
    """What the zones say to one question."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    authoritative: bool = True
    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)


def soa_of(zone: dns.zone.Zone) -> dns.rrset.RRset:
    return zone.get_rrset(origin_of(zone), dns.rdatatype.SOA) or dns.rrset.RRset(
        origin_of(zone), dns.rdataclass.IN, dns.rdatatype.SOA
    )


def origin_of(zone: dns.zone.Zone) -> dns.name.Name:
    return zone.origin or dns.name.root


class ZoneBook:
    """All zones of one server. Take `lock` around whatever reads or changes them."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.lock = threading.RLock()
        self._texts = texts
        self.zones: dict[dns.name.Name, dns.zone.Zone] = {}
        self.reset()

    def reset(self) -> None:
        """Back to the seed."""
        with self.lock:
            self.zones = {
                dns.name.from_text(name): dns.zone.from_text(text, origin=name, relativize=False)
                for name, text in self._texts.items()
            }

    def zone_for(self, name: dns.name.Name) -> dns.zone.Zone | None:
        """The closest zone at or above the name."""
        while True:
            if name in self.zones:
                return self.zones[name]
            if name == dns.name.root:
                return None
            name = name.parent()

    def answer(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Answer:
        """RFC 1034 §4.3.2 without delegations: these zones have none. Aliases are followed across zones."""
        with self.lock:
            result = Answer()
            for _ in range(MAX_CHAIN):
                zone = self.zone_for(name)
                if zone is None:
                    if not result.answer:
                        return Answer(rcode=dns.rcode.REFUSED, authoritative=False)
                    return result
                alias = _answer_in(zone, name, rdtype, result)
                if alias is None:
                    return result
                name = alias
            return result

    def state(self) -> dict[str, list[str]]:
        """Zone name -> sorted records `name ttl type value`, the SOA's serial left out."""
        with self.lock:
            return {name.to_text(True): sorted(_lines(zone)) for name, zone in sorted(self.zones.items())}


def _answer_in(
    zone: dns.zone.Zone, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, result: Answer
) -> dns.name.Name | None:
    """Adds what one zone says; returns the name that an alias points to."""
    node = _node(zone, name)
    if node is None:
        if not _has_names_below(zone, name):
            result.rcode = dns.rcode.NXDOMAIN
        result.authority = [_negative_soa(zone)]
        return None
    found = [rdataset for rdataset in node if rdtype in (rdataset.rdtype, dns.rdatatype.ANY)]
    if found:
        result.answer += [dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset)) for rdataset in found]
        return None
    alias = node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.CNAME)
    if alias is None:
        result.authority = [_negative_soa(zone)]
        return None
    result.answer.append(dns.rrset.from_rdata_list(name, alias.ttl, list(alias)))
    target = alias[0]
    assert isinstance(target, dns.rdtypes.ANY.CNAME.CNAME)
    return target.target


def _node(zone: dns.zone.Zone, name: dns.name.Name) -> dns.node.Node | None:
    """The name's records, or those of the wildcard that covers it (RFC 4592)."""
    node = zone.get_node(name)
    if node is not None and len(node) > 0:
        return node
    if _has_names_below(zone, name):
        return None
    encloser = name
    while encloser != zone.origin:
        encloser = encloser.parent()
        if zone.get_node(encloser) is not None or _has_names_below(zone, encloser):
            return zone.get_node(dns.name.Name((b"*", *encloser.labels)))
    return None


def _has_names_below(zone: dns.zone.Zone, name: dns.name.Name) -> bool:
    return any(other != name and other.is_subdomain(name) and len(zone.nodes[other]) > 0 for other in zone.nodes)


def _negative_soa(zone: dns.zone.Zone) -> dns.rrset.RRset:
    """The SOA with the time that a negative answer may be kept (RFC 2308 §3)."""
    soa = soa_of(zone)
    return dns.rrset.from_rdata_list(soa.name, min(soa.ttl, soa[0].minimum), list(soa))


def _lines(zone: dns.zone.Zone) -> Iterator[str]:
    for name, ttl, rdata in zone.iterate_rdatas():
        if rdata.rdtype == dns.rdatatype.SOA:
            rdata = rdata.replace(serial=0)
        yield f"{name.to_text()} {ttl} {dns.rdatatype.to_text(rdata.rdtype)} {rdata.to_text()}"
