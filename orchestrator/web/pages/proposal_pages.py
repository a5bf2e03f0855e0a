"""Proposals: those that wait, how past ones ended, one with all that it stands on, and saying no to it."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.proposals.proposal import WAITING
from orchestrator.web.api.proposal_routes import ProposalId, read_proposal, read_proposals
from orchestrator.web.api.verdict_routes import ReasonAnswer
from orchestrator.web.edge.authority import Acting, mode_of_scope, name_of, sees
from orchestrator.web.pages.action import Action, answer, ask, reason
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang, render, service_titles
from orchestrator.web.pages.proposal_view import event_views, notice_views, proposal_view
from orchestrator.web.pages.signal_view import reason_views
from orchestrator.web.pages.text import clean
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language, say

LISTED = 200

router = APIRouter(prefix="/proposals", include_in_schema=False)


@router.get("")
def show_proposals(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    titles = service_titles(given, language)
    listed = [one for one in read_proposals(given, LISTED, waiting=False) if sees(acting, one.services)]
    return render(
        request,
        "proposals.html",
        language,
        waiting=[proposal_view(language, one, titles) for one in listed if one.state in WAITING],
        past=[proposal_view(language, one, titles) for one in listed if one.state not in WAITING],
        rules=_rules(given),
        most=LISTED,
    )


@router.get("/{proposal_id}")
def show_proposal(request: Request, proposal_id: ProposalId, given: Given, language: Lang) -> Response:
    whole = read_proposal(proposal_id, given)
    proposal = whole.proposal
    reasons = [ReasonAnswer.model_validate(one) for one in whole.evidence.get("reasons", [])]
    return render(
        request,
        "proposal.html",
        language,
        one=proposal_view(language, proposal, service_titles(given, language, proposal.commit)),
        proposal=proposal,
        mode=mode_of_scope(given, proposal.scope).value,
        reasons=reason_views(language, reasons),
        events=event_views(language, whole.events),
        notices=notice_views(language, whole.notices),
    )


@router.get("/{proposal_id}/reject")
def ask_reject(request: Request, proposal_id: ProposalId, given: Given, language: Lang) -> Response:
    return ask(request, language, _rejecting(given, language, proposal_id))


@router.post("/{proposal_id}/reject")
def reject(
    request: Request, proposal_id: ProposalId, form: Form, given: Given, acting: Acting, language: Lang
) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.proposals.reject(proposal_id, name_of(acting, None), typed["reason"])

    return answer(request, language, _rejecting(given, language, proposal_id), form, act)


def _rejecting(given: Parts, language: Language, proposal_id: str) -> Action:
    row = given.service.proposals.get(proposal_id)
    titles = service_titles(given, language)
    names = clean(", ".join(titles.get(name, name) for name in row.services))
    return Action(
        title=say(language, "proposal.reject.ask", names=names),
        does=say(language, "proposal.reject.does"),
        touches=[clean(f"{row.id} · {row.scope} · {names}"), clean(row.evidence["words"][language])],
        safe=say(language, "proposal.reject.safe"),
        button=say(language, "proposal.reject"),
        back=f"/proposals/{proposal_id}",
        did="proposal-reject",
        fields=[reason(language)],
        danger=True,
        mode=mode_of_scope(given, row.scope),
        command=f"bascule proposals reject {proposal_id} --reason …",
    )


def _rules(given: Parts) -> list[str]:
    """The names of the rules that propose; none while no estate can be read."""
    return [name for name, _ in given.service.standing.rules()]
