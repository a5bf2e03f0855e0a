"""Whether a delivery is its source's: decided on the raw bytes, before anything reads them, in constant time."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from orchestrator.domain.signals.source import STANDARD, Auth, Format, Source

WINDOW = 300.0
"""Seconds that a signed timestamp may be away from our clock, to either side."""
SUBJECT_HEADER = "x-client-subject"

PROXY_HEADER = "x-bascule-proxy"

_USUAL = ("x-signature", "")
_HEADERS: Mapping[Format, tuple[str, str]] = {
    "grafana": ("x-grafana-alerting-signature", ""),
    "nagios": ("x-bascule-signature", "x-bascule-timestamp"),
    "checkmk": ("x-bascule-signature", "x-bascule-timestamp"),
}
"""Format: the header of the signature and that of the timestamp, where the estate names no other."""


def fault_in(source: Source, secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Why the delivery is not the source's, as half a sentence for the log; empty where it is genuine.

    `headers` by lower-case name. `now`: seconds since the epoch, UTC.
    """
    if not secret:
        return "the source's secret is empty"
    auth = source.auth
    if auth.kind == "bearer":
        return "" if _same(_credentials(headers, "bearer"), secret) else "the bearer token is missing or wrong"
    if auth.kind == "basic":
        wanted = base64.b64encode(secret.encode()).decode()
        return "" if _same(_credentials(headers, "basic"), wanted) else "user and password are missing or wrong"
    if auth.kind == "token":
        return "" if _same(_header(headers, auth.header), secret) else f"{auth.header} is missing or wrong"
    if auth.kind == "mtls":
        return _fault_in_proxy(auth, secret, headers)
    if source.format in STANDARD:
        return _fault_in_standard(secret, headers, body, now)
    return _fault_in_signature(source, secret, headers, body, now)


def headers_of(source: Source) -> tuple[str, str]:
    """Where the source shows that it is itself, as people write it; and where it says when, empty where it need not."""
    auth = source.auth
    if auth.kind in ("bearer", "basic"):
        return "Authorization", ""
    if auth.kind == "token":
        return str(auth.header), ""
    if auth.kind == "mtls":
        return auth.header or _said(PROXY_HEADER), ""
    if source.format in STANDARD:
        return _said("webhook-signature"), _said("webhook-timestamp")
    usual, usual_time = _HEADERS.get(source.format, _USUAL)
    return auth.header or _said(usual), auth.timestamp_header or _said(usual_time)


def _said(header: str) -> str:
    return "-".join(part.capitalize() for part in header.split("-"))


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) in hexadecimal; with a timestamp, of `timestamp:body`."""
    message = timestamp.encode() + b":" + body if timestamp else body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def sign_standard(secret: str, sent: str, timestamp: str, body: bytes) -> str:
    """The `webhook-signature` of Standard Webhooks: of id, time and body. Raises ValueError for what is no secret."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64 after whsec_") from error
    message = b".".join((sent.encode("utf-8", "replace"), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def _fault_in_signature(source: Source, secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    usual, usual_time = _HEADERS.get(source.format, _USUAL)
    time_header = source.auth.timestamp_header or usual_time
    timestamp = _header(headers, time_header) if time_header else ""
    if time_header and not _within(timestamp, now):
        return f"{time_header} is missing, or more than {WINDOW:g} s away from the clock here"
    given = _header(headers, source.auth.header or usual).lower().removeprefix("sha256=")
    return "" if _same(given, sign(secret, timestamp, body)) else "the signature is missing or wrong"


def _fault_in_standard(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Standard Webhooks: any of several `v1,` signatures of `id.timestamp.body`, so that secrets can be rotated."""
    sent, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent or not _within(timestamp, now):
        return f"webhook-id is missing, or webhook-timestamp more than {WINDOW:g} s away from the clock here"
    try:
        wanted = sign_standard(secret, sent, timestamp, body)
    except ValueError:
        return "the source's secret is no base64 after whsec_"
    given = headers.get("webhook-signature", "").split(" ")[:10]
    matching = [_same(one, wanted) for one in given]
    return "" if any(matching) else "no signature of webhook-signature is right"


def _fault_in_proxy(auth: Auth, secret: str, headers: Mapping[str, str]) -> str:
    if not _same(_header(headers, auth.header or PROXY_HEADER), secret):
        return "it did not come through the proxy that checks certificates"
    if not _same(headers.get(SUBJECT_HEADER, ""), auth.subject or ""):
        return "the client's certificate has another subject"
    return ""


def _credentials(headers: Mapping[str, str], wanted: str) -> str:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == wanted else ""


def _header(headers: Mapping[str, str], name: str | None) -> str:
    return headers.get((name or "").lower(), "").strip()


def _same(given: str, wanted: str) -> bool:
    return bool(wanted) and hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _within(timestamp: str, now: float) -> bool:
    digits = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12
    return digits and abs(int(timestamp) - now) <= WINDOW
