"""The page of a run as it happens. Works without a script; the script keeps it live."""

import functools
from collections.abc import Iterator
from itertools import groupby

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from orchestrator.web.api.answers import RunWithSteps
from orchestrator.web.api.orders import RunId
from orchestrator.web.api.run_routes import From, stream_slot
from orchestrator.web.edge.authority import Still
from orchestrator.web.pages.page import Lang, render, service_titles
from orchestrator.web.pages.run_view import (
    StepView,
    as_page_json,
    line_view,
    run_view,
    step_view,
)
from orchestrator.web.parts import Given, Parts
from orchestrator.web.reading import Cursor
from orchestrator.web.words import LANGUAGES, Language

LINES = 300
"""Lines of output that a page begins with."""

_PUT = {language: functools.partial(as_page_json, language) for language in LANGUAGES}

router = APIRouter(include_in_schema=False)


@router.get("/runs/{run_id}")
def show_run(request: Request, run_id: RunId, given: Given, language: Lang) -> Response:
    lines = [line_view(line) for line in given.reading.latest_lines(run_id, LINES)]
    found = given.reading.with_steps(run_id)
    heard = Cursor(found.run.seq, lines[-1].id if lines else 0)
    return render(
        request,
        "run.html",
        language,
        run=found.run,
        view=run_view(language, found.run),
        groups=list(_groups(given, language, found)),
        lines=lines,
        cursor=str(heard),
        titles=service_titles(given, language, found.run.commit),
    )


@router.get("/runs/{run_id}/live", dependencies=[Depends(stream_slot)])
def live_run(run_id: RunId, given: Given, language: Lang, cursor: From, still: Still) -> StreamingResponse:
    """The page's own stream: the same messages as the API's, in the reader's words."""
    given.reading.run(run_id)
    return StreamingResponse(given.live.stream(run_id, cursor, _PUT[language], still), media_type="text/event-stream")


def _groups(given: Parts, language: Language, found: RunWithSteps) -> Iterator[tuple[str, str, list[StepView]]]:
    """Service, its title, its steps; services in the plan's order."""
    titles = service_titles(given, language, found.run.commit)
    order = {name: place for place, name in enumerate(found.run.services)}
    ordered = sorted(found.steps, key=lambda step: order.get(step.service, len(order)))
    for name, steps in groupby(ordered, key=lambda step: step.service):
        yield name, titles.get(name, name), [step_view(language, step) for step in steps]
