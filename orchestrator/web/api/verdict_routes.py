"""What is said of vendors and of laws, how it came to that, and that a person has seen it."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.verdicts import Standing
from orchestrator.web.api.orders import AcknowledgeOrder
from orchestrator.web.edge.authority import Acting, name_of
from orchestrator.web.parts import Given, Parts

router = APIRouter(prefix="/verdicts", tags=["signals"])

Subject = Annotated[str, Path(pattern=r"^[a-z0-9](?:[a-z0-9_.\-]{0,98}[a-z0-9])?$|^jurisdiction:[A-Z]{2}$")]
SubjectQuery = Annotated[str, Query(pattern=r"^$|^[a-z0-9](?:[a-z0-9_.\-]{0,98}[a-z0-9])?$|^jurisdiction:[A-Z]{2}$")]


class TwoTongues(BaseModel):
    fr: str
    en: str


class ReasonAnswer(BaseModel):
    """`observations`: the readings that it rests on, as they came."""

    what: str
    aspect: str = ""
    sensor: str = ""
    vantages: list[str] = []
    trust_domains: list[str] = []
    since: str | None = None
    value: float | None = None
    account: str | None = None
    subject: str | None = None
    verdict: str | None = None
    observations: list[dict[str, Any]] = []


class ChangeAnswer(BaseModel):
    """A verdict that changed. `at`: when the evidence was enough; `since`: when what it speaks of began."""

    id: int
    subject: str
    verdict: Verdict
    before: Verdict
    at: float
    since: float
    targeted: str | None
    words: TwoTongues
    reasons: list[ReasonAnswer]


class VerdictAnswer(BaseModel):
    """`change` is null where nothing was ever observed. `services`: those that depend on it and can move."""

    subject: str
    title: TwoTongues
    verdict: Verdict
    words: TwoTongues
    services: list[str]
    change: ChangeAnswer | None


class VerdictsAnswer(BaseModel):
    verdicts: list[VerdictAnswer]


class ChangesAnswer(BaseModel):
    changes: list[ChangeAnswer]


@router.get("")
def list_verdicts(given: Given) -> VerdictsAnswer:
    """Of every vendor that a service depends on and of whatever else was observed, the worst first."""
    return VerdictsAnswer(verdicts=read_verdicts(given))


@router.get("/changes")
def list_changes(
    given: Given, subject: SubjectQuery = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> ChangesAnswer:
    """Changes of verdicts with their reasons, the newest first."""
    rows = given.service.verdicts.history(subject, limit)
    return ChangesAnswer(changes=[ChangeAnswer.model_validate(dict(row._mapping)) for row in rows])


@router.post("/{subject}/acknowledge", status_code=204)
def acknowledge(subject: Subject, order: AcknowledgeOrder, given: Given, acting: Acting) -> None:
    """A person has seen what became of a vendor: it may be nominal again as soon as the evidence is."""
    given.service.verdicts.acknowledge(subject, name_of(acting, order.by), order.comment)


def read_verdicts(given: Parts) -> list[VerdictAnswer]:
    return [_answer(one) for one in given.service.verdicts.listed()]


def _answer(one: Standing) -> VerdictAnswer:
    change = ChangeAnswer.model_validate(dict(one.change._mapping)) if one.change is not None else None
    return VerdictAnswer(
        subject=one.subject,
        title=TwoTongues(**one.title),
        verdict=one.verdict,
        words=TwoTongues(**one.words),
        services=list(one.services),
        change=change,
    )
