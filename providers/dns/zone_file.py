"""A zone written down as a standard zone file (RFC 1035 §5).

Only plain record sets can be written; what is an alias or chosen by a vendor's
policy stands in it as a comment that says what it was.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.zone

from providers.inventory import RecordSet, Zone


@dataclass(frozen=True, slots=True)
class Written:
    """A zone file; the record sets in it, canonical; and those that it could not take, the reason in their remark."""

    text: str
    records: tuple[RecordSet, ...]
    left: tuple[RecordSet, ...]


def write_zone(zone: Zone, origin: str) -> Written:
    """`origin` says in a few words where the zone comes from; it opens the zone file."""
    made = _empty(zone)
    plain: list[RecordSet] = []
    left: list[RecordSet] = []
    for one in zone.records or ():
        try:
            plain.append(_put(made, one))
        except _NotPlain as why:
            left.append(replace(one, remark=str(why)))
    return Written("".join(_lines(made, zone, origin, left)), tuple(plain), tuple(left))


def _empty(zone: Zone) -> dns.zone.Zone | None:
    """A zone without records; None when its very name is none that DNS has."""
    try:
        return dns.zone.Zone(dns.name.from_text(zone.name), relativize=False)
    except (dns.exception.DNSException, ValueError):
        return None


class _NotPlain(Exception):
    """A record set cannot stand in a zone file; the text says why."""


def _put(made: dns.zone.Zone | None, one: RecordSet) -> RecordSet:
    """Add a record set to the zone; answers it in canonical form. Raises _NotPlain."""
    if one.remark:
        raise _NotPlain(one.remark)
    if made is None:
        raise _NotPlain("the name of its zone is not one that DNS can have")
    try:
        name, found = dns.name.from_text(one.name), _parsed(one)
    except (dns.exception.DNSException, ValueError) as error:
        raise _NotPlain(f"it cannot be read as {one.type} ({error})") from error
    if not name.is_subdomain(dns.name.from_text(str(made.origin))):
        raise _NotPlain("its name is not in the zone")
    if made.get_rdataset(name, found.rdtype) is not None:
        raise _NotPlain("its name and type are there already")
    beside = {other.rdtype for other in made.get_node(name) or ()}
    if beside and dns.rdatatype.CNAME in {found.rdtype, *beside}:
        raise _NotPlain("a CNAME and other records have one name")  # dnspython would drop the others
    made.replace_rdataset(name, found)
    return replace(one, values=tuple(value.to_text() for value in found))


def _parsed(one: RecordSet) -> dns.rdataset.Rdataset:
    """Names in values are absolute with or without a final dot: that is how the vendor reads them."""
    if not one.values:
        raise ValueError("it has no values")
    kind = dns.rdatatype.from_text(one.type)
    found = dns.rdataset.Rdataset(dns.rdataclass.IN, kind)
    for value in one.values:
        found.add(dns.rdata.from_text(dns.rdataclass.IN, kind, value, dns.name.root, relativize=False), one.ttl or 0)
    return found


def _lines(made: dns.zone.Zone | None, zone: Zone, origin: str, left: Iterable[RecordSet]) -> Iterator[str]:
    read = datetime.fromtimestamp(zone.read_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    kind = "private zone" if zone.private else "zone"
    yield from map(_comment, [f"{kind} {zone.name} ({zone.id}), {origin}, read {read}"])
    yield from map(_comment, ["NS at the top and SOA are the old vendor's: replace them when the zone moves."])
    for one in left:
        values = f": {' | '.join(one.values)}" if one.values else ""
        yield _comment(f"NOT EXPORTED: {one.name} {one.type}, {one.remark}{values}")
    if made is not None:
        out = StringIO()
        made.to_file(out, sorted=True, relativize=False, want_origin=True)
        yield out.getvalue()


def _comment(text: str) -> str:
    """One line, whatever the vendor's texts hold: nothing after it can leave the comment."""
    return f"; {' '.join(''.join(sign if sign.isprintable() else ' ' for sign in text).split())}\n"
