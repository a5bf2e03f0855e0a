"""A security key in software (WebAuthn level 2, §6): what a browser and a key would answer, and what a forger might."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import AttestedCredentialData

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
"""Flags of §6.1: somebody touched it, showed who they are to it, and it tells of its credential."""


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class SoftwareKey:
    """`origin`: of the page that the browser shows. `counter`: how often it has signed; it counts before it signs."""

    origin: str = "http://localhost"
    party: str = "localhost"
    counter: int = 0
    counts: bool = True
    """Those that are kept in several places, as passkeys are, count nothing."""
    private: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `navigator.credentials.create`."""
        point = self.private.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor.encode(cose)
        told = self._told(PRESENT | VERIFIED | ATTESTED) + credential
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": told})
        said = self._client("webauthn.create", options["publicKey"]["challenge"])
        return self._answer({"clientDataJSON": said, "attestationObject": attestation})

    def get(self, options: Mapping[str, Any], flags: int = PRESENT | VERIFIED, challenge: str = "") -> dict[str, Any]:
        """The answer to `navigator.credentials.get`; `challenge`: another one than was asked."""
        self.counter += int(self.counts)
        told = self._told(flags)
        said = self._client("webauthn.get", challenge or options["publicKey"]["challenge"])
        signature = self.private.sign(told + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer({"clientDataJSON": said, "authenticatorData": told, "signature": signature})

    def _told(self, flags: int) -> bytes:
        return hashlib.sha256(self.party.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _answer(self, response: Mapping[str, bytes]) -> dict[str, Any]:
        own = websafe_encode(self.id)
        said = {name: websafe_encode(value) for name, value in response.items()}
        return {"id": own, "rawId": own, "type": "public-key", "response": said, "clientExtensionResults": {}}


def signed(kept: Mapping[str, str], subject: str) -> bool:
    """Whether what a journal keeps of an approval is a signature of this subject: with nothing but what is kept."""
    digest = hashlib.sha256(f"bascule approval v1\n{subject}\n{kept['nonce']}\n".encode()).digest()
    client = websafe_decode(kept["client_data"])
    if websafe_decode(json.loads(client)["challenge"]) != digest:
        return False
    told = websafe_decode(kept["authenticator_data"]) + hashlib.sha256(client).digest()
    try:
        key = AttestedCredentialData(websafe_decode(kept["public_key"])).public_key
        key.verify(told, websafe_decode(kept["signature"]))
    except InvalidSignature:
        return False
    return True
