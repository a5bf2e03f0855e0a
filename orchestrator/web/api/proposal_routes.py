"""Proposals: read, released by people, rejected by one of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from orchestrator.domain.proposals.proposal import WAITING, ProposalState
from orchestrator.store import notices, proposals
from orchestrator.store.runs import Row
from orchestrator.web.api.orders import ReleaseOrder, RunDecision
from orchestrator.web.api.run_routes import signed_of
from orchestrator.web.api.verdict_routes import TwoTongues
from orchestrator.web.edge.authority import Acting, name_of, sees
from orchestrator.web.parts import Given, Parts

router = APIRouter(prefix="/proposals", tags=["proposals"])

ProposalId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,59}$")]


class Approved(BaseModel):
    by: str
    at: float
    comment: str


class Blocked(BaseModel):
    """Why no plan could be made."""

    code: str
    text: str


class Announced(BaseModel):
    """The standing approval that will release it at the end of its countdown, as things stand."""

    id: str
    signers: list[str]


class ProposalAnswer(BaseModel):
    """`digest` is empty while no plan could be made (`blocked`). `armed_until`: the end of the countdown.

    `weak_since`: since when what it stands on is not observed any more. Times are UTC seconds.
    """

    id: str
    rule: str
    subject: str
    state: ProposalState
    services: list[str]
    scope: str
    commit: str
    digest: str
    words: TwoTongues
    raised_at: float
    armed_until: float | None
    counted_down: bool
    weak_since: float | None
    approvals_needed: int
    approvals: list[Approved]
    standing: Announced | None
    blocked: Blocked | None
    run_id: str | None
    ended_at: float | None
    ended_by: str | None

    @property
    def missing(self) -> int:
        return max(self.approvals_needed - len(self.approvals), 0)


class ProposalEventAnswer(BaseModel):
    seq: int
    at: float
    kind: str
    actor: str
    data: dict[str, Any]


class NoticeAnswer(BaseModel):
    """A message that told people, and whether the channel took it."""

    channel: str
    title: TwoTongues
    state: str
    tries: int
    message: str


class WholeProposal(BaseModel):
    proposal: ProposalAnswer
    evidence: dict[str, Any]
    events: list[ProposalEventAnswer]
    notices: list[NoticeAnswer]


class ProposalsAnswer(BaseModel):
    proposals: list[ProposalAnswer]


class ProposalDecided(BaseModel):
    """`run_id`: the run that the last release that was needed began."""

    id: str
    state: ProposalState
    run_id: str | None


@router.get("")
def list_proposals(
    given: Given, acting: Acting, waiting: bool = False, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> ProposalsAnswer:
    """Proposals, the newest first; with `waiting`, only those that people can still decide on."""
    listed = read_proposals(given, limit, waiting=waiting)
    return ProposalsAnswer(proposals=[one for one in listed if sees(acting, one.services)])


@router.get("/{proposal_id}")
def read_proposal(proposal_id: ProposalId, given: Given) -> WholeProposal:
    """One proposal with its evidence, what happened to it, and whom it told."""
    row = given.service.proposals.get(proposal_id)
    with given.service.database.read() as conn:
        events = proposals.events(conn, proposal_id)
        told = notices.listed(conn, f"{proposal_id}:")
    return WholeProposal(
        proposal=_answer(row, given),
        evidence=row.evidence,
        events=[ProposalEventAnswer.model_validate(dict(one._mapping)) for one in events],
        notices=[NoticeAnswer.model_validate(dict(one._mapping)) for one in told],
    )


@router.post("/{proposal_id}/release")
def release(proposal_id: ProposalId, order: ReleaseOrder, given: Given, acting: Acting) -> ProposalDecided:
    """One person's yes to exactly this plan. The last that is needed begins the run."""
    who, signed = name_of(acting, order.by), signed_of(order.key)
    run_id = given.service.proposals.approve(proposal_id, order.digest, who, order.comment, signed)
    return _decided(given, proposal_id, run_id)


@router.post("/{proposal_id}/reject")
def reject(proposal_id: ProposalId, order: RunDecision, given: Given, acting: Acting) -> ProposalDecided:
    """One person's no: it ends. Needs a reason."""
    given.service.proposals.reject(proposal_id, name_of(acting, order.by), order.reason)
    return _decided(given, proposal_id, None)


def read_proposals(given: Parts, limit: int, *, waiting: bool) -> list[ProposalAnswer]:
    with given.service.database.read() as conn:
        rows = proposals.waiting(conn)[:limit] if waiting else proposals.listed(conn, limit)
    return [_answer(row, given) for row in rows]


def _decided(given: Parts, proposal_id: str, run_id: str | None) -> ProposalDecided:
    row = given.service.proposals.get(proposal_id)
    return ProposalDecided(id=row.id, state=ProposalState(row.state), run_id=run_id or row.run_id)


def _answer(row: Row, given: Parts) -> ProposalAnswer:
    ahead = given.service.standing.announced(row) if row.state == ProposalState.ARMED else None
    said = {**row._mapping, "words": row.evidence["words"], "blocked": row.message or None, "standing": None}
    if ahead is not None:
        said["standing"] = {"id": ahead.id, "signers": [one["by"] for one in ahead.signatures]}
    if row.state not in WAITING:
        said["blocked"] = None
    return ProposalAnswer.model_validate(said)
