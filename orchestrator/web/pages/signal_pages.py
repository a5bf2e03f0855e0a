"""The page of signals: verdicts, proposals, and deliveries that no rule speaks of. Foreign text is shown as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.proposals.proposal import ProposalState
from orchestrator.domain.proposals.standing_approval import StandingState
from orchestrator.domain.signals.change import JURISDICTION
from orchestrator.domain.signals.clock_board import ClockBoard
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.words import VERDICTS
from orchestrator.operations.request import RequestError
from orchestrator.web.api.proposal_routes import ProposalAnswer, read_proposals
from orchestrator.web.api.signal_routes import read_unmapped
from orchestrator.web.api.standing_routes import StandingAnswer, read_standing
from orchestrator.web.api.verdict_routes import VerdictAnswer, read_verdicts
from orchestrator.web.edge.authority import Acting, sees
from orchestrator.web.pages.page import Lang, render, service_titles
from orchestrator.web.parts import Given, Parts
from orchestrator.web.times import duration, moment
from orchestrator.web.words import Language, say

LISTED = 50
MOST_SEEN = 12
"""Observations of one verdict that are shown."""

router = APIRouter(include_in_schema=False)

_LOOKS = {
    Verdict.UNKNOWN: ("later", "quiet"),
    Verdict.NOMINAL: ("done", "good"),
    Verdict.SUSPECT: ("check", "waits"),
    Verdict.ERODING: ("decide", "bad"),
    Verdict.CUT: ("failed", "bad"),
}
"""Icon and tone."""


@dataclass(frozen=True)
class VerdictView:
    title: str
    word: str
    icon: str
    tone: str
    at: float | None
    words: str
    services: list[str]
    observations: list[dict[str, Any]]
    acknowledge: str


@dataclass(frozen=True)
class ProposalView:
    title: str
    icon: str
    tone: str
    raised_at: float
    words: str
    standing: str
    why: str
    weak_since: float | None
    commands: list[str]
    link: str


@dataclass(frozen=True)
class StandingView:
    """`line`: who signed, or who must still; it ends where the command stands. `link`: where it is signed."""

    title: str
    line: str
    icon: str
    command: str
    link: str


@router.get("/signals")
def show_signals(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    now = given.service.progress.clock()
    waiting = [one for one in read_proposals(given, LISTED, waiting=True) if sees(acting, one.services)]
    titles = service_titles(given, language)
    standing = [one for one in read_standing(given) if sees(acting, one.services)]
    return render(
        request,
        "signals.html",
        language,
        verdicts=[verdict_view(language, one, titles) for one in read_verdicts(given)],
        proposals=[proposal_view(language, one, titles, now) for one in waiting],
        standing=[standing_view(language, one, titles) for one in standing],
        clocks=_clocks(given),
        deliveries=read_unmapped(given, LISTED),
    )


def verdict_view(language: Language, one: VerdictAnswer, titles: Mapping[str, str]) -> VerdictView:
    icon, tone = _LOOKS[one.verdict]
    seen = [found for reason in one.change.reasons for found in reason.observations] if one.change else []
    stands = one.verdict.rank > 0 and not one.subject.startswith(JURISDICTION)
    return VerdictView(
        title=getattr(one.title, language),
        word=VERDICTS[one.verdict][0 if language == "fr" else 1],
        icon=icon,
        tone=tone,
        at=one.change.at if one.change else None,
        words=getattr(one.words, language),
        services=[titles.get(name, name) for name in one.services],
        observations=seen[:MOST_SEEN],
        acknowledge=f"bascule signals acknowledge {one.subject}" if stands else "",
    )


def proposal_view(language: Language, one: ProposalAnswer, titles: Mapping[str, str], now: float) -> ProposalView:
    armed = one.state is ProposalState.ARMED
    order = f"bascule proposals release {one.id} --digest {one.digest[:19]}"
    refusal = f"bascule proposals reject {one.id} --reason …"
    return ProposalView(
        title=say(language, f"proposal.{one.state}", names=", ".join(titles.get(name, name) for name in one.services)),
        icon="waits" if armed else "decide",
        tone="waits" if armed else "bad",
        raised_at=one.raised_at,
        words=getattr(one.words, language),
        standing=_standing(language, one, now)
        if armed
        else say(language, "proposal.again" if one.blocked else "proposal.made"),
        why=one.blocked.text if one.blocked else "",
        weak_since=one.weak_since,
        commands=[f"bascule proposals show {one.id} --plan", order, refusal, *_stops(one)] if armed else [refusal],
        link=f"/approve/proposal/{one.id}" if armed else "",
    )


def standing_view(language: Language, one: StandingAnswer, titles: Mapping[str, str]) -> StandingView:
    names = ", ".join(titles.get(name, name) for name in one.services)
    if one.state is StandingState.IN_FORCE:
        who, at = ", ".join(signature.by for signature in one.signatures), moment(language, one.expires_at)
        line = say(language, "standing.line", who=who, rule=one.rule, at=at)
        command, link = f"bascule standing revoke {one.id} --reason …", ""
    else:
        said = {"rule": one.rule, "by": one.asked_by, "given": len(one.signatures), "needed": one.needed}
        line = say(language, "standing.missing", **said)
        command = f"bascule standing sign {one.id} --digest {one.digest[:19]} --comment …"
        link = f"/approve/standing/{one.id}"
    icon = "waits" if one.state is StandingState.IN_FORCE else "decide"
    return StandingView(say(language, f"standing.{one.state}", names=names), line, icon, command, link)


def _standing(language: Language, one: ProposalAnswer, now: float) -> str:
    if one.state is not ProposalState.ARMED:
        return say(language, "proposal.again" if one.blocked else "proposal.made")
    left = (one.armed_until or now) - now
    count = (
        say(language, "proposal.left", time=duration(left, language)) if left > 0 else say(language, "proposal.over")
    )
    if one.standing is not None:
        who = say(language, "proposal.itself", id=one.standing.id, names=", ".join(one.standing.signers))
        return f"{who} · {count}"
    who = say(language, "proposal.missing", count=one.missing)
    return f"{who} · {count}"


def _stops(one: ProposalAnswer) -> list[str]:
    return [f"bascule standing revoke {one.standing.id} --reason …"] if one.standing is not None else []


def _clocks(given: Parts) -> ClockBoard:
    """Nothing runs out while no estate can be read."""
    try:
        return given.service.clocks.board()
    except RequestError:
        return ClockBoard(False, ())
