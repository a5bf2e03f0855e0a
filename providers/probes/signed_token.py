"""JSON Web Tokens signed with a shared secret: HS256 (RFC 7519, RFC 7518 §3.2)."""

import base64
import hashlib
import hmac
import json

from providers.base import JsonMap, Secret


def signed(claims: JsonMap, secret: Secret) -> Secret:
    """The token; itself a secret, because whoever has it may do what it says."""
    head = {"alg": "HS256", "typ": "JWT"}
    content = f"{_packed(json.dumps(head).encode())}.{_packed(json.dumps(claims).encode())}"
    signature = hmac.digest(secret.reveal().encode(), content.encode(), hashlib.sha256)
    return Secret(f"{content}.{_packed(signature)}")


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
