"""Signed tokens (JWT, RFC 7519) checked with the public keys of an issuer (JWK Set, RFC 7517).

Only signatures with a pair of keys count: `none` and the HMAC algorithms prove nothing about who signed.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

_HASHES: Mapping[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_CURVE_OF: Mapping[str, str] = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
ALGORITHMS = frozenset(f"{family}{size}" for family in ("RS", "PS", "ES") for size in _HASHES) | {"EdDSA"}

Jwk = Mapping[str, Any]


class UnverifiedError(Exception):
    """The token proves nothing; the text says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class _Token:
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def verified_claims(token: str, keys: Sequence[Jwk]) -> Mapping[str, Any]:
    """The claims of a token that one of the keys signed. Raises UnverifiedError."""
    parts = _taken_apart(token)
    algorithm, kid = str(parts.header.get("alg")), parts.header.get("kid")
    if algorithm not in ALGORITHMS:
        raise UnverifiedError(f"it is signed with {algorithm[:20]}, which proves nothing")
    fitting = [key for key in keys if _fits(key, algorithm) and (kid is None or key.get("kid") == kid)]
    if not fitting:
        raise UnverifiedError(f"none of the {len(keys)} published keys is the one that it names")
    if not any(_signed_by(key, algorithm, parts) for key in fitting):
        raise UnverifiedError("its signature is not that of the published key")
    return parts.claims


def signing_keys(keys: Sequence[Jwk]) -> list[Jwk]:
    """Those of the keys that can check a signature."""
    return [key for key in keys if any(_fits(key, algorithm) for algorithm in ALGORITHMS)]


def _taken_apart(token: str) -> _Token:
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(_bytes(head)), json.loads(_bytes(body))
        found = _Token(header, claims, f"{head}.{body}".encode(), _bytes(signature))
    except (ValueError, RecursionError) as error:
        raise UnverifiedError("it is no signed token (JWT)") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise UnverifiedError("it is no signed token (JWT)")
    return found


def _fits(key: Jwk, algorithm: str) -> bool:
    """Whether the key is meant to check signatures of this algorithm (RFC 7517 §4)."""
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return False
    kind = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[algorithm[:2]]
    return key.get("kty") == kind and key.get("crv") == _CURVE_OF.get(algorithm, key.get("crv"))


def _signed_by(key: Jwk, algorithm: str, token: _Token) -> bool:
    try:
        _verify(key, algorithm, token)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        return False
    return True


def _verify(key: Jwk, algorithm: str, token: _Token) -> None:
    """Raises InvalidSignature, or what cryptography raises for a key that is none."""
    if algorithm == "EdDSA":
        made = ed448.Ed448PublicKey if key["crv"] == "Ed448" else ed25519.Ed25519PublicKey
        made.from_public_bytes(_bytes(key["x"])).verify(token.signature, token.signed)
        return
    digest = _HASHES[algorithm[2:]]
    if algorithm.startswith("ES"):
        public = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), _CURVES[key["crv"]]).public_key()
        public.verify(_der(token.signature), token.signed, ec.ECDSA(digest))
        return
    pad = padding.PKCS1v15() if algorithm.startswith("RS") else padding.PSS(padding.MGF1(digest), digest.digest_size)
    rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key().verify(
        token.signature, token.signed, pad, digest
    )


def _der(signature: bytes) -> bytes:
    """JWS writes an ECDSA signature as its two numbers side by side (RFC 7518 §3.4)."""
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")
