"""Few at a time where somebody unknown makes the service work or wait: hashes of passwords, an identity provider.

So a crowd that guesses, or a provider that hangs, never takes the threads that pages and signed-in people need.
Security keys and sealed codes go past it: they are quick, and can't be guessed.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.web.problem import answer, problem

AT_ONCE = 8
"""Requests of one kind that are under way at the same time."""
_PASSWORDS, _PROVIDER = "passwords", "provider"
_KINDS: Mapping[tuple[str, str], str] = {
    ("POST", "/api/v1/sessions"): _PASSWORDS,
    ("POST", "/api/v1/invitations/accept"): _PASSWORDS,
    ("POST", "/sign-in"): _PASSWORDS,
    ("POST", "/welcome"): _PASSWORDS,
    ("GET", "/oidc/start"): _PROVIDER,
    ("GET", "/oidc/return"): _PROVIDER,
}
_SAID = "Too many sign in at once; try again soon. A security key or sealed codes need no waiting."


class Turnstile:
    """ASGI middleware, within the gate: a body is whole by then, so that nobody stands here by sending slowly."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._inside = {_PASSWORDS: 0, _PROVIDER: 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope.get("method") == "HEAD" else scope.get("method", "")
        kind = _KINDS.get((method, scope.get("path", "")))
        if kind is None:
            await self._app(scope, receive, send)
            return
        if self._inside[kind] >= AT_ONCE:
            await answer(problem(503, _SAID), {"Retry-After": "2"})(scope, receive, send)
            return
        self._inside[kind] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside[kind] -= 1
