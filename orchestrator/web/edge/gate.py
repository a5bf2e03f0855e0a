"""What every request passes before any handler: whose host it names, who sends it, how large it is.

It fails closed: a route added later is guarded without doing anything for it.
"""

import asyncio
import functools
import hashlib
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.domain.people.actor import Proof
from orchestrator.web.edge import strict_json, well_formed
from orchestrator.web.edge.access import Access, Caller
from orchestrator.web.edge.answer_headers import with_headers
from orchestrator.web.edge.bodies import Share, Shares
from orchestrator.web.edge.limited import Refuse, too_often
from orchestrator.web.edge.limits import Limits, is_costly, is_unlimited
from orchestrator.web.edge.permissions import NEEDS
from orchestrator.web.problem import answer, problem

BODY_WITHIN = 30.0
"""Seconds that a request's body may take to arrive."""
_READ_ON = 8
"""A body that is too large is read to so many times its size before it is refused, so that the refusal is heard."""

_API = ("/api/", "/metrics")
"""What programs ask: they are told in their own form what is wrong."""
_WEBHOOKS = "/api/v1/webhooks/"
_SIGNALS = "/webhooks/"
"""Each source has a secret of its own, and none of them opens anything else."""
_OPEN = ("/healthz", "/readyz", "/static/", _SIGNALS)
"""Without a token: a sign of life, files that every copy of Bascule has, and what monitoring systems post."""
_DOORS = frozenset(key for key, needed in NEEDS.items() if needed is None)
"""Where people come in: they have nothing to show yet."""
_PATHS_OF_DOORS = frozenset(key.partition(" ")[2] for key in _DOORS)
_LOOKED_UP_AT_ONCE = 8
"""Sessions and tokens that are looked for in the database at the same time."""
FORM = "application/x-www-form-urlencoded"
PAGE_TOKEN = "page_token"  # noqa: S105 - a field's name
PAGE_TOKEN_HEADER = "x-page-token"  # noqa: S105 - a header's name
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CHECKED_AT_ONCE = 2
"""Large bodies that are looked through at the same time."""
_CHECKED_ASIDE = 16 * 1024
"""Bytes of JSON from which on it is looked through beside everything else: a megabyte takes a second."""


SignIn = Callable[[Request], Response]
"""Sends people to where they sign in."""
MethodsAt = Callable[[Scope], frozenset[str]]
AnswersTo = Callable[[str | None], bool]
"""Whether a Host header names this service."""


