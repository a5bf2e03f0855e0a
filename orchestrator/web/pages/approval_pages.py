"""Where people approve: a plan's release, a hold point, a proposal, each by the digest that stands on the page."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.choices import BY_PEOPLE
from orchestrator.domain.model import Mode, StepState
from orchestrator.domain.people.actor import Actor, Lack, Proof
from orchestrator.domain.people.role import Permission
from orchestrator.domain.plan import Plan
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.words import VERDICTS
from orchestrator.operations.people.approvals import Signed
from orchestrator.operations.request import RequestError, require_short
from orchestrator.store import people, runs
from orchestrator.store.journal import StepNotFound
from orchestrator.web.api.answers import StepAnswer
from orchestrator.web.api.orders import RunId, StepId
from orchestrator.web.api.proposal_routes import ProposalId
from orchestrator.web.api.standing_routes import ApprovalId
from orchestrator.web.edge.authority import Acting, FactorNeeded, ProofTooOld, require_role
from orchestrator.web.pages.done import done
from orchestrator.web.pages.form import Fields, Form
from orchestrator.web.pages.page import Lang, render
from orchestrator.web.pages.plan_pages import short_list
from orchestrator.web.pages.run_view import step_name
from orchestrator.web.parts import Given, Parts
from orchestrator.web.problem import problem_of
from orchestrator.web.times import duration, moment
from orchestrator.web.words import Language, say

router = APIRouter(prefix="/approve", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Matter:
    """What somebody is asked to approve. `about`: what a security key is asked about; `back`: where it is shown."""

    title: str
    mode: Mode
    services: list[str]
    digest: str
    role: str
    given: list[str]
    needed: int
    requester: str
    about: Mapping[str, str]
    back: str
    step: str = ""
    covers: str = ""
    """What is signed in advance, in the page's language."""
    approves: bool = True
    """False where a task is done, which approves nothing."""
    rejects: bool = False
    """Whether no is an answer here, with its reason."""
    name: str = ""
    instructions: str = ""
    """The file of the estate that says what to do or to look at, and its text."""
    sheet: str = ""


@router.get("/run/{run_id}")
def ask_release(request: Request, run_id: RunId, given: Given, acting: Acting, language: Lang) -> Response:
    return _page(request, given, acting, language, _release_of(given, run_id))


