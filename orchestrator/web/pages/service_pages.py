"""The services of the organisation: how well each is prepared to move, and what is missing."""

import functools
from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from orchestrator.domain.dependencies import Dependency
from orchestrator.domain.model import Mode
from orchestrator.domain.people.actor import Actor, Lack
from orchestrator.domain.people.role import Permission
from orchestrator.operations.preparedness import Preparations
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.web.api.answers import RunColumns
from orchestrator.web.edge.authority import Acting, sees
from orchestrator.web.pages.map_pages import LOOKS
from orchestrator.web.pages.now_view import ended_line
from orchestrator.web.pages.page import Lang, render
from orchestrator.web.pages.service_view import counted, runbook_views, service_view, trial_views
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language

RUNS = 20
"""Runs of one service that are shown."""

router = APIRouter(prefix="/services", include_in_schema=False)

ServiceName = Annotated[str, Path(pattern=r"^[a-z0-9](?:[a-z0-9_.\-]{0,98}[a-z0-9])?$")]


@router.get("")
def list_services(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    now = given.service.progress.clock()
    board = given.service.preparedness.board()
    titles, shown = _titles(board, language), functools.partial(sees, acting)
    services = [service_view(language, one, titles, now, shown) for one in board.services if sees(acting, (one.name,))]
    journal = {
        name: list(trial_views(language, trials, None, now, shown))
        for name, trials in sorted(board.journal.items())
        if sees(acting, (name,))
    }
    return render(
        request,
        "services.html",
        language,
        board=board,
        may_plan=functools.partial(_may_plan, acting),
        services=services,
        journal=journal,
        sums=counted(services, lambda one: one.readiness),
        looks={one.readiness: (one.icon, one.tone) for one in services},
    )


@router.get("/{name}")
def show_service(request: Request, name: ServiceName, given: Given, acting: Acting, language: Lang) -> Response:
    now = given.service.progress.clock()
    board = given.service.preparedness.board()
    prepared = next((one for one in board.services if one.name == name), None)
    known = prepared is not None or name in board.journal
    if not known or not sees(acting, (name,)):
        raise NotFound(f"There is no service {name}, or you have no role there.")
    titles, shown = _titles(board, language), functools.partial(sees, acting)
    runs_of = given.service.preparedness.runs_of(name, RUNS)
    rows = [RunColumns.model_validate(row) for row in runs_of if shown(row.services)]
    return render(
        request,
        "service.html",
        language,
        board=board,
        may_plan=functools.partial(_may_plan, acting),
        service=name,
        one=service_view(language, prepared, titles, now, shown) if prepared is not None else None,
        runbooks=runbook_views(language, prepared, board.bundle) if prepared is not None and board.bundle else [],
        runs=[(row, ended_line(language, row, titles)) for row in rows],
        dependencies=_dependencies(given, name),
        looks=LOOKS,
        live=Mode.LIVE.value,
    )


def _may_plan(acting: Actor, services: Collection[str]) -> bool:
    """The installation's token may as well: a plan changes nothing."""
    return acting.lacks(Permission.PLAN, services) is not Lack.ROLE


def _titles(board: Preparations, language: Language) -> dict[str, str]:
    return {one.name: str(getattr(one.service.title, language)) for one in board.services}


def _dependencies(given: Parts, service: str) -> list[Dependency]:
    """What was seen of it when the dependencies were mapped last; nothing where they never were."""
    try:
        found = given.service.maps.last(Mode.LIVE.value)
    except RequestError:
        return []
    return [one for one in found.dependencies if one.row == service]
