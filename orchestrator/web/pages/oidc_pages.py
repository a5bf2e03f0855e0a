"""To the organisation's identity provider and back."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from orchestrator.operations.request import RequestError
from orchestrator.web.pages.sign_in_pages import refused_sign_in, with_session
from orchestrator.web.parts import Given

router = APIRouter(prefix="/oidc", include_in_schema=False)

COOKIE = "bascule_oidc"
"""Ties the answer to the browser that asked. Lax: it comes back from another site."""
Text = Annotated[str, Query(max_length=4000)]


@router.get("/start")
def start(request: Request, given: Given) -> Response:
    try:
        url, state = given.service.people.through_provider.begin(_back(request))
    except RequestError as error:
        return refused_sign_in(request, str(error))
    response = RedirectResponse(url, status_code=303)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, state, max_age=600, httponly=True, samesite="lax", secure=secure, path="/oidc")
    return response


@router.get("/return")
def come_back(request: Request, given: Given, state: Text = "", code: Text = "", error: Text = "") -> Response:
    """`error`: what the provider says instead of a code; it is not shown, it may hold anything."""
    if error or not state or request.cookies.get(COOKIE) != state:
        return refused_sign_in(request, "The identity provider did not sign you in: begin again, or use your password.")
    agent = request.headers.get("user-agent", "")
    try:
        made = given.service.people.through_provider.finish(_back(request), state, code, agent)
    except RequestError as refusal:
        return refused_sign_in(request, str(refusal))
    response = with_session(request, made, "/")
    response.delete_cookie(COOKIE, path="/oidc")
    return response


def _back(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}/oidc/return"