@router.post("/run/{run_id}")
def give_release(request: Request, run_id: RunId, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    matter = _release_of(given, run_id)

    def act(actor: Actor, signed: Signed | None) -> None:
        given.service.runs.release(run_id, form.get("digest", ""), actor.name, _comment(form), signed)

    return _answered(request, given, acting, language, matter, form, act)


@router.get("/step/{run_id}/{step_id:path}")
def ask_step(
    request: Request, run_id: RunId, step_id: StepId, given: Given, acting: Acting, language: Lang
) -> Response:
    return _page(request, given, acting, language, _step_of(given, language, run_id, step_id))


@router.post("/step/{run_id}/{step_id:path}")
def give_step(
    request: Request, run_id: RunId, step_id: StepId, form: Form, given: Given, acting: Acting, language: Lang
) -> Response:
    matter = _step_of(given, language, run_id, step_id)

    def act(actor: Actor, signed: Signed | None) -> None:
        if form.get("answer_is") == "no":
            given.service.decisions.reject(run_id, step_id, actor.name, _comment(form))
        else:
            given.service.decisions.approve(run_id, step_id, actor.name, _comment(form), signed)

    return _answered(request, given, acting, language, matter, form, act)


@router.get("/proposal/{proposal_id}")
def ask_proposal(request: Request, proposal_id: ProposalId, given: Given, acting: Acting, language: Lang) -> Response:
    return _page(request, given, acting, language, _proposal_of(given, proposal_id))


@router.post("/proposal/{proposal_id}")
def give_proposal(
    request: Request, proposal_id: ProposalId, form: Form, given: Given, acting: Acting, language: Lang
) -> Response:
    matter = _proposal_of(given, proposal_id)

    def act(actor: Actor, signed: Signed | None) -> None:
        comment = _comment(form)
        if form.get("answer_is") == "no":
            given.service.proposals.reject(proposal_id, actor.name, comment)
        else:
            given.service.proposals.approve(proposal_id, form.get("digest", ""), actor.name, comment, signed)

    return _answered(request, given, acting, language, matter, form, act)


@router.get("/standing/{approval_id}")
def ask_standing(request: Request, approval_id: ApprovalId, given: Given, acting: Acting, language: Lang) -> Response:
    return _page(request, given, acting, language, _standing_of(given, approval_id, language))


@router.post("/standing/{approval_id}")
def give_standing(
    request: Request, approval_id: ApprovalId, form: Form, given: Given, acting: Acting, language: Lang
) -> Response:
    matter = _standing_of(given, approval_id, language)

    def act(actor: Actor, signed: Signed | None) -> None:
        comment = _comment(form)
        given.service.standing.sign(approval_id, form.get("digest", ""), actor.name, comment, signed)

    return _answered(request, given, acting, language, matter, form, act)


def _release_of(given: Parts, run_id: str) -> Matter:
    with given.service.database.read() as conn:
        row = runs.get_run(conn, run_id)
    return Matter(
        title=f"{', '.join(row.services)} · {row.scope}",
        mode=Mode(row.mode),
        services=list(row.services),
        digest=row.plan_digest,
        role="approver",
        given=list(row.releases),
        needed=row.releases_needed,
        requester=row.requested_by,
        about={"digest": row.plan_digest},
        back=f"/runs/{run_id}",
    )


def _step_of(given: Parts, language: Language, run_id: str, step_id: str) -> Matter:
    with given.service.database.read() as conn:
        row = runs.get_run(conn, run_id)
        step = runs.get_step(conn, run_id, step_id)
    if step is None:
        raise StepNotFound(f"Run {run_id} has no step {step_id}.")
    waits = step.waits_for or {}
    instructions = str(step.spec.get("with", {}).get("instructions") or "")
    service = step.spec.get("service")
    return Matter(
        title=f"{step_id} · {row.scope}",
        mode=Mode(row.mode),
        services=[service] if service else list(row.services),
        digest=row.plan_digest,
        role=waits.get("role") or ("approver" if step.uses == "human.approval" else "operator"),
        given=list(waits.get("given", [])),
        needed=int(waits.get("count", 1)),
        requester=row.requested_by if step.uses == "human.approval" else "",
        about={"digest": row.plan_digest, "run": run_id, "step": step_id},
        back=f"/runs/{run_id}",
        step=step_id,
        approves=step.uses == "human.approval",
        rejects=step.state == StepState.WAITING.value and waits.get("for") in BY_PEOPLE,
        name=step_name(language, StepAnswer.of(step, [])),
        instructions=instructions,
        sheet=given.service.estates.sheet(row.commit, instructions) if instructions else "",
    )


def _proposal_of(given: Parts, proposal_id: str) -> Matter:
    row = given.service.proposals.get(proposal_id)
    mode = Mode.LIVE
    if row.digest:
        mode = Mode(given.service.plans.get(row.digest).mode)
    return Matter(
        title=f"{', '.join(row.services)} · {row.scope}",
        mode=mode,
        services=list(row.services),
        digest=row.digest,
        role="approver",
        given=[str(one["by"]) for one in row.approvals],
        needed=row.approvals_needed,
        requester="",
        about={"digest": row.digest},
        back="/signals",
    )


def _standing_of(given: Parts, approval_id: str, language: Language) -> Matter:
    row = given.service.standing.get(approval_id)
    said = {"subject": row.subject, "verdict": _word(language, row.verdict), "time": duration(row.held_for, language)}
    said |= {"names": ", ".join(row.services), "at": moment(language, row.expires_at), "commit": row.commit}
    return Matter(
        title=f"{row.rule} · {row.scope}",
        mode=Mode.LIVE,
        services=list(row.services),
        digest=row.digest,
        role="approver",
        given=[str(one["by"]) for one in row.signatures],
        needed=row.needed,
        requester=row.asked_by,
        about={"digest": row.digest},
        back="/signals",
        covers=say(language, "standing.covers", **said),
    )


def _word(language: Language, verdict: str) -> str:
    return VERDICTS[Verdict(verdict)][0 if language == "fr" else 1]


def _answered(
    request: Request,
    given: Parts,
    acting: Actor,
    language: Language,
    matter: Matter,
    form: Fields,
    act: Callable[[Actor, Signed | None], None],
) -> Response:
    """Do it and go back; what stands in the way is said on the page, and nothing that was typed is lost.

    Who sent no code and must show a factor is asked for it, and goes on. Raises ProofTooOld, FactorNeeded.
    """
    actor = acting
    try:
        actor = _proved(given, acting, form)
        require_role(given, actor, matter.role, matter.services, matter.mode, approves=matter.approves)
        act(actor, _signed(form))
    except RequestError as error:
        if isinstance(error, ProofTooOld | FactorNeeded) and not form.get("code"):
            raise
        said = {"wrong": str(error), "why" if form.get("answer_is") == "no" else "comment": form.get("comment", "")}
        return _page(request, given, actor, language, matter, problem_of(error).status, **said)
    return done(request, matter.back, _did(matter, form))


def _comment(form: Fields) -> str:
    """Raises RequestError, whatever it goes with: an approval is kept for good."""
    comment = form.get("comment", "").strip()
    require_short(comment)
    return comment


def _did(matter: Matter, form: Fields) -> str:
    """What the page that one arrives at says, of steps."""
    if not matter.step:
        return ""
    return "reject" if form.get("answer_is") == "no" else "approve" if matter.approves else "task"


def _proved(given: Parts, acting: Actor, form: Fields) -> Actor:
    """The second factor may be shown with the approval itself."""
    if not form.get("code") or not acting.is_person:
        return acting
    given.service.people.sign_in.prove(acting, form["code"])
    return replace(acting, proof=Proof.TOTP, proved_at=given.service.progress.clock())


def _signed(form: Fields) -> Signed | None:
    if not form.get("challenge"):
        return None
    try:
        answer = json.loads(form.get("answer", ""))
    except ValueError as error:
        raise RequestError("The security key's answer can't be read: try again.") from error
    return Signed(form["challenge"], answer)


def _page(
    request: Request, given: Parts, acting: Actor, language: Language, matter: Matter, status: int = 200, **more: Any
) -> Response:
    now = given.service.progress.clock()
    lack = acting.lacks(Permission.APPROVE, matter.services, matter.mode, now)
    values = {"wrong": "", "comment": "", "why": "", **more}
    plan = _plan(given, matter)
    return render(
        request,
        "approve.html",
        language,
        status,
        matter=matter,
        steps=len(plan.steps) if plan is not None else 0,
        outlined=short_list(given, language, plan) if plan is not None else [],
        about=json.dumps(dict(matter.about)),
        asks_code=lack is Lack.STALE and _has_totp(given, acting),
        has_key=acting.keyed,
        keyed=acting.keyed and matter.approves and matter.mode is not Mode.REHEARSAL,
        **values,
    )


def _has_totp(given: Parts, acting: Actor) -> bool:
    with given.service.database.read() as conn:
        row = people.get(conn, acting.name)
    return row is not None and bool(row.totp)


def _plan(given: Parts, matter: Matter) -> Plan | None:
    try:
        return given.service.plans.get(matter.digest) if matter.digest else None
    except RequestError:
        return None
