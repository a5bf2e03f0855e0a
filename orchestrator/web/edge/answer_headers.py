"""The headers of every answer, whoever gives it: what a browser may do with it, and who may keep it."""

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Not `no-referrer`: browsers then say `Origin: null` of their own forms (Fetch, "append a request Origin header").
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_ENCRYPTED_ONLY = "max-age=63072000; includeSubDomains"
"""Two years, told over TLS alone (RFC 6797 §7.2)."""


def with_headers(send: Send, scope: Scope) -> Send:
    """`send`, with these headers on what is sent."""

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
