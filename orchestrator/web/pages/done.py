"""What was just done, which the page that one arrives at says once.

It stands in a cookie and in no address: an address can be sent to somebody, who would believe that they did it. Two
pages that are opened at the same moment may tell each other's.
"""

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from orchestrator.web.parts import Parts
from orchestrator.web.words import Language, knows, say

_TOLD_WITHIN = 30
"""Seconds after which it is not said any more."""


def done(request: Request, where: str, did: str) -> Response:
    """Go on to a page that says so. `did`: the message `did.…`; empty for none."""
    response = RedirectResponse(where, status_code=303)
    if did:
        response.set_cookie(
            _cookie(request), did, max_age=_TOLD_WITHIN, secure=over_tls(request), httponly=True, samesite="strict"
        )
    return response


def done_before(request: Request, language: Language) -> str:
    """In words; empty where nothing was done just now. What a page's script asks for says nothing: the page did."""
    if request.method != "GET" or "hx-request" in request.headers:
        return ""
    key = f"did.{request.cookies.get(_cookie(request), '')}"
    return say(language, key) if knows(language, key) else ""


def forget(request: Request, response: Response) -> None:
    """It was said."""
    response.delete_cookie(_cookie(request), secure=over_tls(request), httponly=True, samesite="strict")


def _cookie(request: Request) -> str:
    """Of each installation, as its session's is; over TLS no other host of the domain can set it (RFC 6265bis)."""
    parts: Parts = request.app.state.parts
    return f"{'__Host-' if over_tls(request) else ''}{parts.access.cookie_name}_did"


def over_tls(request: Request) -> bool:
    return request.url.scheme == "https"
