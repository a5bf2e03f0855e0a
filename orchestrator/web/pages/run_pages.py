"""The page of a run as it happens, of one of its steps, and the run on paper.

They work without a script; the script keeps them live.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from orchestrator.domain.choices import step_choices
from orchestrator.operations.request import RequestError
from orchestrator.web.api.answers import StepAnswer
from orchestrator.web.api.orders import RunId, StepId
from orchestrator.web.api.run_routes import After, From, stream_slot
from orchestrator.web.edge.authority import Still
from orchestrator.web.pages import run_drawing
from orchestrator.web.pages.page import Lang, render, render_in_parts
from orchestrator.web.pages.run_groups import Group, Sort, groups
from orchestrator.web.pages.run_objectives import objectives
from orchestrator.web.pages.run_paper import procedure
from orchestrator.web.pages.run_view import (
    StepView,
    as_page_json,
    line_view,
    run_path,
    run_view,
    said_inputs,
    step_view,
)
from orchestrator.web.parts import Given, Parts
from orchestrator.web.reading import Cursor
from orchestrator.web.words import LANGUAGES, Language

LINES = 300
"""Lines of output that a page begins with."""
LINES_OF_A_STEP = 500
"""Lines of output on a page of a step."""
DRAWN_OPEN = 60
"""Steps up to which the drawing shows every one at first; else it shows services, which are opened one by one."""
NONE_OPEN = "-"
"""Stands for no service in `open`: no name looks like it."""

_PUT = {language: functools.partial(as_page_json, language) for language in LANGUAGES}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Known:
    """What the estate at the run's commit says of its services: titles, and the objective in seconds."""

    titles: Mapping[str, str]
    objectives: Mapping[str, float | None]


@router.get("/runs/{run_id}")
def show_run(
    request: Request,
    run_id: RunId,
    given: Given,
    language: Lang,
    sort: Sort = Sort.ORDER,
    open_: Annotated[list[str] | None, Query(alias="open", max_length=200)] = None,
) -> Response:
    lines = [line_view(line) for line in given.reading.latest_lines(run_id, LINES)]
    found = given.reading.with_steps(run_id)
    run, known = found.run, _known(given, language, found.run.commit)
    views = [step_view(language, step) for step in found.steps]
    lanes = groups(language, views, run.services, known.titles, Sort.ORDER)
    return render_in_parts(
        request,
        "run.html",
        language,
        run=run,
        view=run_view(language, run),
        groups=lanes if sort is Sort.ORDER else groups(language, views, run.services, known.titles, sort),
        sort=sort.value,
        objectives=objectives(run, found.steps, known.objectives, known.titles),
        graph=_graph(run_id, views, found.steps, lanes, open_, sort),
        cut=run_drawing.cut,
        lines=lines,
        cursor=str(Cursor(run.seq, lines[-1].id if lines else 0)),
        titles=known.titles,
    )


@router.get("/runs/{run_id}/live", dependencies=[Depends(stream_slot)])
def live_run(run_id: RunId, given: Given, language: Lang, cursor: From, still: Still) -> StreamingResponse:
    """The page's own stream: the same messages as the API's, in the reader's words."""
    given.reading.run(run_id)
    return StreamingResponse(given.live.stream(run_id, cursor, _PUT[language], still), media_type="text/event-stream")


@router.get("/runs/{run_id}/paper")
def show_paper(request: Request, run_id: RunId, given: Given, language: Lang) -> Response:
    """The run as a procedure to print: what a person does, step by step, should Bascule itself be gone."""
    run, details = given.reading.procedure(run_id)
    sheet = functools.cache(functools.partial(given.service.estates.sheet, run.commit))
    titles = _known(given, language, run.commit).titles
    steps = procedure(language, details, titles, sheet)
    return render(request, "run_paper.html", language, run=run, steps=steps, titles=titles)


@router.get("/runs/{run_id}/steps/{step_id:path}")
def show_step(
    request: Request,
    run_id: RunId,
    step_id: StepId,
    given: Given,
    language: Lang,
    after: After | None = None,
    before: After | None = None,
) -> Response:
    """One step: how it stands, what may be done about it, and what it wrote, a page at a time."""
    latest = given.reading.latest_lines(run_id, 1)
    run, found = given.reading.step(run_id, step_id)
    page = given.reading.step_lines(run_id, step_id, LINES_OF_A_STEP, after=after, before=before)
    step = found.step
    instructions = str(found.spec.get("with", {}).get("instructions") or "")
    return render(
        request,
        "run_step.html",
        language,
        run=run,
        view=run_view(language, run),
        step=step,
        look=step_view(language, step),
        needed_by=found.needed_by,
        inputs=said_inputs(found.spec.get("with", {})),
        outputs=said_inputs(step.outputs),
        instructions=instructions,
        sheet=given.service.estates.sheet(run.commit, instructions) if instructions else "",
        choices=step_choices(run.state, step.state, step.uses, step.waits_for),
        lines=[line_view(line) for line in page.lines],
        page=page,
        cursor=str(Cursor(run.seq, latest[-1].id if latest else 0)),
        titles=_known(given, language, run.commit).titles,
    )


def _known(given: Parts, language: Language, commit: str) -> Known:
    """Empty where the estate at the commit can't be read."""
    try:
        services = given.service.estates.bundle(commit).estate.services
    except RequestError:
        return Known({}, {})
    titles = {name: str(getattr(service.title, language)) for name, service in services.items()}
    return Known(titles, {name: service.rto for name, service in services.items()})


@dataclass(frozen=True, slots=True)
class Graph:
    """The drawing, what its nodes say, and where each lane is opened or closed."""

    drawing: run_drawing.Drawing
    steps: Mapping[str, StepView]
    lanes: Mapping[str, Group]
    toggles: Mapping[str, str]


def _graph(
    run_id: str,
    views: list[StepView],
    steps: list[StepAnswer],
    lanes: list[Group],
    opened: list[str] | None,
    sort: Sort,
) -> Graph:
    names = [lane.name for lane in lanes]
    shown = set(names if opened is None and len(views) <= DRAWN_OPEN else opened or ()).intersection(names)
    nodes = [run_drawing.Step(step.id, step.service, step.needs) for step in steps]
    by_id = {view.id: view for view in views if view.service in shown}
    toggles = {name: _address(run_id, sort, [one for one in names if one in shown ^ {name}]) for name in names}
    return Graph(run_drawing.drawn(nodes, names, shown), by_id, {lane.name: lane for lane in lanes}, toggles)


def _address(run_id: str, sort: Sort, opened: list[str]) -> str:
    query = [("open", name) for name in opened or [NONE_OPEN]]
    if sort is not Sort.ORDER:
        query.append(("sort", sort.value))
    return f"{run_path(run_id)}?{urlencode(query)}#graph"
