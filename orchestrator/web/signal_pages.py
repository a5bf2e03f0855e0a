"""The page of deliveries that no rule speaks of. All of it is foreign text, and is shown as text."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.signals.clock_board import ClockBoard
from orchestrator.operations.request import RequestError
from orchestrator.web.pages import Lang, render
from orchestrator.web.parts import Given, Parts
from orchestrator.web.signal_routes import read_unmapped

LISTED = 50

router = APIRouter(include_in_schema=False)


@router.get("/signals")
def show_unmapped(request: Request, given: Given, language: Lang) -> Response:
    return render(request, "signals.html", language, deliveries=read_unmapped(given, LISTED), clocks=_clocks(given))


def _clocks(given: Parts) -> ClockBoard:
    """Nothing runs out while no estate can be read."""
    try:
        return given.service.clocks.board()
    except RequestError:
        return ClockBoard(False, ())
