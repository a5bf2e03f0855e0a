"""OVH's request signature, verified: `$1$` and a SHA-1 over secrets, request and time.

Source: OVHcloud API guide, "First steps with the OVHcloud APIs" (signing requests), and the
vendor's `ovh` client, which joins the same fields. The error codes are those that this client tells apart.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message

SKEW_SECONDS = 60
"""How far a request's time may be from the server's; the vendor says only that it is short."""


class SignatureError(Exception):
    """The request is refused: HTTP `status`, the vendor's `code` and `message`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    @property
    def body(self) -> dict[str, str]:
        """The JSON object of the answer."""
        reason = {400: "Bad Request", 403: "Forbidden"}[self.status]
        return {"errorCode": self.code, "httpCode": f"{self.status} {reason}", "message": self.message}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What one application signs with: its own secret, and the consumer key of the account that lets it in."""

    application_secret: str = field(repr=False)
    consumer_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signatures:
    """The applications that may call, by their application key."""

    applications: Mapping[str, Secrets]

    def verify(self, method: str, full_url: str, body: bytes, headers: Message, now: float) -> None:
        """Returns when the request is signed by a known application; raises SignatureError otherwise.

        `full_url` is the URL as the client wrote it: scheme, host with port, path and query.
        `now` is the server's time in seconds since the epoch.
        """
        secrets = self.applications.get(headers.get("X-Ovh-Application", ""))
        if secrets is None:
            raise SignatureError(403, "INVALID_KEY", "Invalid application key")
        consumer = headers.get("X-Ovh-Consumer", "")
        if not consumer:
            raise SignatureError(403, "NOT_CREDENTIAL", "You must login first")
        if not hmac.compare_digest(consumer.encode(), secrets.consumer_key.encode()):
            raise SignatureError(403, "INVALID_CREDENTIAL", "This credential does not exist")
        stamp = _time(headers.get("X-Ovh-Timestamp", ""), now)
        expected = signature(secrets, method, full_url, body, stamp)
        if not hmac.compare_digest(headers.get("X-Ovh-Signature", "").encode(), expected.encode()):
            raise SignatureError(400, "INVALID_SIGNATURE", "Invalid signature")


def signature(secrets: Secrets, method: str, full_url: str, body: bytes, stamp: str) -> str:
    """What the header `X-Ovh-Signature` must hold; `stamp` is the text of `X-Ovh-Timestamp`."""
    fields = [secrets.application_secret, secrets.consumer_key, method.upper(), full_url]
    signed = "+".join(fields).encode() + b"+" + body + b"+" + stamp.encode()
    return "$1$" + hashlib.sha1(signed, usedforsecurity=False).hexdigest()


def _time(stamp: str, now: float) -> str:
    """The stamp as sent, when it is near enough. Raises SignatureError."""
    if not (stamp.isascii() and stamp.isdigit()) or abs(int(stamp) - now) > SKEW_SECONDS:
        raise SignatureError(400, "QUERY_TIME_OUT", "Query out of time")
    return stamp
