"""The page: the list of runs, and one run as it happens. Works without a script; the script keeps it live."""

import functools
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import jinja2
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from orchestrator.domain.halt import HOW_TO_LIFT, Halted
from orchestrator.operations.request import RequestError
from orchestrator.store import proposals
from orchestrator.web.access import Caller
from orchestrator.web.answers import RunWithSteps
from orchestrator.web.authority import Acting, Still, sees
from orchestrator.web.orders import RunId
from orchestrator.web.page_view import StepView, as_page_json, clean, line_view, run_look, run_view, short, step_view
from orchestrator.web.parts import Given, Parts
from orchestrator.web.reading import Cursor
from orchestrator.web.run_routes import From, stream_slot
from orchestrator.web.words import LANGUAGES, Language, duration, language_of, say

LISTED = 50
LINES = 300
"""Lines of output that a page begins with."""

STATIC = Path(__file__).parent / "static"

_PUT = {language: functools.partial(as_page_json, language) for language in LANGUAGES}

router = APIRouter(include_in_schema=False)

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page_language(
    lang: Annotated[str | None, Query(max_length=8)] = None, accept_language: Annotated[str | None, Header()] = None
) -> Language:
    return language_of(lang, accept_language)


Lang = Annotated[Language, Depends(page_language)]


@router.get("/")
def list_runs(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    listed = []
    for run in given.reading.listed(LISTED, active_only=False):
        if not sees(acting, run.services):
            continue
        whole = given.reading.run(run.id)
        icon, word, tone = run_look(language, whole, whole.waits, whole.step_counts)
        listed.append({"run": whole, "icon": icon, "word": word, "tone": tone, "active": whole.ended_at is None})
    with given.service.database.read() as conn:
        waiting = [{"words": row.evidence["words"]} for row in proposals.waiting(conn) if sees(acting, row.services)]
    busy = bool(waiting) or any(one["active"] for one in listed)
    return render(request, "runs.html", language, runs=listed, proposals=waiting, busy=busy)


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


def render(request: Request, name: str, language: Language, status: int = 200, **values: Any) -> HTMLResponse:
    chosen = request.query_params.get("lang")
    page = _templates.get_template(name).render(
        language=language,
        others=[(other, say(other, "language")) for other in LANGUAGES if other != language],
        carried=f"?lang={language}" if chosen in LANGUAGES else "",
        path=values.pop("path", request.url.path),
        say=functools.partial(say, language),
        duration=lambda seconds: duration(seconds, language),
        clean=clean,
        short=short,
        moment=moment,
        zone=time.strftime("%Z"),
        now=time.time(),
        lifting=HOW_TO_LIFT,
        halted=_halted(request) if status < 400 else None,
        who=_who(request),
        page_token=_page_token(request),
        **values,
    )
    headers = {"Vary": "Accept-Language, Cookie", "Content-Language": language}
    return HTMLResponse(page, status, headers)


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


def plain_page(request: Request, status: int, key: str, detail: str = "") -> Response:
    """A page that says no more than that there is nothing, that it is not allowed, or that the service failed."""
    language = language_of(request.query_params.get("lang"), request.headers.get("accept-language"))
    values = {"title": say(language, f"{key}.title"), "why": say(language, f"{key}.why"), "detail": detail}
    return render(request, "plain.html", language, status, **values)


def _groups(given: Parts, language: Language, found: RunWithSteps) -> Iterator[tuple[str, str, list[StepView]]]:
    """Service, its title, its steps; services in the plan's order."""
    titles = service_titles(given, language, found.run.commit)
    order = {name: place for place, name in enumerate(found.run.services)}
    ordered = sorted(found.steps, key=lambda step: order.get(step.service, len(order)))
    for name, steps in groupby(ordered, key=lambda step: step.service):
        yield name, titles.get(name, name), [step_view(language, step) for step in steps]


def service_titles(given: Parts, language: Language, commit: str | None = None) -> dict[str, str]:
    """By name, at a commit or at the newest; empty where the estate can't be read."""
    try:
        estates = given.service.estates
        services = estates.bundle(commit or estates.newest()).estate.services
    except RequestError:
        return {}
    return {name: str(getattr(service.title, language)) for name, service in services.items()}


def moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
