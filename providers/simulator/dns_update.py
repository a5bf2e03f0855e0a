"""Dynamic updates (RFC 2136): prerequisites and changes as one atomic act."""

import copy

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.serial
import dns.update
import dns.zone

from providers.simulator.dns_zones import origin_of, soa_of


class UpdateRefusedError(Exception):
    """The update is answered with `rcode` and changes nothing."""

    def __init__(self, rcode: dns.rcode.Rcode) -> None:
        super().__init__(dns.rcode.to_text(rcode))
        self.rcode = rcode


def updated(zone: dns.zone.Zone, message: dns.update.UpdateMessage) -> dns.zone.Zone | None:
    """The zone as the update leaves it, its serial raised; None when it changes nothing.

    The message must have been read with one record per set, since the order of
    the changes counts. Raises UpdateRefusedError when a prerequisite does not hold.
    """
    _check_prerequisites(zone, message.prerequisite)
    _check_in_zone(zone, message.update)
    changed: dns.zone.Zone = copy.deepcopy(zone)
    for change in message.update:
        _apply(changed, change)
    if set(changed.iterate_rdatas()) == set(zone.iterate_rdatas()):  # zones compare equal whatever their TTLs
        return None
    if soa_of(changed)[0].serial == soa_of(zone)[0].serial:
        _raise_serial(changed)
    return changed


def _check_in_zone(zone: dns.zone.Zone, records: list[dns.rrset.RRset]) -> None:
    if any(not record.name.is_subdomain(origin_of(zone)) for record in records):
        raise UpdateRefusedError(dns.rcode.NOTZONE)


def _check_prerequisites(zone: dns.zone.Zone, prerequisites: list[dns.rrset.RRset]) -> None:
    """RFC 2136 §3.2.5, with the value-dependent sets gathered and compared as a whole."""
    _check_in_zone(zone, prerequisites)
    expected: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], set[dns.rdata.Rdata]] = {}
    for wanted in prerequisites:
        if wanted.ttl != 0:
            raise UpdateRefusedError(dns.rcode.FORMERR)
        in_use = _in_use(zone, wanted.name)
        exists = zone.get_rdataset(wanted.name, wanted.rdtype) is not None
        if wanted.deleting == dns.rdataclass.ANY:
            if wanted.rdtype == dns.rdatatype.ANY and not in_use:
                raise UpdateRefusedError(dns.rcode.NXDOMAIN)
            if wanted.rdtype != dns.rdatatype.ANY and not exists:
                raise UpdateRefusedError(dns.rcode.NXRRSET)
        elif wanted.deleting == dns.rdataclass.NONE:
            if wanted.rdtype == dns.rdatatype.ANY and in_use:
                raise UpdateRefusedError(dns.rcode.YXDOMAIN)
            if wanted.rdtype != dns.rdatatype.ANY and exists:
                raise UpdateRefusedError(dns.rcode.YXRRSET)
        else:
            expected.setdefault((wanted.name, wanted.rdtype), set()).update(wanted)
    for (name, rdtype), values in expected.items():
        if set(zone.get_rdataset(name, rdtype) or ()) != values:
            raise UpdateRefusedError(dns.rcode.NXRRSET)


def _in_use(zone: dns.zone.Zone, name: dns.name.Name) -> bool:
    node = zone.get_node(name)
    return node is not None and len(node) > 0


def _apply(zone: dns.zone.Zone, change: dns.rrset.RRset) -> None:
    """One record of the update section (RFC 2136 §3.4.2)."""
    apex = change.name == zone.origin
    protected = (dns.rdatatype.SOA, dns.rdatatype.NS) if apex else ()
    if change.deleting == dns.rdataclass.ANY:
        node = zone.get_node(change.name)
        for rdataset in list(node or ()):
            if change.rdtype in (rdataset.rdtype, dns.rdatatype.ANY) and rdataset.rdtype not in protected:
                zone.delete_rdataset(change.name, rdataset.rdtype)
    elif change.deleting == dns.rdataclass.NONE:
        _delete_values(zone, change)
    else:
        _add(zone, change)


def _delete_values(zone: dns.zone.Zone, change: dns.rrset.RRset) -> None:
    present = zone.get_rdataset(change.name, change.rdtype)
    if present is None or change.rdtype == dns.rdatatype.SOA:
        return
    left = [rdata for rdata in present if rdata not in change]
    if left:
        zone.replace_rdataset(change.name, dns.rdataset.from_rdata_list(present.ttl, left))
    elif not (change.rdtype == dns.rdatatype.NS and change.name == zone.origin):
        zone.delete_rdataset(change.name, change.rdtype)


def _add(zone: dns.zone.Zone, change: dns.rrset.RRset) -> None:
    """Adds values; an alias and other data never share a name: the addition is then ignored (§3.4.2.2)."""
    node = zone.get_node(change.name)
    other_types = {rdataset.rdtype for rdataset in node or ()} - {change.rdtype}
    if change.rdtype == dns.rdatatype.CNAME and other_types:
        return
    if change.rdtype != dns.rdatatype.CNAME and dns.rdatatype.CNAME in other_types:
        return
    present = zone.get_rdataset(change.name, change.rdtype)
    if change.rdtype == dns.rdatatype.SOA:
        if present is None or dns.serial.Serial(change[0].serial) <= dns.serial.Serial(present[0].serial):
            return
        present = None
    if change.rdtype == dns.rdatatype.CNAME:
        present = None
    values = [rdata for rdata in present or () if rdata not in change]
    zone.replace_rdataset(change.name, dns.rdataset.from_rdata_list(change.ttl, [*values, *change]))


def _raise_serial(zone: dns.zone.Zone) -> None:
    soa = soa_of(zone)
    raised = (dns.serial.Serial(soa[0].serial) + 1).value or 1
    zone.replace_rdataset(soa.name, dns.rdataset.from_rdata_list(soa.ttl, [soa[0].replace(serial=raised)]))
