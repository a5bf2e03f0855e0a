"""What every request passes before any handler: whose host it names, who sends it, how large it is.

It fails closed: a route added later is guarded without doing anything for it.
"""

import asyncio
import hashlib
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.web import strict_json, well_formed
from orchestrator.web.access import Access
from orchestrator.web.limited import too_often
from orchestrator.web.limits import Limits, is_costly
from orchestrator.web.problem import answer, problem

MAX_BODY = 1024 * 1024
"""Bytes."""
BODY_WITHIN = 30.0
"""Seconds that a request's body may take to arrive."""
_READ_AT_MOST = 8 * MAX_BODY
"""A body that is too large is read this far before it is refused, so that the refusal is heard."""

_API = ("/api/", "/metrics")
"""What programs ask: they are told in their own form what is wrong."""
_WEBHOOKS = "/api/v1/webhooks/"
_SIGNALS = "/webhooks/"
"""Each source has a secret of its own, and none of them opens anything else."""
_OPEN = ("/healthz", "/readyz", "/static/", _SIGNALS)
"""Without a token: a sign of life, files that every copy of Bascule has, and what monitoring systems post."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HELD_AT_MOST = 128 * MAX_BODY
"""Bytes of bodies that may be in memory at once, before anybody has shown who they are."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_ENCRYPTED_ONLY = "max-age=63072000; includeSubDomains"
"""Two years, told over TLS alone (RFC 6797 §7.2)."""

SignIn = Callable[[Request], Response]
"""Answers the page that says where the token is."""
MethodsAt = Callable[[Scope], frozenset[str]]
AnswersTo = Callable[[str | None], bool]
"""Whether a Host header names this service."""


class Gate:
    """ASGI middleware. `sign_in` answers people without a token; programs get a problem.

    `methods_at` says which methods the path of a request has, `answers_to` whether a Host header names us.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        answers_to: AnswersTo,
        sign_in: SignIn,
        methods_at: MethodsAt,
        limits: Limits,
    ) -> None:
        self._app = app
        self._access = access
        self._answers_to = answers_to
        self._limits = limits
        self._sign_in = sign_in
        self._methods_at = methods_at
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _with_headers(send, scope)
        refusal = self._refusal(Request(scope))
        if refusal is not None or scope["method"] in ("GET", "HEAD"):
            await (refusal or self._app)(scope, receive, guarded)
            return
        body = bytearray()
        try:
            refusal = await self._read(body, Headers(scope=scope), receive)
            if refusal is None and scope["method"] in _WITH_BODY:
                refusal = self._wrong_kind(scope) or self._wrong_json(scope, body)
            await (refusal or self._app)(scope, _again(bytes(body), receive), guarded)
        finally:
            self._held -= len(body)

    async def _read(self, body: bytearray, headers: Headers, receive: Receive) -> Response | None:
        """Fill `body`, counted among what is held; or why the request is refused."""
        too_large = answer(problem(413, f"A request's body is at most {MAX_BODY} bytes."))
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:12]) > _READ_AT_MOST:
            return too_large
        read, more = 0, True
        try:
            async with asyncio.timeout(BODY_WITHIN):
                while more and read <= _READ_AT_MOST:
                    message = await receive()
                    part, more = message.get("body", b""), message.get("more_body", False)
                    read += len(part)
                    if read > MAX_BODY:
                        continue  # it is read on and let go, so that the refusal is heard
                    if self._held + len(part) > _HELD_AT_MOST:
                        return answer(problem(503, "Too much arrives at once; try again soon."), {"Retry-After": "5"})
                    body += part
                    self._held += len(part)
        except TimeoutError:
            return answer(problem(408, f"The request's body did not arrive within {BODY_WITHIN:g} s."))
        return too_large if read > MAX_BODY else None

    def _refusal(self, request: Request) -> Response | None:
        path, headers = request.scope["path"], request.headers
        fault = well_formed.fault_in(request.scope)
        if fault:
            return answer(problem(400, fault), {"Connection": "close"})
        if not self._answers_to(headers.get("host")):
            said = "This service answers to the names of this machine's loopback and to its configured host alone."
            return answer(problem(421, said))
        if path.startswith(_OPEN) or path.startswith(_WEBHOOKS):
            return None
        if not path.startswith(_API) and request.method == "GET" and "token" in request.query_params:
            return self._signed_in(request)
        if self._access.admits(request.method, headers):
            return self._too_often(request)
        if path.startswith(_API):
            said = "Send the token as `Authorization: Bearer …`; it is in the file `token` of the data directory."
            return answer(problem(401, said), {"WWW-Authenticate": 'Bearer realm="bascule"'})
        return self._sign_in(request)

    def _too_often(self, request: Request) -> Response | None:
        """Of programs, by their credential; people who look at pages share one, and are not counted."""
        shown = request.headers.get("authorization")
        if shown is None:
            return None
        identity = hashlib.sha256(shown.encode("latin-1")).hexdigest()
        costly = is_costly(request.method, request.scope["path"])
        wait = self._limits.spend(identity, costly=costly)
        return None if wait is None else too_often(wait, "You ask too often.")

    def _wrong_json(self, scope: Scope, body: bytearray) -> Response | None:
        """What two readers of JSON may read differently. Deliveries are their senders', and are read on their own."""
        path = scope["path"]
        if not path.startswith(_API) or path.startswith(_WEBHOOKS):
            return None
        fault = strict_json.fault_in(bytes(body))
        return answer(problem(400, fault)) if fault else None

    def _wrong_kind(self, scope: Scope) -> Response | None:
        """The API takes JSON alone. What the path does not have at all is refused by the router, for that reason."""
        path = scope["path"]
        kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json" or not path.startswith(_API) or path.startswith(_WEBHOOKS):
            return None
        if scope["method"] not in self._methods_at(scope):
            return None
        return answer(problem(415, "Send JSON, with `Content-Type: application/json`."))

    def _signed_in(self, request: Request) -> Response:
        """The token moves from the address into a cookie that only this site can send and no script can read."""
        if not self._access.is_token(request.query_params["token"]):
            return self._sign_in(request)
        left = urlencode([pair for pair in parse_qsl(request.url.query) if pair[0] != "token"])
        path = "/" + quote(request.scope["path"].lstrip("/"))
        response = RedirectResponse(f"{path}?{left}" if left else path, status_code=303)
        response.set_cookie(
            self._access.cookie_name,
            self._access.cookie_value,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response


def _with_headers(send: Send, scope: Scope) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if scope.get("scheme") == "https":
                headers["Strict-Transport-Security"] = _ENCRYPTED_ONLY
            headers["Cache-Control"] = "no-cache" if scope["path"].startswith("/static/") else "no-store"
        await send(message)

    return sent


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands out the body that was read, then whatever comes after it."""
    given = False

    async def received() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received
