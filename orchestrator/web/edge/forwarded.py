"""Who asks, behind a proxy: what a declared proxy says is believed, what anybody else says is thrown away.

Of X-Forwarded-For the entries are read from the right: each proxy adds the address that it saw, so the first from the
right that is no declared proxy is the client, and whatever stands further left was written by the client itself.
`Forwarded` (RFC 7239) is never read.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.web.edge.answer_headers import with_headers
from orchestrator.web.edge.listening import Listening, address_of, hops_of
from orchestrator.web.problem import answer, problem

_SAID = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
_NAMES = frozenset(
    name.encode()
    for name in (*_SAID, "forwarded", "x-forwarded-port", "x-forwarded-prefix", "x-real-ip", "x-client-ip")
)


class Malformed(Exception):
    """A declared proxy sent what can't be true: its own settings are wrong, or it lets something through."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Forwarded:
    """ASGI middleware, outside of everything else: afterwards `client`, `scheme` and `host` are the true ones."""

    def __init__(self, app: ASGIApp, listening: Listening) -> None:
        self._app = app
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            told = self._told(scope)
        except Malformed as fault:
            await answer(problem(fault.status, str(fault)))(scope, receive, with_headers(send, scope))
            return
        await self._app(told, receive, send)

    def _told(self, scope: Scope) -> Scope:
        """Raises Malformed."""
        headers = Headers(scope=scope)
        peer = (scope.get("client") or ("", 0))[0]
        kept = [(name, value) for name, value in scope["headers"] if name not in _NAMES]
        plain = {**scope, "headers": kept}
        if not self._listening.is_proxy(peer) or not any(name in headers for name in _SAID):
            return plain  # a program of the proxy's own machine, such as the command line, says none of them
        scheme, client = self._scheme(headers), self._client(headers, peer)
        self._require_name(headers, scheme)
        told = {**plain, "scheme": scheme, "client": (client, 0)}
        public = self._listening.public
        if public is not None:
            told["headers"] = [
                *((name, value) for name, value in kept if name != b"host"),
                (b"host", _ascii(public.netloc)),
            ]
        return told

    def _client(self, headers: Headers, peer: str) -> str:
        for entry in reversed(hops_of(headers.getlist("x-forwarded-for"))):
            address = address_of(_without_port(entry))
            if address is None:
                raise Malformed(400, "X-Forwarded-For holds something that is no address.")
            peer = str(address)
            if not self._listening.is_proxy(peer):
                break
        return peer

    def _scheme(self, headers: Headers) -> str:
        given = headers.getlist("x-forwarded-proto")
        public = self._listening.public
        if not given:
            return public.scheme if public is not None else "http"
        if len(given) > 1 or given[0].strip().lower() not in ("http", "https"):
            raise Malformed(400, "X-Forwarded-Proto is http or https, and there once.")
        return given[0].strip().lower()

    def _require_name(self, headers: Headers, scheme: str) -> None:
        public = self._listening.public
        if public is None:
            return
        named = headers.getlist("x-forwarded-host") or headers.getlist("host")
        if len(named) != 1 or not public.is_named(named[0]):
            raise Malformed(421, f"This service answers to {public.netloc} alone; the proxy said another host.")
        if public.scheme == "https" and scheme != "https":
            raise Malformed(421, f"This service answers over https alone: https://{public.netloc}.")


def _without_port(entry: str) -> str:
    """`192.0.2.1:4711` and `[2001:db8::1]:4711` -> the address."""
    if entry.startswith("["):
        address, closed, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
        return address if closed and (not rest or (rest.startswith(":") and port.isdecimal())) else ""
    if entry.count(":") == 1:
        address, _, port = entry.partition(":")
        return address if port.isdecimal() else ""
    return entry


def _ascii(netloc: str) -> bytes:
    return netloc.encode("ascii", "ignore")
