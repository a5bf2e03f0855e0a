"""What every page has in common: its language, its head, and who looks at it. A page is whole without a script."""

import functools
import time
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar

import jinja2
from fastapi import Cookie, Depends, Header, Query, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from orchestrator.domain.halt import HOW_TO_LIFT, Halted
from orchestrator.domain.people.actor import Lack
from orchestrator.domain.people.role import Permission
from orchestrator.operations.request import RequestError
from orchestrator.web import times
from orchestrator.web.edge.access import Caller
from orchestrator.web.pages.done import done_before, forget, over_tls
from orchestrator.web.pages.text import clean, short
from orchestrator.web.parts import Parts
from orchestrator.web.words import LANGUAGES, Language, language_of, say, say_marked

STATIC = Path(__file__).parent / "static"
PLACES = (
    ("now", "/"),
    ("services", "/services"),
    ("plans", "/plans"),
    ("history", "/history"),
    ("signals", "/signals"),
    ("map", "/map"),
    ("estate", "/estate"),
    ("settings", "/settings"),
)
"""Name, whose word is `nav.…`, and address."""
LANGUAGE_COOKIE = "bascule_language"
_A_YEAR = 365 * 86400
A_PART = 32_768
"""Characters of a long page that are sent at once."""

R = TypeVar("R", bound=Response)

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page_language(
    lang: Annotated[str | None, Query(max_length=8)] = None,
    accept_language: Annotated[str | None, Header()] = None,
    remembered: Annotated[str | None, Cookie(alias=LANGUAGE_COOKIE)] = None,
) -> Language:
    return language_of(lang, accept_language, remembered)


Lang = Annotated[Language, Depends(page_language)]


def language_asked(request: Request) -> Language:
    """For what answers outside of any route."""
    return language_of(
        request.query_params.get("lang"),
        request.headers.get("accept-language"),
        request.cookies.get(LANGUAGE_COOKIE),
    )


def render(request: Request, name: str, language: Language, status: int = 200, **values: Any) -> HTMLResponse:
    """A template with its values. The language that was asked for in the address is remembered from then on."""
    page = _templates.get_template(name).render(_values(request, language, status, values))
    return _kept(request, language, HTMLResponse(page, status, _headers(language)))


def render_in_parts(request: Request, name: str, language: Language, **values: Any) -> Response:
    """The same for a long page: its head is sent, and shown, before its last row is written."""
    written = _templates.get_template(name).generate(_values(request, language, 200, values))
    parts = in_parts(written)
    head = next(parts)  # what goes wrong here is still answered as an error
    return _kept(
        request, language, StreamingResponse(chain([head], parts), headers=_headers(language), media_type="text/html")
    )


def _values(request: Request, language: Language, status: int, values: dict[str, Any]) -> dict[str, Any]:
    path = values.pop("path", request.url.path)
    return dict(
        language=language,
        others=[(other, say(other, "language"), _in_language(request, path, other)) for other in _others(language)],
        path=path,
        here=str(request.url.replace(scheme="", netloc="")),
        places=PLACES,
        did=done_before(request, language) if status < 400 else "",
        can=functools.partial(_can, request),
        revision=getattr(request.state, "revision", ""),
        say=functools.partial(say_marked, language),
        duration=lambda seconds: times.duration(seconds, language),
        moment=functools.partial(times.marked, language),
        clean=clean,
        short=short,
        zone=times.zone(),
        now=time.time(),
        lifting=HOW_TO_LIFT,
        halted=_halted(request) if status < 400 else None,
        who=_who(request),
        page_token=_page_token(request),
        **values,
    )


def _headers(language: Language) -> dict[str, str]:
    return {"Vary": "Accept-Language, Cookie", "Content-Language": language}


def _kept(request: Request, language: Language, response: R) -> R:
    """The language that was asked for in the address is remembered; what was done was said, and is forgotten."""
    if response.status_code < 400 and done_before(request, language):
        forget(request, response)
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE, language, max_age=_A_YEAR, httponly=True, samesite="lax", secure=over_tls(request)
        )
    return response


def plain_page(request: Request, status: int, key: str, detail: str = "") -> Response:
    """A page that says no more than that there is nothing, that it is not allowed, or that the service failed."""
    language = language_asked(request)
    values = {"title": say(language, f"plain.{key}.title"), "why": say(language, f"plain.{key}.why"), "detail": detail}
    return render(request, "plain.html", language, status, **values)


def in_parts(written: Iterable[str]) -> Iterator[str]:
    """The same text, in parts of `A_PART` characters or a little more, and what is left."""
    held, size = list[str](), 0
    for piece in written:
        held.append(piece)
        size += len(piece)
        if size >= A_PART:
            yield "".join(held)
            held, size = [], 0
    yield "".join(held)


def service_titles(given: Parts, language: Language, commit: str | None = None) -> dict[str, str]:
    """By name, at a commit or at the newest; empty where the estate can't be read."""
    try:
        estates = given.service.estates
        services = estates.bundle(commit or estates.newest()).estate.services
    except RequestError:
        return {}
    return {name: str(getattr(service.title, language)) for name, service in services.items()}


def _others(language: Language) -> list[Language]:
    return [other for other in LANGUAGES if other != language]


def _in_language(request: Request, path: str, language: Language) -> str:
    """The same page, with what else it was asked for."""
    url = request.url.include_query_params(lang=language).replace(path=path)
    return f"{path}?{url.query}"


def _can(request: Request, permission: str, services: Collection[str] | None = None) -> bool:
    """Whether it is offered: by role alone. A second factor that must be shown again is asked for when it is done."""
    found = getattr(request.state, "caller", None)
    if not isinstance(found, Caller) or not found.actor.is_person:
        return False
    return found.actor.lacks(Permission(permission), services) is not Lack.ROLE


def _who(request: Request) -> str:
    """Whoever is signed in; empty for who is not, and for whoever looks with the installation's token."""
    found = getattr(request.state, "caller", None)
    return found.actor.name if isinstance(found, Caller) else ""


def _page_token(request: Request) -> str:
    """What a form of this page sends back, so that it is known to come from here."""
    found = getattr(request.state, "caller", None)
    parts: Parts = request.app.state.parts
    return parts.access.page_token(found.cookie) if isinstance(found, Caller) and found.cookie else ""


def _halted(request: Request) -> Halted | None:
    """Every page says so while the kill switch is engaged; those that say no alone do not."""
    parts: Parts = request.app.state.parts
    return parts.service.halt.in_force()
