"""The web application: every route, and what happens to every error."""

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from orchestrator.web.api import (
    clock_routes,
    doctor_routes,
    estate_routes,
    halt_routes,
    inventory_routes,
    map_routes,
    people_routes,
    plan_routes,
    proposal_routes,
    resource_routes,
    run_routes,
    secret_routes,
    session_routes,
    signal_routes,
    situation_routes,
    standing_routes,
    verdict_routes,
)
from orchestrator.web.edge import permissions
from orchestrator.web.edge.access import Access
from orchestrator.web.edge.authority import authorized
from orchestrator.web.edge.forwarded import Forwarded
from orchestrator.web.edge.gate import Gate
from orchestrator.web.edge.limited import Limited
from orchestrator.web.edge.limits import Limits
from orchestrator.web.edge.listening import Listening
from orchestrator.web.edge.turnstile import Turnstile
from orchestrator.web.live import Busy, Live
from orchestrator.web.metrics import CONTENT_TYPE, Metered, Metrics
from orchestrator.web.pages import (
    account_pages,
    approval_pages,
    audit_pages,
    credential_pages,
    estate_pages,
    glass_pages,
    halt_pages,
    history_pages,
    itself_pages,
    live_pages,
    map_pages,
    now_pages,
    oidc_pages,
    people_pages,
    plan_pages,
    proposal_pages,
    resource_pages,
    run_action_pages,
    run_pages,
    secret_pages,
    service_pages,
    settings_pages,
    sign_in_pages,
    signal_pages,
    source_pages,
    standing_pages,
    token_pages,
)
from orchestrator.web.pages.page import STATIC, plain_page
from orchestrator.web.parts import Given, Parts
from orchestrator.web.problem import ANSWERABLE, MEDIA_TYPE, Problem, answer, invalid_request, problem, problem_of
from orchestrator.web.reading import Reading
from orchestrator.web.service import Service

log = logging.getLogger("bascule.web")

THREADS = 100
"""Requests that are worked on at the same time; a plan takes a while to look at everything."""


_REFUSALS = (400, 401, 403, 404, 408, 409, 413, 415, 422, 423, 429, 502, 503)
"""Statuses that any route of the API may answer a problem with.

423: the kill switch is engaged. 502: an estate's remote that does not answer.
"""
_REFUSED: dict[int | str, dict[str, Any]] = {
    **{status: {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}} for status in _REFUSALS},
    _REFUSALS[0]: {"model": Problem},
}
"""How a refusal is described. One of them brings the schema in: each model that is named costs each route time."""
_API = (
    situation_routes,
    session_routes,
    people_routes,
    plan_routes,
    run_routes,
    halt_routes,
    estate_routes,
    resource_routes,
    secret_routes,
    inventory_routes,
    doctor_routes,
    map_routes,
    signal_routes,
    verdict_routes,
    proposal_routes,
    standing_routes,
    clock_routes,
)
_PAGES = (
    run_action_pages,
    now_pages,
    service_pages,
    run_pages,
    plan_pages,
    map_pages,
    signal_pages,
    proposal_pages,
    standing_pages,
    approval_pages,
    halt_pages,
    history_pages,
    audit_pages,
    estate_pages,
    live_pages,
    sign_in_pages,
    oidc_pages,
    settings_pages,
    people_pages,
    token_pages,
    glass_pages,
    secret_pages,
    credential_pages,
    source_pages,
    resource_pages,
    itself_pages,
    account_pages,
)
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class Web(FastAPI):
    """FastAPI behind the gate; its description says how errors come and what lets one in."""

    def build_middleware_stack(self) -> ASGIApp:
        """The gate stands outside of everything, so that the answer to a fault is guarded as well."""
        parts: Parts = self.state.parts
        app = Turnstile(super().build_middleware_stack())
        gate = Gate(
            app, parts.access, parts.listening.answers_to, sign_in_pages.sign_in, self.methods_at, parts.limits, _said
        )
        return Forwarded(Metered(Limited(gate, parts.limits, _said), parts.metrics), parts.listening)

    def methods_at(self, scope: Scope) -> frozenset[str]:
        """The methods that the path of a request has, by all of its routes."""
        routes = [route for route in self.routes if not isinstance(route, Mount)]
        return frozenset(
            method
            for method in _METHODS
            if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
        )

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = super().openapi()
            schema.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"token": []}]
            for operations in schema["paths"].values():
                for operation in operations.values():
                    _say_problems(operation["responses"])
        return super().openapi()


def _say_problems(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status[0] in "45" and "application/json" in response.get("content", {}):
            response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}


