"""HTTP's basic authentication (RFC 7617), as stand-ins check it."""

import base64
import hmac
from collections.abc import Mapping

from providers.simulator.http_service import Request


def user_of(request: Request, passwords: Mapping[str, str]) -> str | None:
    """Who asks, when the password is right."""
    scheme, _, packed = request.headers.get("Authorization", "").partition(" ")
    try:
        user, colon, password = base64.b64decode(packed, validate=True).decode().partition(":")
    except ValueError:
        return None
    right = passwords.get(user)
    if scheme.lower() != "basic" or not colon or right is None:
        return None
    return user if hmac.compare_digest(password.encode(), right.encode()) else None
