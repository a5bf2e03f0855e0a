"""Standing approvals: listed, asked for, signed by others, revoked by one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.people.role import Permission
from orchestrator.domain.proposals.standing_approval import StandingState
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.store.runs import Row
from orchestrator.web.api.orders import Name, Person, ReleaseOrder, Remark, RunDecision
from orchestrator.web.api.run_routes import signed_of
from orchestrator.web.edge.authority import Acting, SignInNeeded, name_of, require, sees
from orchestrator.web.parts import Given, Parts

router = APIRouter(prefix="/standing-approvals", tags=["standing approvals"])

ApprovalId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,59}$")]


class StandingOrder(BaseModel):
    """`verdict` and `held_for` (seconds): more evidence than the rule itself asks. `days`: how long it lasts."""

    model_config = ConfigDict(extra="forbid")

    rule: Name
    days: Annotated[float, Field(gt=0, le=90)] = 30
    verdict: Literal["eroding", "cut"] | None = None
    held_for: Annotated[float, Field(ge=0, le=30 * 86400)] | None = None
    by: Person | None = Field(default=None, alias="as")
    reason: Remark = ""


class SignatureAnswer(BaseModel):
    """`with_key`: a security key signed the digest."""

    by: str
    at: float
    comment: str
    with_key: bool


class StandingAnswer(BaseModel):
    """What is signed, who signed it, and what became of it. Times are UTC seconds, `held_for` seconds.

    `why`: of one that ended; `commit` and `signer` mean that something changed under its signatures.
    """

    id: str
    state: StandingState
    rule: str
    subject: str
    services: list[str]
    scope: str
    commit: str
    verdict: str
    held_for: float
    expires_at: float
    digest: str
    asked_by: str
    asked_at: float
    reason: str
    needed: int
    signatures: list[SignatureAnswer]
    uses: int
    used_at: float | None
    ended_at: float | None
    ended_by: str | None
    why: str

    @property
    def missing(self) -> int:
        return max(self.needed - len(self.signatures), 0)


class StandingList(BaseModel):
    standing_approvals: list[StandingAnswer]


@router.get("")
def list_standing(given: Given, acting: Acting, everything: bool = False) -> StandingList:
    """Those that are asked for or in force; with `everything`, those that ended as well."""
    found = read_standing(given, everything=everything)
    return StandingList(standing_approvals=[one for one in found if sees(acting, one.services)])


@router.post("", status_code=201)
def ask(order: StandingOrder, given: Given, acting: Acting) -> StandingAnswer:
    """Ask for one, at the newest commit. Who asks is known, and does not sign."""
    if not acting.is_person:
        raise SignInNeeded("Who asks for a standing approval is known: sign in (`bascule login`), and ask again.")
    services = given.service.standing.services_of(order.rule)
    require(given, acting, Permission.PLAN, services)
    verdict = Verdict(order.verdict) if order.verdict else None
    row = given.service.standing.ask(
        order.rule, name_of(acting, order.by), order.days, order.reason, verdict, order.held_for
    )
    return _answer(row)


@router.post("/{approval_id}/sign")
def sign(approval_id: ApprovalId, order: ReleaseOrder, given: Given, acting: Acting) -> StandingAnswer:
    """One person's signature of exactly this digest; with the last that is needed, it is in force."""
    who, signed = name_of(acting, order.by), signed_of(order.key)
    return _answer(given.service.standing.sign(approval_id, order.digest, who, order.comment, signed))


@router.post("/{approval_id}/revoke")
def revoke(approval_id: ApprovalId, order: RunDecision, given: Given, acting: Acting) -> StandingAnswer:
    """One person ends it, at once. Needs a reason."""
    standing = given.service.standing
    standing.revoke(approval_id, name_of(acting, order.by), order.reason)
    return _answer(standing.get(approval_id))


def read_standing(given: Parts, *, everything: bool = False) -> list[StandingAnswer]:
    return [_answer(row) for row in given.service.standing.listed(everything=everything)]


def _answer(row: Row) -> StandingAnswer:
    signatures = [
        {"by": one["by"], "at": one["at"], "comment": one["comment"], "with_key": "signature" in one}
        for one in row.signatures
    ]
    return StandingAnswer.model_validate({**row._mapping, "signatures": signatures, "why": row.end_reason or ""})
