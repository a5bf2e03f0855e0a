"""AWS Signature Version 4, verified: in the Authorization header and in a presigned query.

Source: AWS General Reference, "Signature Version 4 signing process", and the S3
API reference, "Authenticating Requests".
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from urllib.parse import parse_qsl, quote, unquote

from providers.simulator.http_service import Request

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
SKEW = timedelta(minutes=15)
MAX_EXPIRES = 7 * 24 * 3600


class SignatureError(Exception):
    """The request is refused: `code` is S3's error code, `status` the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One key pair and the region it signs for."""

    access_key: str
    secret_key: str
    region: str


@dataclass(frozen=True, slots=True)
class _Signed:
    """The parts of a signature, wherever they were found."""

    credential: str
    headers: list[str]
    signature: str
    stamp: str
    payload: str
    query: list[tuple[str, str]]
    expires: int | None


def verify(request: Request, key: AccessKey, now: datetime) -> None:
    """Returns when the request is signed by the key; raises SignatureError otherwise."""
    query = parse_qsl(request.raw_query, keep_blank_values=True)
    presigned = dict(query).get("X-Amz-Algorithm")
    signed = _from_query(query) if presigned else _from_header(request, query)
    scope = _checked_scope(signed, key)
    _check_time(signed, now)
    expected = _signature(request, signed, key, scope)
    if not hmac.compare_digest(expected, signed.signature):
        raise SignatureError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )
    if signed.payload not in (UNSIGNED, hashlib.sha256(request.body).hexdigest()):
        raise SignatureError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            400,
        )


def _from_header(request: Request, query: list[tuple[str, str]]) -> _Signed:
    text = request.headers.get("Authorization", "")
    if not text:
        raise SignatureError("AccessDenied", "Access Denied.")
    algorithm, _, rest = text.partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if algorithm != ALGORITHM or {"Credential", "SignedHeaders", "Signature"} - fields.keys():
        raise SignatureError("AuthorizationHeaderMalformed", "The authorization header is malformed.", 400)
    payload = request.headers.get("X-Amz-Content-Sha256", "")
    if not payload:
        raise SignatureError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400)
    headers = fields["SignedHeaders"].split(";")
    if "host" not in headers:
        raise SignatureError("AccessDenied", "There were headers present in the request which were not signed.")
    stamp = request.headers.get("X-Amz-Date", "")
    return _Signed(fields["Credential"], headers, fields["Signature"], stamp, payload, query, None)


def _from_query(query: list[tuple[str, str]]) -> _Signed:
    found = dict(query)
    try:
        expires = int(found["X-Amz-Expires"])
        return _Signed(
            found["X-Amz-Credential"],
            found["X-Amz-SignedHeaders"].split(";"),
            found["X-Amz-Signature"],
            found["X-Amz-Date"],
            found.get("X-Amz-Content-Sha256", UNSIGNED),
            [(name, value) for name, value in query if name != "X-Amz-Signature"],
            min(expires, MAX_EXPIRES),
        )
    except (KeyError, ValueError):
        raise SignatureError(
            "AuthorizationQueryParametersError", "Query-string authentication needs all X-Amz- parameters.", 400
        ) from None


def _checked_scope(signed: _Signed, key: AccessKey) -> str:
    access_key, _, scope = signed.credential.partition("/")
    if not hmac.compare_digest(access_key, key.access_key):
        raise SignatureError("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    if scope != f"{signed.stamp[:8]}/{key.region}/s3/aws4_request":
        raise SignatureError(
            "AuthorizationHeaderMalformed",
            f"The credential scope is wrong; expecting '<date>/{key.region}/s3/aws4_request'.",
            400,
        )
    return scope


def _check_time(signed: _Signed, now: datetime) -> None:
    try:
        at = datetime.strptime(signed.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureError("AccessDenied", "AWS authentication requires a valid x-amz-date.") from None
    if signed.expires is not None:
        if now > at + timedelta(seconds=signed.expires):
            raise SignatureError("AccessDenied", "Request has expired")
    elif abs(now - at) > SKEW:
        raise SignatureError(
            "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        )


def _signature(request: Request, signed: _Signed, key: AccessKey, scope: str) -> str:
    canonical = "\n".join(
        [
            request.method,
            _encoded(unquote(request.path), safe="/-_.~"),
            _canonical_query(signed.query),
            *(f"{name}:{_header(request.headers, name)}" for name in signed.headers),
            "",
            ";".join(signed.headers),
            signed.payload,
        ]
    )
    to_sign = "\n".join([ALGORITHM, signed.stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    secret = ("AWS4" + key.secret_key).encode()
    for part in scope.split("/"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    return hmac.new(secret, to_sign.encode(), hashlib.sha256).hexdigest()


def _canonical_query(query: list[tuple[str, str]]) -> str:
    return "&".join(
        f"{name}={value}" for name, value in sorted((_encoded(name), _encoded(value)) for name, value in query)
    )


def _encoded(text: str, safe: str = "-_.~") -> str:
    return quote(text, safe=safe)


def _header(headers: Message, name: str) -> str:
    return " ".join(headers.get(name, "").split())
