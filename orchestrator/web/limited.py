"""Counts who fails to show who they are, by what is answered: so no route and no gate can forget to."""

import math
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.web.limits import Limits
from orchestrator.web.problem import ProblemResponse, answer, problem

_FAILED = 401
_WEBHOOKS = ("/webhooks/", "/api/v1/webhooks/")


class Limited:
    """ASGI middleware. A failure too many at one address is answered 429; good credentials pass all the while.

    Only who shows something that is wrong has failed: a person who opens the page and is asked who they are has not,
    nor has one whose cookie is old. A delivery always shows something.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _shows_something(scope):
            await self._app(scope, receive, send)
            return
        instead: ProblemResponse | None = None

        async def counted(message: Message) -> None:
            nonlocal instead
            if message["type"] == "http.response.start" and message["status"] == _FAILED:
                wait = self._limits.failed((scope.get("client") or ("", 0))[0])
                instead = None if wait is None else too_often(wait, "Too much was wrong from this address.")
                if instead is not None:
                    kept = [one for one in message["headers"] if one[0].lower() in _KEPT]
                    await send({**message, "status": 429, "headers": [*instead.raw_headers, *kept]})
                    await send({"type": "http.response.body", "body": instead.body})
                    return
            if instead is None:
                await send(message)

        await self._app(scope, receive, counted)


_KEPT = frozenset(
    {
        b"cache-control",
        b"content-security-policy",
        b"cross-origin-embedder-policy",
        b"cross-origin-opener-policy",
        b"cross-origin-resource-policy",
        b"permissions-policy",
        b"referrer-policy",
        b"strict-transport-security",
        b"x-content-type-options",
    }
)
"""What the gate puts on every answer, and this one keeps."""


def too_often(wait: float, why: str) -> ProblemResponse:
    """429 (RFC 6585 §4). `wait`: seconds."""
    seconds = max(1, math.ceil(wait))
    return answer(problem(429, f"{why} Come again in {seconds} s."), {"Retry-After": str(seconds)})


def _shows_something(scope: Scope) -> bool:
    path = scope["path"]
    if "authorization" in Headers(scope=scope) or path.startswith(_WEBHOOKS):
        return True
    return b"token=" in scope["query_string"] and "token" in parse_qs(scope["query_string"].decode("latin-1"))
