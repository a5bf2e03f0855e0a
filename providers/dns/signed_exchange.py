"""One signed message to a server over TCP, and its answer (TSIG, RFC 8945).

The signature holds for some seconds around the time that it was made (`fudge`, RFC
8945 §5.2.3): a server answers BADTIME to a message that comes later, and does nothing.
So a message without an answer is known to be harmless after `in_flight_seconds`.
"""

import socket
import struct

import dns.exception
import dns.message
import dns.rcode
import dns.tsig

from providers.base import ProviderError
from providers.dns.authority import ANSWER_SECONDS, LOST
from providers.dns.deadline import Deadline
from providers.dns.endpoint import Endpoint
from providers.dns.in_flight import AnswerLostError

FUDGE_SECONDS = 9
"""How far the two clocks may be apart: short, since a message that got lost is feared for twice as long."""
LENIENT_SECONDS = 300
"""The same where the clocks turn out to be farther apart than that; what RFC 8945 §10 recommends."""
REFUSALS = frozenset({dns.rcode.REFUSED, dns.rcode.NOTAUTH})


class SignatureRefusedError(ProviderError):
    """The server did not take the signature, perhaps because the two clocks are too far apart for it."""


def in_flight_seconds(fudge: int) -> float:
    """How long after it was sent a message may be carried out.

    The server's clock may be `fudge` behind and the message `fudge` late by it; both count whole seconds.
    """
    return 2.0 * fudge + 2.0


def signed_answer(
    message: dns.message.Message, key: dns.tsig.Key, fudge: int, server: Endpoint, zone: str, deadline: Deadline
) -> dns.message.Message:
    """Sign, send once, and check the answer's signature.

    Raises AnswerLostError when no answer came that is the server's own; SignatureRefusedError; and any other
    ProviderError when the message did nothing.
    """
    message.use_tsig(key, fudge=fudge)
    wire = message.to_wire(prepend_length=True)
    with _connected(server, deadline) as line:
        try:
            received = _exchanged(line, wire, Deadline(deadline.within(ANSWER_SECONDS)))
            answer = dns.message.from_wire(received, keyring=message.keyring, request_mac=message.mac)
        except dns.tsig.PeerBadTime as error:
            said = f"The DNS server {server} of {zone} has another time than this machine; set both clocks."
            raise SignatureRefusedError(said, permanent=True) from error
        except dns.tsig.PeerError as error:
            raise _unsigned(server, zone, error) from error
        except dns.exception.FormError as error:
            raise _without_signature(received, message, server, zone) from error
        except LOST as error:
            raise _lost(server, zone) from error
    if not message.is_response(answer):
        raise _lost(server, zone)
    return answer


def _connected(server: Endpoint, deadline: Deadline) -> socket.socket:
    try:
        return socket.create_connection((server.address, server.port), deadline.within(ANSWER_SECONDS))
    except OSError as error:
        raise ProviderError(
            f"The DNS server {server} takes no connection; check that it runs and is reachable.", permanent=False
        ) from error


def _exchanged(line: socket.socket, wire: bytes, patience: Deadline) -> bytes:
    """Raises OSError or EOFError when no answer comes."""
    line.settimeout(patience.within(ANSWER_SECONDS))
    line.sendall(wire)
    (length,) = struct.unpack("!H", _taken(line, 2, patience))
    return _taken(line, length, patience)


def _taken(line: socket.socket, count: int, patience: Deadline) -> bytes:
    data = b""
    while len(data) < count:
        if patience.left() <= 0:
            raise TimeoutError
        line.settimeout(patience.left())
        piece = line.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def _without_signature(received: bytes, message: dns.message.Message, server: Endpoint, zone: str) -> ProviderError:
    """PowerDNS refuses a key that it does not know, or a signature that is wrong or too old, without a word of TSIG.

    Anybody in between could say the same, so an effect is possible.
    """
    try:
        plain = dns.message.from_wire(received)
    except dns.exception.DNSException:
        return _lost(server, zone)
    if plain.rcode() not in REFUSALS or not message.is_response(plain):
        return _lost(server, zone)
    return SignatureRefusedError(
        f"The DNS server {server} of {zone} answers {dns.rcode.to_text(plain.rcode())} without a signature, as to a "
        "TSIG key that is wrong or may not update; compare `key_name`, `key_algorithm` and `key` with the server's, "
        "set both clocks, and give the key the right to change the zone.",
        permanent=True,
        effect_possible=True,
    )


def _lost(server: Endpoint, zone: str) -> AnswerLostError:
    said = f"The DNS server {server} of {zone} does not answer a signed message; check that it runs."
    return AnswerLostError(said, permanent=False, effect_possible=True)


def _unsigned(server: Endpoint, zone: str, error: dns.tsig.PeerError) -> ProviderError:
    """Why the server did not take the signature (RFC 8945 §5.2)."""
    if isinstance(error, dns.tsig.PeerBadKey):
        why = "does not know the TSIG key; compare `key_name` and `key_algorithm` with the server's"
    else:
        why = "did not accept the TSIG signature; compare `key` with the server's"
    return ProviderError(f"The DNS server {server} of {zone} {why}.", permanent=True)
