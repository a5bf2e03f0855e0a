"""The pages of signing in and of an invitation. All work without a script; security keys need one."""

import json
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from orchestrator.domain.people.actor import Proof
from orchestrator.operations.people.enrolment import Invited
from orchestrator.operations.people.sign_in import Opened
from orchestrator.operations.request import RequestError
from orchestrator.web.edge.access import is_loopback
from orchestrator.web.edge.authority import Acting
from orchestrator.web.pages.form import Fields, Form
from orchestrator.web.pages.page import Lang, language_asked, render
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language

router = APIRouter(include_in_schema=False)

Secret = Annotated[str, Query(max_length=100)]


def sign_in(request: Request) -> Response:
    """For the gate: whoever asks for a page without being signed in is sent there, and back afterwards.

    A first visit from another site comes without the cookie, so that one asks again at once.
    """
    if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        return _sign_in_page(request, again=True)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query and request.method == "GET" else "")
    return _sign_in_page(request, wanted=wanted if request.method == "GET" else "/")


@router.get("/sign-in")
def show_sign_in(request: Request, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:  # noqa: A002
    return _sign_in_page(request, wanted=next, status=200)


@router.post("/sign-in")
def take_sign_in(request: Request, form: Form, given: Given) -> Response:
    """By password and code."""
    signing = given.service.people.sign_in
    return _taken(
        request,
        form,
        lambda name, agent: signing.with_password(name, form.get("password", ""), form.get("code", ""), agent),
    )


@router.post("/sign-in/key")
def take_key(request: Request, form: Form, given: Given) -> Response:
    """By a security key's answer: at a path of its own, which no failed password ever shuts."""

    def opened(name: str, agent: str) -> Opened:
        try:
            answer = json.loads(form.get("answer", ""))
        except (ValueError, RecursionError) as error:
            raise RequestError("The security key's answer can't be read: try again.") from error
        return given.service.people.sign_in.with_key(name, form.get("challenge", ""), answer, agent)

    return _taken(request, form, opened)


@router.post("/sign-in/codes")
def take_codes(request: Request, form: Form, given: Given) -> Response:
    """By sealed codes, the same way."""
    codes, reason = form.get("codes", "").splitlines(), form.get("reason", "")
    return _taken(request, form, lambda _name, agent: given.service.people.break_glass.open(codes, reason, agent))


@router.get("/welcome")
def show_welcome(request: Request, given: Given, language: Lang, code: Secret = "") -> Response:
    try:
        return _welcome(request, language, given.service.people.enrolment.invited(code), code)
    except RequestError as error:
        return _welcome(request, language, None, "", wrong=str(error))


@router.post("/welcome")
def take_welcome(request: Request, form: Form, given: Given, language: Lang) -> Response:
    """A password is chosen with the link; the account's page asks for a second factor next."""
    code, name = form.get("code", ""), form.get("name", "").strip().lower()
    enrolment = given.service.people.enrolment
    try:
        invited = enrolment.invited(code)
    except RequestError as error:
        return _welcome(request, language, None, "", wrong=str(error))
    try:
        made = enrolment.accept(code, name, form.get("password", ""), request.headers.get("user-agent", ""))
    except RequestError as error:
        return _welcome(request, language, invited, code, name=name, wrong=str(error))
    return with_session(request, made, "/account?enrol=totp")


@router.post("/sign-out")
def sign_out(request: Request, given: Given, acting: Acting) -> Response:
    given.service.people.sign_in.sign_out(acting)
    return signed_out(request, given)


def _taken(request: Request, form: Fields, opened: Callable[[str, str], Opened]) -> Response:
    """`opened` is given the name and what the browser calls itself."""
    wanted, name = local_path(form.get("next", "/")), form.get("name", "").strip().lower()
    try:
        made = opened(name, request.headers.get("user-agent", ""))
    except RequestError as error:
        return _sign_in_page(request, wanted=wanted, login=name, wrong=str(error))
    return with_session(request, made, "/account" if made.actor.proof is Proof.PASSWORD else wanted)


def with_session(request: Request, made: Opened, wanted: str) -> Response:
    parts: Parts = request.app.state.parts
    secure = request.url.scheme == "https"
    response = RedirectResponse(wanted, status_code=303)
    name = f"__Host-{parts.access.cookie_name}" if secure else parts.access.cookie_name
    response.set_cookie(name, made.secret, httponly=True, samesite="strict", secure=secure, path="/")
    return response


def refused_sign_in(request: Request, why: str) -> Response:
    """The page of signing in, with why the last try did not work."""
    return _sign_in_page(request, wrong=why)


def signed_out(request: Request, given: Parts) -> Response:
    response = RedirectResponse("/sign-in", status_code=303)
    for name in (given.access.cookie_name, f"__Host-{given.access.cookie_name}"):
        response.delete_cookie(name, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="strict")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _sign_in_page(request: Request, *, wanted: str = "/", status: int = 401, **more: Any) -> Response:
    parts: Parts = request.app.state.parts
    language = language_asked(request)
    values = {"again": False, "login": "", "wrong": "", "idp": parts.service.people.through_provider.is_there, **more}
    at_home = is_loopback(request.url.hostname or "")
    values |= {"file": str(parts.service.paths.token) if at_home else "", "base": str(request.base_url)}
    values["next"] = local_path(wanted)
    if request.method != "GET" or request.url.path.startswith("/oidc/"):
        values["path"] = "/sign-in"  # where the page can be asked for in another language
    return render(request, "sign_in.html", language, status, **values)


def _welcome(
    request: Request, language: Language, invited: Invited | None, code: str, *, name: str = "", wrong: str = ""
) -> Response:
    status = 200 if invited is not None and not wrong else 401
    return render(request, "welcome.html", language, status, invited=invited, code=code, login=name, wrong=wrong)


def local_path(wanted: str) -> str:
    """Only a path of this site is gone back to."""
    if not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or any(ord(sign) < 33 for sign in wanted):
        return "/"
    return quote(wanted, safe="/?&=%:@+,;~-._")
