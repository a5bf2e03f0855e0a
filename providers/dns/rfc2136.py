"""Record sets by DNS UPDATE (RFC 2136), signed by TSIG (RFC 8945): BIND, Knot, PowerDNS and others.

Every record set that changes has a prerequisite with its exact expected values, or
that it does not exist (RFC 2136 §2.4.2 and §2.4.3), and all changes are in one
message. The server checks and changes as one unit (§3.7): an atomic compare-and-swap.

Prerequisites don't compare TTLs (§2.4.2). Our own reading just before does; so the
only foreign change that can go unnoticed is one that touches nothing but a TTL, in
the instant between that reading and our message.

BIND refuses, with REFUSED, an MX or SRV whose target is in the zone and has no
address: publish the address in the same step or before.
"""

import binascii
from dataclasses import replace

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from providers.base import Context, ProviderError
from providers.dns.authority import ANSWER_SECONDS, LOST, servers_of, zone_settings
from providers.dns.deadline import Deadline
from providers.dns.endpoint import Endpoint
from providers.dns.record_sets import origin, owner, rivals, to_rdataset
from providers.dns.swap import Swap, Written
from providers.dns.swap_records import SwapRecords
from providers.dns.ttl import TtlChange

STALE = frozenset({dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN})
"""A prerequisite does not hold (RFC 2136 §3.2)."""


class Rfc2136Records(SwapRecords):
    """`dns.records` through dynamic updates to the first of the zone's `servers`."""

    def _write(self, swap: Swap, deadline: Deadline) -> Written:
        primary = servers_of(self.context.scope, swap.zone)[0]
        message = update_message(swap)
        message.use_tsig(tsig_key(self.context, swap.zone))
        try:
            answer = dns.query.tcp(message, primary.address, deadline.within(ANSWER_SECONDS), primary.port)
        except ConnectionRefusedError as error:
            raise ProviderError(
                f"The DNS server {primary} takes no connection; check that it runs and is reachable.", permanent=False
            ) from error
        except dns.tsig.PeerError as error:
            raise unsigned(primary, swap.zone, error) from error
        except LOST:
            return Written.LOST
        return _judged(answer, swap, primary)


class Rfc2136Ttl(TtlChange):
    """`dns.ttl` through dynamic updates."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, Rfc2136Records)


def update_message(swap: Swap) -> dns.update.UpdateMessage:
    """The whole swap as one message; unsigned.

    Removals come before additions, so that a CNAME can take the place of other
    records; and what can't be there beside an addition must not exist, or the server
    would drop that addition alone (RFC 2136 §3.4.2.2). The NS set of the zone itself may never become
    empty (§3.4.2.4): its new values come first, and the old ones go one by one.
    """
    message = dns.update.UpdateMessage(origin(swap.zone))
    pairs = list(zip(swap.expected, swap.wanted, strict=True))
    for expected, _ in pairs:
        name = owner(expected.name, swap.zone)
        if expected.values:
            message.present(name, to_rdataset(expected, ttl=0))
        else:
            message.absent(name, expected.type)
    for relative, kind in rivals(swap.wanted):
        message.absent(owner(relative, swap.zone), kind)
    apex_ns = [pair for pair in pairs if pair[1].key == ("@", "NS")]
    others = [pair for pair in pairs if pair[1].key != ("@", "NS")]
    for expected, _ in others:
        if expected.values:
            message.delete(owner(expected.name, swap.zone), expected.type)
    for _, wanted in [*others, *apex_ns]:
        if wanted.ttl is not None:
            message.add(owner(wanted.name, swap.zone), to_rdataset(wanted, wanted.ttl))
    for expected, wanted in apex_ns:
        gone = replace(expected, values=tuple(v for v in expected.values if v not in wanted.values))
        if gone.values:
            message.delete(owner(gone.name, swap.zone), to_rdataset(gone, ttl=0))
    return message


def tsig_key(context: Context, zone: str) -> dns.tsig.Key:
    """The zone's TSIG key. Raises ProviderError(permanent) when it is incomplete or not base64."""
    settings = zone_settings(context.scope, zone)
    missing = [name for name in ("key_name", "key") if not settings.get(name)]
    if missing:
        raise ProviderError(
            f"`dns.zones.{zone}` has no {' and no '.join(missing)}; add the TSIG key to bascule.yaml.", permanent=True
        )
    algorithm = settings.get("key_algorithm", "hmac-sha256")
    if dns.name.from_text(algorithm) not in dns.tsig.mac_sizes:
        raise ProviderError(
            f"{algorithm!r} is no TSIG algorithm; set `key_algorithm` of {zone} such as hmac-sha256.", permanent=True
        )
    try:
        return dns.tsig.Key(settings["key_name"], context.reveal(settings["key"]).reveal(), algorithm)
    except (binascii.Error, ValueError):
        # `from None`: the cause could show a part of the key.
        raise ProviderError(
            f"The TSIG key of {zone} is not base64; store the key's text as BIND's tsig-keygen prints it.",
            permanent=True,
        ) from None


def unsigned(server: Endpoint, zone: str, error: dns.tsig.PeerError) -> ProviderError:
    """Why the server did not take the signature (RFC 8945 §5.2)."""
    match error:
        case dns.tsig.PeerBadKey():
            why = "does not know the TSIG key; compare `key_name` and `key_algorithm` with the server's"
        case dns.tsig.PeerBadTime():
            why = "has another time than this machine; set both clocks"
        case _:
            why = "did not accept the TSIG signature; compare `key` with the server's"
    return ProviderError(f"The DNS server {server} of {zone} {why}.", permanent=True)


def _judged(answer: dns.message.Message, swap: Swap, server: Endpoint) -> Written:
    code = answer.rcode()
    if code == dns.rcode.NOERROR:
        return Written.DONE
    if code in STALE:
        return Written.STALE
    if code == dns.rcode.SERVFAIL:
        raise ProviderError(
            f"The DNS server {server} failed to change {swap} (SERVFAIL); look into its log.",
            permanent=False,
            effect_possible=True,
        )
    raise ProviderError(
        f"The DNS server {server} refused to change {swap} ({dns.rcode.to_text(code)}); check that the TSIG key "
        "may update the zone, and that every MX and SRV target in the zone has an address.",
        permanent=True,
    )
