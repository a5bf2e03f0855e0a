"""The page of the moment: whether something happens, and what waits for whom."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.model import ENDED_RUN
from orchestrator.domain.people.actor import Lack
from orchestrator.domain.people.role import Permission
from orchestrator.domain.proposals.proposal import ProposalState
from orchestrator.operations.request import RequestError
from orchestrator.web.api.answers import RunColumns
from orchestrator.web.api.verdict_routes import VerdictAnswer
from orchestrator.web.edge.authority import Acting, sees
from orchestrator.web.errands import Errand
from orchestrator.web.pages.now_view import (
    ErrandView,
    RunLine,
    blocked_view,
    ended_line,
    errand_view,
    run_line,
    run_order,
    verdict_line,
)
from orchestrator.web.pages.page import Lang, render
from orchestrator.web.parts import Given, Parts
from orchestrator.web.reading import ActiveRun
from orchestrator.web.situation import headline, situation_of
from orchestrator.web.words import Language

LISTED = 20
"""Lines of one kind that are shown; more than that is said, and stands elsewhere."""
CLOCKS = 5
LATELY = 24 * 3600.0
"""Seconds for which a run that ended is shown here as well."""

router = APIRouter(include_in_schema=False)


@router.get("/")
def show_now(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    now = given.service.progress.clock()
    estate = _estate(given)
    titles = _titles(estate, language)
    found = situation_of(given, acting)
    armed = [one for one in found.others if one.kind == "proposal"]
    others = [one for one in found.others if one.kind != "proposal"]
    soon = [line for line in found.clocks.lines if found.clocks.running][:CLOCKS]
    recent = [run for run in given.reading.listed(LISTED, active_only=False) if sees(acting, run.services)]

    def shown(waiting: Sequence[Errand]) -> list[ErrandView]:
        return [errand_view(language, one, titles) for one in waiting[:LISTED]]

    return render(
        request,
        "now.html",
        language,
        headline=headline(language, found.counts),
        mine=shown(found.mine),
        mine_more=len(found.mine[LISTED:]),
        armed=shown(armed),
        blocked=[blocked_view(language, one, titles) for one in found.proposed if one.state is ProposalState.BLOCKED],
        theirs=shown(others),
        theirs_more=len(others[LISTED:]),
        runs=_runs(given, language, found.active, titles),
        ended=_ended(language, recent, titles, now),
        verdicts=[verdict_line(language, one, titles) for one in found.verdicts if _is_unwell(one)],
        quiet=[verdict_line(language, one, titles) for one in found.verdicts if not _is_unwell(one)],
        nominal=found.counts.nominal,
        unknown=found.counts.unknown,
        clocks=soon,
        clocks_more=len(found.clocks.lines) - len(soon) if found.clocks.running else 0,
        titles=titles,
        anybody=acting.is_person,
        may_plan=acting.lacks(Permission.PLAN) is not Lack.ROLE,
        estate=estate is not None,
        first=not recent,
    )


def _runs(given: Parts, language: Language, active: Sequence[ActiveRun], titles: Mapping[str, str]) -> list[RunLine]:
    ordered = sorted(active, key=run_order)
    return [run_line(language, one, titles, _rto(given, one)) for one in ordered]


def _ended(language: Language, recent: Sequence[RunColumns], titles: Mapping[str, str], now: float) -> list[RunLine]:
    """Whoever comes back to the screen sees how it ended."""
    over = [run for run in recent if run.state in ENDED_RUN and now - (run.ended_at or 0.0) < LATELY]
    over.sort(key=lambda run: run.ended_at or 0.0, reverse=True)
    return [ended_line(language, run, titles) for run in over[:3]]


def _rto(given: Parts, entry: ActiveRun) -> float | None:
    """Of the run's services that have not moved, the shortest that one may be away, as the run's own commit says."""
    try:
        services = given.service.estates.bundle(entry.run.commit).estate.services
    except RequestError:
        return None
    known = [services[name].rto for name in entry.unmoved if name in services]
    return min((rto for rto in known if rto is not None), default=None)


def _is_unwell(one: VerdictAnswer) -> bool:
    return one.verdict.rank > 0


def _estate(given: Parts) -> Bundle | None:
    try:
        return given.service.estates.bundle(given.service.estates.newest())
    except RequestError:
        return None


def _titles(estate: Bundle | None, language: Language) -> dict[str, str]:
    services = estate.estate.services if estate is not None else {}
    return {name: str(getattr(service.title, language)) for name, service in services.items()}
