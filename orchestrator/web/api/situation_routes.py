"""The situation in one answer, and how well each service is prepared: what the console's first pages show."""

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel

from orchestrator.domain.model import RunState
from orchestrator.domain.preparedness import Lack, Readiness
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.preparedness import Prepared
from orchestrator.web.api.proposal_routes import ProposalAnswer
from orchestrator.web.api.standing_routes import StandingAnswer
from orchestrator.web.api.verdict_routes import TwoTongues, VerdictAnswer
from orchestrator.web.edge.authority import Acting, sees
from orchestrator.web.errands import Errand, Kind, RefusedEstate, RunWait, UnconfirmedCodes, UnconfirmedRole
from orchestrator.web.parts import Given
from orchestrator.web.situation import headline, situation_of

router = APIRouter(tags=["situation"])


class ErrandAnswer(BaseModel):
    """One thing that waits for people. `mine`: the caller may do it. `about`: its id, name or subject, by its kind.

    `step` where it is one of a run's; `ends`: when it is too late, `since`: since when it waits (UTC seconds).
    """

    kind: Kind
    mine: bool
    about: str
    step: str = ""
    mode: str
    since: float | None
    ends: float | None


class NowAnswer(BaseModel):
    """`headline`: the situation in a sentence. `counts`: of what there is how much. The most urgent waits are first."""

    headline: TwoTongues
    counts: dict[str, int]
    waits: list[ErrandAnswer]


class TrialAnswer(BaseModel):
    """The last failover in one mode that ended. `took`: seconds until the service had moved, null where it did not.

    `within_rto` is null where nobody knows. `ended_at`: of the failover, whatever was undone afterwards (UTC seconds).
    """

    mode: str
    run: str
    outcome: RunState
    ended_at: float
    took: float | None
    within_rto: bool | None


class PreparedAnswer(BaseModel):
    """One service. `lacks`: what is missing, the worst first. `copied_at`: of its data, UTC seconds."""

    name: str
    title: TwoTongues
    vendor: str
    verdict: Verdict
    target: str
    rto: float | None
    rpo: float | None
    copied_at: float | None
    readiness: Readiness
    lacks: list[Lack]
    trials: list[TrialAnswer]


class PreparedList(BaseModel):
    """In the order in which they would move. `commit`: whose services they are, empty while none can be read.

    `trouble`: why the newest accepted commit can't be read; then an older one stands here.
    """

    commit: str
    trouble: str
    services: list[PreparedAnswer]


@router.get("/now")
def read_now(given: Given, acting: Acting) -> NowAnswer:
    """Whether something happens, and what waits for whom."""
    found = situation_of(given, acting)
    said = {language: headline(language, found.counts).text for language in ("fr", "en")}
    counts = {name: int(number) for name, number in asdict(found.counts).items()}
    waits = [_errand(one) for one in (*found.mine, *found.others)]
    return NowAnswer(headline=TwoTongues(**said), counts=counts, waits=waits)


@router.get("/services")
def list_services(given: Given, acting: Acting) -> PreparedList:
    """How well each service is prepared to move, and what is missing."""
    board = given.service.preparedness.board()
    return PreparedList(
        commit=board.accepted.commit if board.accepted is not None else "",
        trouble=board.trouble,
        services=[_prepared(one) for one in board.services if sees(acting, (one.name,))],
    )


def _errand(one: Errand) -> ErrandAnswer:
    about, step = _about(one)
    return ErrandAnswer(
        kind=one.kind, mine=one.mine, about=about, step=step, mode=one.mode, since=one.since, ends=one.ends
    )


def _about(one: Errand) -> tuple[str, str]:
    match one.about:
        case RunWait(run, wait):
            return run.id, wait.step
        case ProposalAnswer(id=known) | StandingAnswer(id=known) | VerdictAnswer(subject=known):
            return known, ""
        case UnconfirmedRole(person=known) | UnconfirmedCodes(by=known) | RefusedEstate(why=known):
            return known, ""


def _prepared(one: Prepared) -> PreparedAnswer:
    service = one.service
    return PreparedAnswer(
        name=one.name,
        title=TwoTongues(fr=service.title.fr, en=service.title.en),
        vendor=service.vendor,
        verdict=one.verdict,
        target=service.target,
        rto=service.rto,
        rpo=service.rpo,
        copied_at=one.copied_at,
        readiness=one.readiness,
        lacks=list(one.lacks),
        trials=[
            TrialAnswer(
                mode=trial.mode.value,
                run=trial.run_id,
                outcome=trial.outcome,
                ended_at=trial.ended_at,
                took=trial.took,
                within_rto=trial.within(service.rto),
            )
            for trial in one.trials.values()
        ],
    )
