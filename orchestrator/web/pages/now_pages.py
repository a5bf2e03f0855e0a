"""The page of the moment: whether something happens, and what waits for whom."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.model import ENDED_RUN, Mode
from orchestrator.domain.people.actor import Lack
from orchestrator.domain.people.role import Permission
from orchestrator.domain.proposals.proposal import ProposalState
from orchestrator.domain.signals.clock_board import ClockBoard, ClockStanding
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.request import RequestError
from orchestrator.web.api.answers import RunColumns
from orchestrator.web.api.proposal_routes import ProposalAnswer, read_proposals
from orchestrator.web.api.standing_routes import read_standing
from orchestrator.web.api.verdict_routes import VerdictAnswer, read_verdicts
from orchestrator.web.edge.authority import Acting, sees
from orchestrator.web.errands import Errand, errands
from orchestrator.web.pages.now_view import (
    Counts,
    ErrandView,
    RunLine,
    blocked_view,
    ended_line,
    errand_view,
    headline,
    run_line,
    run_order,
    verdict_line,
)
from orchestrator.web.pages.page import Lang, render
from orchestrator.web.parts import Given, Parts
from orchestrator.web.reading import ActiveRun
from orchestrator.web.words import Language

ACTIVE = 50
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
    active = [one for one in given.reading.active(ACTIVE) if sees(acting, one.run.services)]
    proposed = [one for one in read_proposals(given, ACTIVE, waiting=True) if sees(acting, one.services)]
    standing = [one for one in read_standing(given) if sees(acting, one.services)]
    verdicts, board = read_verdicts(given), _clocks(given)
    waiting = errands(given, acting, active, proposed, standing, verdicts)
    mine = [one for one in waiting if one.mine]
    armed = [one for one in waiting if not one.mine and one.kind == "proposal"]
    others = [one for one in waiting if not one.mine and one.kind != "proposal"]
    soon = [line for line in board.lines if board.running][:CLOCKS]
    recent = [run for run in given.reading.listed(LISTED, active_only=False) if sees(acting, run.services)]

    def shown(found: Sequence[Errand]) -> list[ErrandView]:
        return [errand_view(language, one, titles) for one in found[:LISTED]]

    return render(
        request,
        "now.html",
        language,
        headline=headline(language, _counts(given, waiting, mine, others, proposed, active, verdicts, board)),
        mine=shown(mine),
        mine_more=len(mine[LISTED:]),
        armed=shown(armed),
        blocked=[blocked_view(language, one, titles) for one in proposed if one.state is ProposalState.BLOCKED],
        theirs=shown(others),
        theirs_more=len(others[LISTED:]),
        runs=_runs(given, language, active, titles),
        ended=_ended(language, recent, titles, now),
        verdicts=[verdict_line(language, one, titles) for one in verdicts if _is_unwell(one)],
        quiet=[verdict_line(language, one, titles) for one in verdicts if not _is_unwell(one)],
        nominal=sum(one.verdict is Verdict.NOMINAL for one in verdicts),
        unknown=sum(one.verdict is Verdict.UNKNOWN for one in verdicts),
        clocks=soon,
        clocks_more=len(board.lines) - len(soon) if board.running else 0,
        titles=titles,
        anybody=acting.is_person,
        may_plan=acting.lacks(Permission.PLAN) is not Lack.ROLE,
        estate=estate is not None,
        first=not recent,
    )


def _counts(
    given: Parts,
    waiting: Sequence[Errand],
    mine: Sequence[Errand],
    others: Sequence[Errand],
    proposed: Sequence[ProposalAnswer],
    active: Sequence[ActiveRun],
    verdicts: Sequence[VerdictAnswer],
    board: ClockBoard,
) -> Counts:
    def of(wanted: Verdict) -> int:
        return sum(one.verdict is wanted for one in verdicts)

    return Counts(
        halted=given.service.halt.in_force() is not None,
        troubled=sum(one.kind in ("failed", "held", "unknown", "undo_failed") for one in waiting),
        mine=len(mine),
        others=len(others),
        armed=sum(one.state is ProposalState.ARMED for one in proposed),
        blocked=sum(one.state is ProposalState.BLOCKED for one in proposed),
        active=len(active),
        live=sum(entry.run.mode == Mode.LIVE for entry in active),
        unwell=sum(map(_is_unwell, verdicts)),
        lost=of(Verdict.ERODING) + of(Verdict.CUT),
        unknown=of(Verdict.UNKNOWN),
        nominal=of(Verdict.NOMINAL),
        soon=sum(line.standing in (ClockStanding.SOON, ClockStanding.OUT) for line in board.lines),
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


def _clocks(given: Parts) -> ClockBoard:
    """Nothing runs out while no estate can be read."""
    try:
        return given.service.clocks.board()
    except RequestError:
        return ClockBoard(False, ())
