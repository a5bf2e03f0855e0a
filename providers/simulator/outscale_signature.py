"""OSC4-HMAC-SHA256, verified: the canonical request with its date, host and payload hash.

Source: 3DS OUTSCALE's user guide, "Signature of API Requests"; it is AWS's
Signature Version 4 with the vendor's own words in the key's derivation.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from providers.simulator.http_service import Request

ALGORITHM = "OSC4-HMAC-SHA256"
SERVICE = "api"
TERMINATOR = "osc4_request"
SKEW = timedelta(minutes=15)
MUST_BE_SIGNED = frozenset({"host", "x-osc-date"})


class SignatureError(Exception):
    """The request is refused; the vendor does not tell why, so this is for people who read the simulator's tests."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One key pair and the region it signs for."""

    access_key: str
    secret_key: str
    region: str

    def __repr__(self) -> str:
        return f"AccessKey({self.access_key}, …)"


def verify(request: Request, key: AccessKey, now: datetime) -> None:
    """Returns when the request is signed by the key, for its region, at most 15 minutes ago."""
    fields = _fields(request.headers.get("Authorization", ""))
    stamp = request.headers.get("X-Osc-Date", "")
    scope = f"{stamp[:8]}/{key.region}/{SERVICE}/{TERMINATOR}"
    if not hmac.compare_digest(fields["Credential"].encode(), f"{key.access_key}/{scope}".encode()):
        raise SignatureError("unknown access key, or a credential scope for another date, region or service")
    _check_time(stamp, now)
    names = fields["SignedHeaders"].split(";")
    if not set(names) >= MUST_BE_SIGNED or names != sorted(names):
        raise SignatureError("host and x-osc-date must be signed, and the names sorted")
    canonical = _canonical(request, names)
    to_sign = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    expected = hmac.new(_signing_key(key.secret_key, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, fields["Signature"]):
        raise SignatureError("the signature does not match")


def _fields(authorization: str) -> dict[str, str]:
    algorithm, _, rest = authorization.partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if algorithm != ALGORITHM or not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
        raise SignatureError("no OSC4-HMAC-SHA256 authorization")
    return fields


def _check_time(stamp: str, now: datetime) -> None:
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureError("X-Osc-Date is no date") from None
    if abs(now - at) > SKEW:
        raise SignatureError("the request's time is too far away")


def _canonical(request: Request, names: list[str]) -> str:
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names]
    payload = hashlib.sha256(request.body).hexdigest()
    return "\n".join([request.method, request.path, request.raw_query, *headers, "", ";".join(names), payload])


def _signing_key(secret: str, scope: str) -> bytes:
    key = ("OSC4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
