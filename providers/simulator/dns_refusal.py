"""Answers to DNS questions that could not be read or trusted."""

import struct
import time

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig

HEADER_BYTES = 12


def bare_refusal(wire: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """A header alone, the question's id and opcode kept; nothing when there is not even a header."""
    if len(wire) < HEADER_BYTES:
        return b""
    flags = (struct.unpack("!H", wire[2:4])[0] & 0x7900) | dns.flags.QR | rcode
    return wire[:2] + struct.pack("!H", flags) + bytes(8)


def untrusted(wire: bytes, error: dns.exception.DNSException) -> bytes:
    """NOTAUTH with an unsigned TSIG record that says what was wrong with the signature (RFC 8945 §5.2)."""
    code = dns.rcode.BADSIG
    if isinstance(error, dns.message.UnknownTSIGKey | dns.tsig.BadKey | dns.tsig.BadAlgorithm):
        code = dns.rcode.BADKEY
    elif isinstance(error, dns.tsig.BadTime):
        code = dns.rcode.BADTIME
    try:
        query = dns.message.from_wire(wire, keyring=False)
    except dns.exception.DNSException:
        return bare_refusal(wire, dns.rcode.FORMERR)
    header = bytearray(bare_refusal(wire, dns.rcode.NOTAUTH))
    if query.tsig is None:
        return bytes(header)
    header[10:12] = b"\x00\x01"
    told = dns.rdtypes.ANY.TSIG.TSIG(  # type: ignore[no-untyped-call]
        dns.rdataclass.ANY,
        dns.rdatatype.TSIG,
        query.tsig[0].algorithm,
        int(time.time()),
        300,
        b"",
        query.id,
        code,
        b"",
    ).to_wire()
    assert told is not None
    name = query.tsig.name.to_wire()
    assert name is not None
    return bytes(header) + name + struct.pack("!HHIH", 250, 255, 0, len(told)) + told
