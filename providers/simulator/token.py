"""JSON Web Tokens under a shared secret (RFC 7519), as stand-ins check them."""

import base64
import hashlib
import hmac
import json
from typing import Any


class TokenError(Exception):
    """The token is not to be trusted; `expired`: only because its time is over."""

    def __init__(self, *, expired: bool = False) -> None:
        super().__init__("expired" if expired else "invalid")
        self.expired = expired


def claims_of(token: str, secret: str, now: float) -> dict[str, Any]:
    """What the token says, when this secret signed it and its time is not over. Raises TokenError."""
    content, _, signature = token.rpartition(".")
    expected = hmac.digest(secret.encode(), content.encode(), hashlib.sha256)
    try:
        head, claims = (json.loads(_unpacked(part)) for part in content.split("."))
        genuine = head["alg"] == "HS256" and hmac.compare_digest(_unpacked(signature), expected)
        if not genuine or not isinstance(claims, dict):
            raise TokenError
        if float(claims.get("exp", now + 1)) <= now or float(claims.get("nbf", now)) > now:
            raise TokenError(expired=True)
    except (ValueError, KeyError, TypeError) as error:
        raise TokenError from error
    return claims


def unverified(token: str) -> dict[str, Any]:
    """What the token says, whoever signed it: to learn whose secret to check it with. Raises TokenError."""
    try:
        claims = json.loads(_unpacked(token.split(".")[1]))
    except (ValueError, IndexError) as error:
        raise TokenError from error
    if not isinstance(claims, dict):
        raise TokenError
    return claims


def _unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
