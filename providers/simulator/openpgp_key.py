"""An OpenPGP key that signs texts in clear, as a distributor's archive key does: RFC 4880 with EdDSA over Ed25519.

The form of packets: RFC 4880 §5.2 (signatures), §5.5 (keys), §6 (armour), §7 (texts in clear); of the
curve: RFC 9580 §9.2. Debian's gpgv takes what is made here.
"""

import base64
import hashlib
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

EDDSA, SHA256 = 22, 8
TEXT, POSITIVE_CERTIFICATION = 0x01, 0x13
FIXED_CREATED = 1_767_225_600
"""2026-01-01."""
CURVE = bytes.fromhex("2b06010401da470f01")


@dataclass(frozen=True, slots=True)
class OpenPgpKey:
    """A signing key. `created`, and all times here: seconds since the epoch."""

    private: Ed25519PrivateKey
    created: int
    owner: str

    @classmethod
    def made(cls, owner: str, created: int) -> "OpenPgpKey":
        return cls(Ed25519PrivateKey.generate(), created, owner)

    @classmethod
    def fixed(cls, owner: str) -> "OpenPgpKey":
        """The same at every start, so that an estate can hold its public half. It protects nothing: anybody has it."""
        secret = hashlib.sha256(owner.encode()).digest()
        return cls(Ed25519PrivateKey.from_private_bytes(secret), FIXED_CREATED, owner)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint().hex().upper()

    def public(self) -> str:
        """The key with its owner, certified by itself, in armour."""
        certified = self._framed() + b"\xb4" + struct.pack(">I", len(self.owner.encode())) + self.owner.encode()
        signature = self._signature(POSITIVE_CERTIFICATION, certified, self.created, _subpacket(27, b"\x03"))
        packets = _packet(6, self._body()) + _packet(13, self.owner.encode()) + _packet(2, signature)
        return _armoured("PUBLIC KEY BLOCK", packets)

    def signed(self, text: str, at: int) -> str:
        """The text in clear with its signature below it. `text` has lines that end with a newline."""
        lines = [line.rstrip(" \t") for line in text.rstrip("\n").split("\n")]
        signature = self._signature(TEXT, "\r\n".join(lines).encode(), at)
        shown = "\n".join(f"- {line}" if line.startswith("-") else line for line in lines)
        armour = _armoured("SIGNATURE", _packet(2, signature))
        return f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{shown}\n{armour}"

    def _body(self) -> bytes:
        point = b"\x40" + self.private.public_key().public_bytes_raw()
        return struct.pack(">BIB", 4, self.created, EDDSA) + bytes([len(CURVE)]) + CURVE + _mpi(point)

    def _framed(self) -> bytes:
        body = self._body()
        return b"\x99" + struct.pack(">H", len(body)) + body

    def _fingerprint(self) -> bytes:
        return hashlib.sha1(self._framed()).digest()  # noqa: S324  # nosec B324  # nosemgrep: weak-hash  # what a fingerprint is, in version 4

    def _signature(self, kind: int, data: bytes, at: int, more: bytes = b"") -> bytes:
        hashed = _subpacket(2, struct.pack(">I", at)) + _subpacket(33, b"\x04" + self._fingerprint()) + more
        head = struct.pack(">BBBBH", 4, kind, EDDSA, SHA256, len(hashed)) + hashed
        digest = hashlib.sha256(data + head + b"\x04\xff" + struct.pack(">I", len(head))).digest()
        raw = self.private.sign(digest)
        issuer = _subpacket(16, self._fingerprint()[-8:])
        return head + struct.pack(">H", len(issuer)) + issuer + digest[:2] + _mpi(raw[:32]) + _mpi(raw[32:])


def _mpi(data: bytes) -> bytes:
    """A number with its length in bits in front."""
    number = data.lstrip(b"\x00")
    bits = len(number) * 8 - (8 - number[0].bit_length()) if number else 0
    return struct.pack(">H", bits) + number


def _subpacket(kind: int, data: bytes) -> bytes:
    return bytes([len(data) + 1, kind]) + data


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + struct.pack(">I", len(body)) + body


def _armoured(kind: str, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    check = base64.b64encode(_crc24(data).to_bytes(3, "big")).decode()
    return f"-----BEGIN PGP {kind}-----\n\n{lines}\n={check}\n-----END PGP {kind}-----\n"


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc
