"""The server's side of a websocket's opening (RFC 6455 §4.2)."""

import base64
import hashlib

from providers.simulator.http_service import Request, Response

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def is_opening(request: Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket" and "Sec-WebSocket-Key" in request.headers


def accepted(request: Request) -> Response:
    """The websocket is open; the stand-in then closes it."""
    key = str(request.headers["Sec-WebSocket-Key"]).encode()
    proof = base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest()).decode()
    return Response(101, b"", {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": proof})
