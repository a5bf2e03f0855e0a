"""What happened: the runs that were, halts, and messages to people. Pages are links, filters a form of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from orchestrator.domain.halt import Halt
from orchestrator.domain.model import Direction, Mode, RunState
from orchestrator.domain.people.actor import Actor
from orchestrator.operations.request import RequestError
from orchestrator.store import notices, run_history
from orchestrator.store.notices import GIVEN_UP, SENT, WAITING
from orchestrator.store.run_history import ACTIVE, Wanted
from orchestrator.web.api.answers import RunColumns
from orchestrator.web.edge.authority import Acting, sees
from orchestrator.web.pages.page import Lang, render, service_titles
from orchestrator.web.pages.run_view import run_look
from orchestrator.web.parts import Given, Parts
from orchestrator.web.times import duration
from orchestrator.web.words import Language, say

LISTED = 30
LOOKS = 8
"""Times that the next runs are read for one page: who may see few of them is shown a link to look on."""
MOST_HALTS = 200
_LAST = 2**31 - 1

STATES = (ACTIVE, *(state.value for state in RunState if state in (RunState.SUCCEEDED, RunState.INCOMPLETE)))
STATES += (RunState.CANCELLED.value, RunState.UNDONE.value, RunState.PARTLY_UNDONE.value)
_NOTICE_LOOKS = {WAITING: ("next", "waits"), SENT: ("done", "good"), GIVEN_UP: ("failed", "bad")}

router = APIRouter(prefix="/history", include_in_schema=False)

Said = Annotated[str, Query(max_length=200)]
Before = Annotated[int | None, Query(ge=1, le=_LAST)]


@dataclass(frozen=True)
class Objective:
    """How long a run took against how long its services may be away."""

    icon: str
    tone: str
    words: str


@dataclass(frozen=True)
class RunLine:
    """`took`: seconds from its beginning to its end, or until now; None where it never began."""

    run: RunColumns
    services: list[str]
    icon: str
    word: str
    tone: str
    took: float | None
    expected: float | None
    objective: Objective | None


def wanted_of(
    mode: Said = "", scope: Said = "", direction: Said = "", service: Said = "", state: Said = "", who: Said = ""
) -> Wanted:
    return Wanted(mode.strip(), scope.strip(), direction.strip(), service.strip(), state.strip(), who.strip())


Filter = Annotated[Wanted, Depends(wanted_of)]


@router.get("")
def show_history(
    request: Request, given: Given, acting: Acting, language: Lang, wanted: Filter, before: Said = ""
) -> Response:
    found, older = _runs(given, acting, wanted, before)
    titles = service_titles(given, language)
    values = {name: value for name in Wanted.__slots__ if (value := getattr(wanted, name))}
    return render(
        request,
        "history.html",
        language,
        lines=_lines(given, language, found, titles),
        wanted=wanted,
        filtered=bool(values),
        choices=_choices(given, titles, wanted),
        older=f"/history?{urlencode({**values, 'before': older})}" if older else "",
        newest=f"/history?{urlencode(values)}" if before else "",
    )


@router.get("/halts")
def show_halts(request: Request, given: Given, language: Lang) -> Response:
    listed = given.service.halt.history(MOST_HALTS)
    rows = [{"halt": one, **_halt_look(language, one)} for one in listed]
    return render(request, "halts.html", language, rows=rows, most=MOST_HALTS)


@router.get("/notices")
def show_notices(
    request: Request,
    given: Given,
    acting: Acting,
    language: Lang,
    state: Literal["", "waiting", "sent", "given_up"] = "",
    before: Before = None,
) -> Response:
    """Messages name services, so they are shown to who may see all of them."""
    whole = sees(acting, ())
    rows = []
    if whole:
        with given.service.database.read() as conn:
            rows = list(notices.page(conn, before, LISTED, state))
    listed = [{"row": row, "icon": _NOTICE_LOOKS[row.state][0], "tone": _NOTICE_LOOKS[row.state][1]} for row in rows]
    values = {"state": state} if state else {}
    more = len(rows) == LISTED
    return render(
        request,
        "notices.html",
        language,
        whole=whole,
        rows=listed,
        state=state,
        states=list(_NOTICE_LOOKS),
        older=f"/history/notices?{urlencode({**values, 'before': rows[-1].id})}" if more else "",
        newest=f"/history/notices?{urlencode(values)}" if before else "",
    )


def _runs(given: Parts, acting: Actor, wanted: Wanted, before: str) -> tuple[list[RunColumns], str]:
    """A page of those that are shown to this reader, and where the next begins; empty where nothing is left."""
    found: list[RunColumns] = []
    with given.service.database.read() as conn:
        for _ in range(LOOKS):
            rows = run_history.page(conn, wanted, before, LISTED + 1)
            for row in rows[:LISTED]:
                if len(found) == LISTED:
                    return found, before
                before = row.id
                if sees(acting, row.services):
                    found.append(RunColumns.model_validate(row))
            if len(rows) <= LISTED:
                return found, ""
    return found, before


def _lines(given: Parts, language: Language, found: list[RunColumns], titles: Mapping[str, str]) -> list[RunLine]:
    with given.service.database.read() as conn:
        expected = run_history.expected(conn, sorted({run.plan_digest for run in found}))
    now = given.service.progress.clock()
    lines = []
    for run in found:
        waits, counts = [], {}
        if run.ended_at is None:
            whole = given.reading.run(run.id)
            waits, counts = whole.waits, whole.step_counts
        icon, word, tone = run_look(language, run, waits, counts)
        took = (run.ended_at or now) - run.started_at if run.started_at is not None else None
        lines.append(
            RunLine(
                run=run,
                services=[titles.get(name, name) for name in run.services],
                icon=icon,
                word=word,
                tone=tone,
                took=took,
                expected=expected.get(run.plan_digest),
                objective=_objective(language, run, took, given.service.estate_reading.objectives(run.commit)),
            )
        )
    return lines


def _objective(language: Language, run: RunColumns, took: float | None, known: Mapping[str, float]) -> Objective | None:
    """Of failovers that are done or under way; what was taken back or given up met nothing and missed nothing."""
    limits = [known[name] for name in run.services if name in known]
    if took is None or not limits or run.direction != Direction.FAILOVER:
        return None
    limit = min(limits)
    told = duration(limit, language)
    if took > limit and (run.ended_at is None or run.state in (RunState.SUCCEEDED, RunState.INCOMPLETE)):
        return Objective("decide", "bad", say(language, "history.rto.over", time=told))
    if run.state is RunState.INCOMPLETE:
        return Objective("skipped", "odd", say(language, "history.rto.gaps", time=told))
    if run.state is RunState.SUCCEEDED:
        return Objective("done", "good", say(language, "history.rto.met", time=told))
    if run.ended_at is None:
        return Objective("later", "quiet", say(language, "history.rto.runs", time=told))
    return None


def _choices(given: Parts, titles: Mapping[str, str], wanted: Wanted) -> dict[str, list[str]]:
    """What the form offers; what was asked for by hand stays among it."""
    services = sorted({*titles, *([wanted.service] if wanted.service else [])}, key=lambda name: titles.get(name, name))
    return {
        "mode": [mode.value for mode in Mode],
        "scope": sorted({*_scopes(given), *([wanted.scope] if wanted.scope else [])}),
        "service": services,
        "state": list(STATES),
        "titles": [titles.get(name, name) for name in services],
    }


def _scopes(given: Parts) -> list[str]:
    estates = given.service.estates
    try:
        return list(estates.bundle(estates.newest()).estate.scopes)
    except RequestError:
        return []


def _halt_look(language: Language, one: Halt) -> dict[str, str]:
    if one.lifted_at is None:
        return {"icon": "stopped", "tone": "bad", "word": say(language, "halts.on")}
    return {"icon": "done", "tone": "quiet", "word": say(language, "halts.over")}
