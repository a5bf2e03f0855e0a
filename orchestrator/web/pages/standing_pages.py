"""Standing approvals: what goes by itself and who signed for it; asking for one, and taking one back."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import Permission
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.request import RequestError
from orchestrator.web.api.standing_routes import ApprovalId, read_standing
from orchestrator.web.edge.authority import Acting, SignInNeeded, name_of, require, sees
from orchestrator.web.pages.action import Action, Field, answer, ask, reason
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang, render, service_titles
from orchestrator.web.pages.proposal_view import standing_view
from orchestrator.web.pages.signal_view import verdict_word
from orchestrator.web.pages.text import clean
from orchestrator.web.parts import Given, Parts
from orchestrator.web.times import duration
from orchestrator.web.words import Language, say
from providers.wants import seconds

DAYS = 30
"""How long one lasts where nothing else is typed."""

router = APIRouter(prefix="/standing", include_in_schema=False)


@router.get("")
def show_standing(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    titles = service_titles(given, language)
    listed = [one for one in read_standing(given, everything=True) if sees(acting, one.services)]
    views = [standing_view(language, one, titles) for one in listed]
    return render(
        request,
        "standing.html",
        language,
        open=[one for one in views if one.open],
        past=[one for one in views if not one.open],
        rules=[name for name, _ in _rules(given, acting)],
        by_people=[name for name, rule in given.service.standing.rules() if rule.release == "people"],
    )


@router.get("/new")
def ask_new(request: Request, given: Given, acting: Acting, language: Lang, rule: str = "") -> Response:
    action = _asking(given, acting, language)
    known = {name for name, _ in _rules(given, acting)}
    return ask(request, language, action, typed={"rule": rule} if rule in known else None)


@router.post("/new")
def ask_for(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(typed: Mapping[str, str]) -> str:
        if not acting.is_person:
            raise SignInNeeded("Who asks for a standing approval is known: sign in (`bascule login`), and ask again.")
        standing = given.service.standing
        require(given, acting, Permission.PLAN, standing.services_of(typed["rule"]))
        verdict = Verdict(typed["verdict"]) if typed["verdict"] else None
        held_for = _seconds(typed["held_for"]) if typed["held_for"] else None
        days = _days(typed["days"])
        row = standing.ask(typed["rule"], name_of(acting, None), days, typed["reason"], verdict, held_for)
        return f"/standing#{row.id}"

    return answer(request, language, _asking(given, acting, language), form, act)


@router.get("/{approval_id}/revoke")
def ask_revoke(request: Request, approval_id: ApprovalId, given: Given, language: Lang) -> Response:
    return ask(request, language, _revoking(given, language, approval_id))


@router.post("/{approval_id}/revoke")
def revoke(
    request: Request, approval_id: ApprovalId, form: Form, given: Given, acting: Acting, language: Lang
) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.standing.revoke(approval_id, name_of(acting, None), typed["reason"])

    return answer(request, language, _revoking(given, language, approval_id), form, act)


def _asking(given: Parts, acting: Actor, language: Language) -> Action:
    rules = [(name, _told(language, name, rule)) for name, rule in _rules(given, acting)]
    verdicts = [("", say(language, "standing.field.verdict.rule"))]
    verdicts += [(one.value, verdict_word(language, one)) for one in (Verdict.ERODING, Verdict.CUT)]
    fields = [
        Field("rule", say(language, "standing.field.rule"), "choice", options=rules),
        Field(
            "days",
            say(language, "standing.field.days"),
            "number",
            value=str(DAYS),
            help=say(language, "standing.field.days.help"),
        ),
        Field("verdict", say(language, "standing.field.verdict"), "choice", required=False, options=verdicts),
        Field(
            "held_for",
            say(language, "standing.field.for"),
            required=False,
            help=say(language, "standing.field.for.help"),
            most=20,
        ),
        reason(language, required=False),
    ]
    return Action(
        title=say(language, "standing.new.ask"),
        does=say(language, "standing.new.does"),
        safe=say(language, "standing.new.safe"),
        button=say(language, "standing.new.do"),
        back="/standing",
        did="standing-asked",
        fields=fields,
        command="bascule standing ask RULE --days 30 --verdict … --for … --reason …",
    )


def _revoking(given: Parts, language: Language, approval_id: str) -> Action:
    row = given.service.standing.get(approval_id)
    titles = service_titles(given, language)
    names = clean(", ".join(titles.get(name, name) for name in row.services))
    return Action(
        title=say(language, "standing.revoke.ask", names=names),
        does=say(language, "standing.revoke.does", rule=row.rule),
        touches=[clean(f"{row.id} · {row.rule} · {row.scope} · {names}")],
        safe=say(language, "standing.revoke.safe"),
        button=say(language, "standing.revoke"),
        back="/standing",
        did="standing-revoked",
        fields=[reason(language)],
        confirm=approval_id,
        danger=True,
        command=f"bascule standing revoke {approval_id} --reason …",
    )


def _rules(given: Parts, acting: Actor) -> list[tuple[str, ProposalRule]]:
    """Those that may go by themselves once people signed for it, and that whoever asks sees."""
    standing = given.service.standing
    found = [(name, rule) for name, rule in standing.rules() if rule.release == "standing-approval"]
    return [(name, rule) for name, rule in found if sees(acting, standing.services_of(name))]


def _told(language: Language, name: str, rule: ProposalRule) -> str:
    said = {"rule": name, "subject": rule.when.subject, "scope": rule.scope}
    word, time = verdict_word(language, rule.when.bar), duration(rule.when.for_, language)
    return say(language, "standing.rule", **said, verdict=word, time=time)


def _days(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RequestError(f"{text!r} is no number of days; write it such as 30.") from error


def _seconds(text: str) -> float:
    try:
        return float(seconds(text))
    except ValueError as error:
        raise RequestError(f"{text!r} is no duration; write it such as 90m or 2h.") from error
