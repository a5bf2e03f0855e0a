"""What the key of a zone may do, and whether its servers answer for it.

Whether a TSIG key may update is asked with an update that can never be carried out: its prerequisite is that the zone
has no SOA record, which every zone has (RFC 1035 §5.2), so a server that would take the key's updates answers YXRRSET.
A server checks the signature before all else (RFC 8945 §5.2), and who may update before it looks at prerequisites (seen
on BIND and PowerDNS). BIND holds its `update-policy` against the changes in the update, so there is one: of a record
that does not exist.
"""

from collections.abc import Iterator
from importlib import import_module

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from providers.base import Context, ProviderError
from providers.dns.authority import ANSWER_SECONDS, LOST, read, servers_of
from providers.dns.deadline import Deadline
from providers.dns.endpoint import Endpoint, endpoint
from providers.dns.octodns_records import OctoDnsRecords
from providers.dns.record_sets import origin
from providers.dns.rfc2136 import STALE, tsig_key
from providers.dns.signed_exchange import LENIENT_SECONDS, signed_answer
from providers.reach import require_allowed
from providers.rights import Examination, Right, State, Subject

NOBODY = "_bascule-asks-for-nobody"
HOSTS = {
    "gandi": "providers.dns.gandi:GandiRecords",
    "ovhcloud": "providers.dns.ovhcloud:OvhcloudRecords",
    "powerdns": "providers.dns.powerdns:PowerDnsRecords",
    "scaleway": "providers.dns.scaleway:ScalewayRecords",
}
"""Drivers whose records are changed through an API: the class that reads them."""
REFUSED = frozenset({dns.rcode.REFUSED, dns.rcode.NOTAUTH})


def examine_rfc2136(context: Context, subject: Subject) -> Examination:
    """The zone's servers, and the TSIG key at the first of them."""
    deadline = Deadline(context.deadline)
    rights = [*_authority(context, subject, deadline)]
    primary = servers_of(context.scope, subject.entry)[0]
    try:
        rights.append(_may_update(context, subject.entry, primary, deadline))
    except ProviderError as error:
        return subject.failed(str(primary), error.message, rights)
    return subject.found(str(primary), rights)


def examine_hosted(context: Context, subject: Subject) -> Examination:
    """The zone's servers, and the zone as the API of its host shows it."""
    deadline = Deadline(context.deadline)
    rights = [*_authority(context, subject, deadline)]
    module, name = HOSTS[subject.driver].split(":")
    records: OctoDnsRecords = getattr(import_module(module), name)(context)
    try:
        records.look(subject.entry, deadline)
        rights.append(Right(f"read {subject.entry}", State.HELD))
        rights += records.rights(subject.entry, subject.now, deadline)
    except ProviderError as error:
        return subject.failed(records.host, error.message, rights)
    return subject.found(records.host, rights)


def examine_servers(context: Context, subject: Subject) -> Examination:
    """Any zone: its servers alone."""
    rights = [*_authority(context, subject, Deadline(context.deadline))]
    said = f"The credential of a zone at {subject.driver} is not examined."
    return subject.found(subject.entry, [*rights, Right("change records", State.UNKNOWN, said)])


def examine_resolvers(context: Context, subject: Subject) -> Examination:
    """Whether each resolver of the scope answers: probes and mail look names up there."""
    deadline = Deadline(context.deadline)
    resolvers = [endpoint(text, 53) for text in context.scope["dns"]["resolvers"]]
    return subject.found("dns.resolvers", [_resolves(context, each, deadline) for each in resolvers])


def _authority(context: Context, subject: Subject, deadline: Deadline) -> Iterator[Right]:
    """Whether each server of the zone has authority over it: record sets are read back from all of them."""
    for server in servers_of(context.scope, subject.entry):
        name = f"answer for {subject.entry}: {server}"
        try:
            held = read(subject.entry, server, (("@", "NS"),), deadline)
        except ProviderError as error:
            yield Right(name, State.MISSING, error.message)
        else:
            there = bool(held[0].values)
            advice = "" if there else f"{server} holds no NS records of {subject.entry}; correct `servers`."
            yield Right(name, State.HELD if there else State.MISSING, advice)


def _may_update(context: Context, zone: str, primary: Endpoint, deadline: Deadline) -> Right:
    """Raises ProviderError when the key is wrong, or nothing answers."""
    name = f"update {zone}"
    code = _asked(context, zone, primary, deadline, changing=True)
    if code in STALE:
        return Right(name, State.HELD)
    said = dns.rcode.to_text(code)
    if code not in REFUSED:
        return Right(name, State.UNKNOWN, f"{primary} answers {said} to an update that asks for the impossible.")
    if _asked(context, zone, primary, deadline, changing=False) in STALE:
        said = f"{primary} lets the key change some names or none: check that its policy has those of the runbooks."
        return Right(name, State.UNKNOWN, said)
    return Right(name, State.MISSING, f"{primary} answers {said}: let the key update the zone there.")


def _asked(context: Context, zone: str, primary: Endpoint, deadline: Deadline, *, changing: bool) -> dns.rcode.Rcode:
    """What the server answers to an update that can't be carried out; `changing`: with a change in it."""
    message = dns.update.UpdateMessage(origin(zone))
    message.absent(origin(zone), dns.rdatatype.SOA)
    if changing:
        message.delete(dns.name.from_text(NOBODY, origin(zone)), dns.rdatatype.TXT)
    key = tsig_key(context, zone)
    return signed_answer(message, key, LENIENT_SECONDS, primary, zone, deadline).rcode()


def _resolves(context: Context, resolver: Endpoint, deadline: Deadline) -> Right:
    name = f"look names up at {resolver}"
    try:
        require_allowed(context.scope, resolver.address)
    except ProviderError as error:
        return Right(name, State.MISSING, error.message)
    query = dns.message.make_query(dns.name.root, dns.rdatatype.NS)
    try:
        dns.query.udp(query, resolver.address, deadline.within(ANSWER_SECONDS), resolver.port)
    except LOST:
        return Right(name, State.MISSING, f"{resolver} does not answer; correct `dns.resolvers`.")
    return Right(name, State.HELD)
