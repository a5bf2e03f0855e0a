"""Record sets by DNS UPDATE (RFC 2136), signed by TSIG (RFC 8945): BIND, Knot, PowerDNS and others.

Every record set that changes has a prerequisite with its exact expected values, or
that it does not exist (RFC 2136 §2.4.2 and §2.4.3), and all changes are in one
message. The server checks and changes as one unit (§3.7): an atomic compare-and-swap.

Prerequisites don't compare TTLs (§2.4.2). Our own reading just before does; so the
only foreign change that can go unnoticed is one that touches nothing but a TTL, in
the instant between that reading and our message.

A message without an answer can't take effect once the state has moved on. After an
undo the expected state is there again, and then it could: so its signature holds for
seconds only, and an undo waits until the server would refuse it (signed_exchange.py).
What remains: a message that arrives within these seconds and after the record sets
were brought back by hand to what it expects; and a server whose clock differs by
more, whose answers are all lost.

BIND refuses, with REFUSED, an MX or SRV whose target is in the zone and has no
address: publish the address in the same step or before.
"""

import binascii
from dataclasses import replace

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from providers.base import Context, ProviderError
from providers.dns import signed_exchange
from providers.dns.authority import servers_of, zone_settings
from providers.dns.deadline import Deadline
from providers.dns.endpoint import Endpoint
from providers.dns.in_flight import AnswerLostError
from providers.dns.record_sets import origin, owner, rivals, to_rdataset
from providers.dns.signed_exchange import SignatureRefusedError, in_flight_seconds, signed_answer
from providers.dns.swap import Swap, Written
from providers.dns.swap_records import SwapRecords
from providers.dns.ttl import TtlChange

STALE = frozenset({dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN})
"""A prerequisite does not hold (RFC 2136 §3.2)."""


class Rfc2136Records(SwapRecords):
    """`dns.records` through dynamic updates to the first of the zone's `servers`."""

    def _write(self, swap: Swap, deadline: Deadline) -> Written:
        try:
            return self._send(swap, signed_exchange.FUDGE_SECONDS, deadline)
        except SignatureRefusedError:  # the clocks may be farther apart
            return self._send(swap, signed_exchange.LENIENT_SECONDS, deadline)

    def _send(self, swap: Swap, fudge: int, deadline: Deadline) -> Written:
        primary = servers_of(self.context.scope, swap.zone)[0]
        key = tsig_key(self.context, swap.zone)
        try:
            with self._in_flight(swap.zone).message(in_flight_seconds(fudge)):
                answer = signed_answer(update_message(swap), key, fudge, primary, swap.zone, deadline)
        except AnswerLostError:
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