def create_app(bascule: Service, listening: Listening | None = None) -> FastAPI:
    """The application in front of a service. It starts and stops nothing but its own streams."""
    reading = Reading(bascule.database)
    listening = listening or Listening(host=bascule.settings.host)
    parts = Parts(
        bascule,
        Access(bascule.token, bascule.people.sign_in),
        reading,
        Live(reading, bascule.progress),
        listening,
        Limits(time.monotonic, listening.rates),
        Metrics(bascule.database, time.time, bascule.own_certificate.ends),
    )
    app = Web(
        title="Bascule",
        summary="Sovereign-fallback orchestration: plans, runs, and people's decisions.",
        version=_version(),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.parts = parts
    app.router.routes.extend(_routes())
    app.state.needed = _needed()
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _answer_errors(app)
    return app


@cache
def _routes() -> Sequence[BaseRoute]:
    """All routes, which ask the request for the service that they stand in front of.

    A process puts them together once: FastAPI works out the parameters of each anew wherever it is included.
    """
    router = APIRouter(redirect_slashes=False)
    guarded = [Depends(authorized)]
    router.get("/healthz", tags=["service"], openapi_extra={"security": []})(_healthz)
    router.get("/readyz", tags=["service"], openapi_extra={"security": []}, responses={503: {"model": Ready}})(_readyz)
    router.get("/metrics", tags=["service"], response_class=Response, responses=_METRICS, dependencies=guarded)(
        _metrics
    )
    router.include_router(signal_routes.inbox)  # first: routes are tried in their order, and a storm comes here
    for part in _API:
        router.include_router(part.router, prefix="/api/v1", responses=_REFUSED, dependencies=guarded)
    for page in _PAGES:
        router.include_router(page.router, dependencies=[*guarded, Depends(live_pages.as_of)])
    return router.routes


@cache
def _needed() -> permissions.Needed:
    return permissions.needed_by(_routes())


def _healthz() -> dict[str, str]:
    """The service answers. Needs no token."""
    return {"status": "ok"}


class Ready(BaseModel):
    """`ready` or `not ready`; the service's log says why."""

    status: str


def _readyz(given: Given, response: Response) -> Ready:
    """The service can take work: its database takes a write, its worker is awake. Needs no token."""
    ready = given.service.readiness.ready()
    response.status_code = 200 if ready else 503
    return Ready(status="ready" if ready else "not ready")


_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format"},
    401: {"model": Problem},
    429: {"model": Problem},
}


def _metrics(given: Given) -> Response:
    """Numbers for a monitoring system."""
    return Response(given.metrics.text(), media_type=CONTENT_TYPE)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    app.state.parts.live.open()
    try:
        yield
    finally:
        app.state.parts.live.close()


def _answer_errors(app: FastAPI) -> None:
    for kind in ANSWERABLE:
        app.add_exception_handler(kind, _on_answerable)
    app.add_exception_handler(Busy, _on_busy)
    app.add_exception_handler(live_pages.Unmoved, _on_unmoved)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_fault)


def _on_answerable(request: Request, error: Exception) -> Response:
    return _said(request, problem_of(error))


def _on_busy(_request: Request, error: Exception) -> Response:
    return answer(problem(503, str(error)), {"Retry-After": "5"})


def _on_unmoved(_request: Request, _error: Exception) -> Response:
    return Response(status_code=204)


def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _said(request, invalid_request(error))


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:  # the router names the methods of one route, and a path may have several
        allowed = request.app.methods_at(request.scope) or {"GET", "HEAD"}  # of the static files
        headers["Allow"] = ", ".join(sorted(allowed))
    return _said(request, problem(error.status_code, str(error.detail)), headers)


def _on_fault(request: Request, error: Exception) -> Response:
    """The server logs the exception itself; whoever asked learns only that it is there."""
    detail = f"Something unexpected went wrong ({type(error).__name__}); the service's log has the details."
    return _said(request, problem(500, detail))


def _said(request: Request, found: Problem, headers: Mapping[str, str] | None = None) -> Response:
    if request.scope["path"].startswith(("/api/", "/static/", "/healthz", "/readyz", "/metrics", "/webhooks/")):
        return answer(found, headers)
    if found.code in ("proof_too_old", "second_factor_needed"):
        proving = account_pages.prove_again(request)
        if proving is not None:
            return proving
    key = "fault" if found.status >= 500 else _PLAIN.get(found.status, "none")
    page = plain_page(request, found.status, key, found.detail if key == "denied" else "")
    page.headers.update(headers or {})
    return page


_PLAIN = {401: "denied", 403: "denied", 429: "often"}
"""Statuses that pages have words for."""


def _version() -> str:
    try:
        return version("bascule")
    except PackageNotFoundError:
        return "0"
