"""Counts who fails to show who they are, by what is answered: so no route and no gate can forget to."""

import math
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.web.edge.answer_headers import with_headers
from orchestrator.web.edge.limits import Limits
from orchestrator.web.problem import Problem, problem

_FAILED = 401
_WHY = "Too much was wrong from this address."
_WEBHOOKS = ("/webhooks/", "/api/v1/webhooks/")
_SIGN_IN = ("/api/v1/sessions", "/api/v1/invitations/", "/sign-in", "/welcome")
"""Where passwords, codes and keys are taken."""
_GUESSABLE = frozenset({"/api/v1/sessions", "/sign-in"})
"""Where passwords are: who failed too often is refused before one is looked at. Keys and sealed codes have paths of
their own, and are let try."""

Refuse = Callable[[Request, Problem, Mapping[str, str]], Response]
"""Puts a refusal for whoever asked: people read a page, programs a problem."""


class Limited:
    """ASGI middleware. A failure too many at one address is answered 429; good credentials pass all the while.

    Only who shows something that is wrong has failed: a person who opens the page and is asked who they are has not,
    nor has one whose cookie is old. A delivery always shows something.
    """

    def __init__(self, app: ASGIApp, limits: Limits, refuse: Refuse) -> None:
        self._app = app
        self._refuse = refuse
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _shows_something(scope):
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("", 0))[0]
        wait = self._limits.refuse_failed(address) if scope["path"] in _GUESSABLE and _signs_in(scope) else None
        if wait is not None:
            await too_often(self._refuse, Request(scope), wait, _WHY)(scope, receive, with_headers(send, scope))
            return
        instead: Response | None = None

        async def counted(message: Message) -> None:
            nonlocal instead
            if message["type"] == "http.response.start" and message["status"] == _FAILED:
                wait = self._limits.failed(address)
                instead = None if wait is None else too_often(self._refuse, Request(scope), wait, _WHY)
                if instead is not None:
                    await instead(scope, receive, with_headers(send, scope))
            if instead is None:
                await send(message)

        await self._app(scope, receive, counted)


def too_often(refuse: Refuse, request: Request, wait: float, why: str) -> Response:
    """429 (RFC 6585 §4). `wait`: seconds."""
    seconds = max(1, math.ceil(wait))
    return refuse(request, problem(429, f"{why} Come again in {seconds} s."), {"Retry-After": str(seconds)})


def _signs_in(scope: Scope) -> bool:
    return scope["method"] == "POST" and str(scope["path"]).startswith(_SIGN_IN)


def _shows_something(scope: Scope) -> bool:
    path = scope["path"]
    if "authorization" in Headers(scope=scope) or path.startswith(_WEBHOOKS) or _signs_in(scope):
        return True
    return b"token=" in scope["query_string"] and "token" in parse_qs(scope["query_string"].decode("latin-1"))
