"""LiveKit's signalling, as far as the door: who is let into a room.

The answers are those of livekit/livekit: `pkg/service/auth.go` (tokens, in the `Authorization` header or as
`access_token`), `rtcservice.go` (`/rtc`, `/rtc/validate`) and `server.go` (health at `/`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.simulator.condition import unavailable
from providers.simulator.http_service import Request, Response
from providers.simulator.token import TokenError, claims_of, unverified
from providers.simulator.websocket import accepted, is_opening


class _RefusedError(Exception):
    """The answer is a refusal: status and words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.answer = _text(status, words)


@dataclass(slots=True)
class LiveKit:
    """`secrets` by API key. `joined`: who was let in, as `room/identity`."""

    secrets: Mapping[str, str] = field(repr=False)
    clock: Callable[[], float] = time.time
    joined: list[str] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        try:
            if request.path == "/rtc/validate":
                self._place(request)
                return Response(200, b"success", {"Access-Control-Allow-Origin": "*"})
            if request.path == "/rtc":
                return self._joined(request)
        except _RefusedError as refused:
            return refused.answer
        return _text(200, "OK") if request.path == "/" else _text(404, "404 page not found\n")

    def in_maintenance(self, request: Request) -> Response:
        """A node that has not told of itself for a while: 406 to who asks for its health, 503 to the others."""
        return _text(406, "Not Ready\nNode Updated At") if request.path == "/" else unavailable(request)

    def read_only(self, request: Request) -> Response:
        """It takes nobody in: its limits are reached."""
        if request.path.startswith("/rtc"):
            return _text(503, "node has exceeded its configured limit")
        return self.handle(request)

    def _joined(self, request: Request) -> Response:
        if not is_opening(request):
            return Response(404)
        self.joined.append(self._place(request))
        return accepted(request)

    def _place(self, request: Request) -> str:
        """The room and who comes, as the token allows. Raises _RefusedError."""
        claims = self._claims(request)
        video = claims.get("video")
        if not isinstance(video, dict) or not video.get("roomJoin"):
            raise _RefusedError(401, "no permissions to access the room")
        if not claims.get("sub"):
            raise _RefusedError(400, "identity cannot be empty")
        if not video.get("room"):
            raise _RefusedError(400, "no room name")
        return f"{video['room']}/{claims['sub']}"

    def _claims(self, request: Request) -> dict[str, Any]:
        header = request.headers.get("Authorization", "")
        if header and not header.startswith("Bearer "):
            raise _RefusedError(401, "invalid authorization header. Must start with Bearer ")
        token = header.removeprefix("Bearer ") or request.query.get("access_token", "")
        if not token:
            return {}
        try:
            secret = self.secrets.get(str(unverified(token).get("iss")))
            if secret is None:
                raise _RefusedError(401, "invalid API key")
            return claims_of(token, secret, self.clock())
        except TokenError as error:
            raise _RefusedError(401, f"invalid authorization token: {error}") from error


def _text(status: int, text: str) -> Response:
    return Response(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})