class Gate:
    """ASGI middleware. `sign_in` answers people without a token; programs get a problem.

    `methods_at` says which methods the path of a request has, `answers_to` whether a Host header names us; `refuse`
    tells whoever asks too often, in the form that they read.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        answers_to: AnswersTo,
        sign_in: SignIn,
        methods_at: MethodsAt,
        limits: Limits,
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._access = access
        self._answers_to = answers_to
        self._limits = limits
        self._refuse = refuse
        self._sign_in = sign_in
        self._methods_at = methods_at
        self._shares = Shares()
        self._checks = CapacityLimiter(_CHECKED_AT_ONCE)
        self._lookups = CapacityLimiter(_LOOKED_UP_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = with_headers(send, scope)
        request = Request(scope)
        refusal = self._misplaced(request) or self._signed_in(request) or await self._unknown(request)
        if refusal is not None or scope["method"] in ("GET", "HEAD"):
            await (refusal or self._app)(scope, receive, guarded)
            return
        body, share = bytearray(), self._share_of(request)
        try:
            refusal = await _read(body, Headers(scope=scope), receive, share)
            if refusal is None and scope["method"] in _WITH_BODY:
                refusal = (
                    self._wrong_kind(scope, bytes(body))
                    or await self._wrong_json(scope, bytes(body))
                    or self._forged(request, bytes(body))
                )
            if not scope["path"].startswith((*_API, *_OPEN)):
                request.state.sent = bytes(body)  # what whoever must prove themselves again goes on with
            await (refusal or self._app)(scope, _again(bytes(body), receive), guarded)
        finally:
            share.let_go(len(body))

    def _share_of(self, request: Request) -> Share:
        if request.scope["path"].startswith((_SIGNALS, _WEBHOOKS)):
            return self._shares.deliveries
        known = getattr(request.state, "caller", None) is not None
        if request.scope["path"] in _DOORS or not known:
            return self._shares.doors
        return self._shares.known

    def _misplaced(self, request: Request) -> Response | None:
        fault = well_formed.fault_in(request.scope)
        if fault:
            return answer(problem(400, fault), {"Connection": "close"})
        if self._answers_to(request.headers.get("host")):
            return None
        said = "This service answers to the names of this machine's loopback and to its configured name alone."
        return answer(problem(421, said))

    async def _unknown(self, request: Request) -> Response | None:
        """Whoever asks is remembered with the request; the answer to those who must be known and are not."""
        path = request.scope["path"]
        if path.startswith(_OPEN) or path.startswith(_WEBHOOKS):
            return None
        who = functools.partial(self._access.who, request.method, request.headers)
        caller = await run_sync(who, limiter=self._lookups)
        request.state.caller = caller
        if caller is not None:
            return self._too_often(request, caller)
        if f"{request.method} {path}" in _DOORS:
            return None
        if path.startswith(_API):
            if path in _PATHS_OF_DOORS and request.method not in self._methods_at(request.scope):
                return None  # a method that a door does not have is the router's to refuse, whoever asks
            said = (
                "Send a token as `Authorization: Bearer …`: one that `bascule login` or an admin gave, or this "
                "installation's own, from the file `token` of the data directory."
            )
            return answer(problem(401, said), {"WWW-Authenticate": 'Bearer realm="bascule"'})
        return self._sign_in(request)

    def _too_often(self, request: Request, caller: Caller) -> Response | None:
        """Of people by their name, of programs by their credential: what a program does is never its person's haste.

        The installation's cookie, which many may share to look at pages, is not counted; nor is halting.
        """
        path, shown = request.scope["path"], request.headers.get("authorization")
        in_person = caller.actor.is_person and caller.actor.proof is not Proof.TOKEN
        if is_unlimited(path) or (not in_person and shown is None):
            return None
        identity = caller.actor.name if in_person else hashlib.sha256(str(shown).encode()).hexdigest()
        costly = is_costly(request.method, path)
        wait = self._limits.spend(identity, costly=costly)
        return None if wait is None else too_often(self._refuse, request, wait, "You ask too often.")

    async def _wrong_json(self, scope: Scope, body: bytes) -> Response | None:
        """What two readers of JSON may read differently. Deliveries are their senders', and are read on their own."""
        path = scope["path"]
        if not path.startswith(_API) or path.startswith(_WEBHOOKS):
            return None
        if len(body) <= _CHECKED_ASIDE:
            fault = strict_json.fault_in(body)
        else:
            fault = await run_sync(strict_json.fault_in, body, limiter=self._checks)
        return answer(problem(400, fault)) if fault else None

    def _forged(self, request: Request, body: bytes) -> Response | None:
        """What a browser sends by itself, on another site's behalf: a cookie proves nothing without the page's token.

        OWASP's cheat sheet on cross-site request forgery: the origin is looked at first, and a token besides.
        """
        caller: Caller | None = getattr(request.state, "caller", None)
        path = request.scope["path"]
        from_form = not path.startswith((*_API, *_OPEN))
        if not from_form and (caller is None or not caller.cookie):
            return None
        said = "The request does not come from a page of this service: open the page, and do it there."
        if not _is_of_this_site(request):
            return answer(problem(403, said, "forged"))
        if caller is None or not caller.cookie:
            return None
        fields = dict(parse_qsl(body.decode("latin-1"))) if from_form else {}
        given = request.headers.get(PAGE_TOKEN_HEADER) or fields.get(PAGE_TOKEN, "")
        return None if self._access.is_page_token(caller.cookie, given) else answer(problem(403, said, "forged"))

    def _wrong_kind(self, scope: Scope, body: bytes) -> Response | None:
        """The API takes JSON alone. What the path does not have at all is refused by the router, for that reason."""
        path = scope["path"]
        said = Headers(scope=scope).get("content-type", "")
        if not body and not said:
            return None
        kind = said.partition(";")[0].strip().lower()
        if not path.startswith((*_API, _SIGNALS)) and kind != FORM and scope["method"] in self._methods_at(scope):
            return answer(problem(415, f"Send a form, with `Content-Type: {FORM}`."))
        if kind == "application/json" or not path.startswith(_API) or path.startswith(_WEBHOOKS):
            return None
        if scope["method"] not in self._methods_at(scope):
            return None
        return answer(problem(415, "Send JSON, with `Content-Type: application/json`."))

    def _signed_in(self, request: Request) -> Response | None:
        """The token moves from the address into a cookie that only this site can send and no script can read."""
        at_page = not request.scope["path"].startswith((*_API, *_OPEN)) and request.method == "GET"
        if not at_page or "token" not in request.query_params:
            return None
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


async def _read(body: bytearray, headers: Headers, receive: Receive, share: Share) -> Response | None:
    """Fill `body`, counted among what its share holds; or why the request is refused."""
    most = share.largest
    too_large = answer(problem(413, f"A request's body is at most {most} bytes here."))
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > _READ_ON * most:
        return too_large
    read, more = 0, True
    try:
        async with asyncio.timeout(BODY_WITHIN):
            while more and read <= _READ_ON * most:
                message = await receive()
                part, more = message.get("body", b""), message.get("more_body", False)
                read += len(part)
                if read > most:
                    continue  # it is read on and let go, so that the refusal is heard
                if not share.takes(len(part)):
                    return answer(problem(503, "Too much arrives at once; try again soon."), {"Retry-After": "5"})
                body += part
    except TimeoutError:
        return answer(problem(408, f"The request's body did not arrive within {BODY_WITHIN:g} s."))
    return too_large if read > most else None


def _is_of_this_site(request: Request) -> bool:
    """By `Origin`, which every browser sends with what changes something; else by what it says of the page."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site") == "same-origin"
    return urlsplit(origin).netloc == request.headers.get("host") and origin != "null"


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
