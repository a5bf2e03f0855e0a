"""Tokens: one's own, made from the account's page; those of programs and of everybody, in the settings."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import GUARDED, Grant, Role
from orchestrator.operations.request import Denied, NotFound, RequestError
from orchestrator.web.api.session_routes import ShortId, require_second_factor
from orchestrator.web.edge.authority import Acting
from orchestrator.web.pages.action import Action, Deed, Field, answer, ask
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang, service_titles
from orchestrator.web.pages.settings_frame import grant_text, grant_words, section_page
from orchestrator.web.pages.text import clean
from orchestrator.web.pages.told_once import Slip, told_once
from orchestrator.web.parts import Given, Parts
from orchestrator.web.times import moment
from orchestrator.web.words import Language, say

router = APIRouter(include_in_schema=False)

DAYS = "90"
"""What is offered first; a token lasts a year at most."""


@router.get("/settings/tokens")
def show_tokens(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    people = {one.name: one for one in given.service.people.register.listed()}
    return section_page(
        request, acting, language, "tokens",
        tokens=given.service.people.tokens.listed(),
        people=people,
        programs=[one.name for one in people.values() if one.program and not one.disabled],
        grants_of=lambda row: [grant_words(language, Grant(Role(role), service)) for role, service in row.grants],
    )  # fmt: skip


@router.get("/settings/tokens/{token_id}/revoke")
def ask_revoke(request: Request, token_id: ShortId, given: Given, acting: Acting, language: Lang) -> Response:
    return ask(request, language, _revoking(given, acting, language, token_id).action)


@router.post("/settings/tokens/{token_id}/revoke")
def revoke(request: Request, token_id: ShortId, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    deed = _revoking(given, acting, language, token_id)
    return answer(request, language, deed.action, form, deed.act)


@router.get("/account/token")
def ask_own(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    return ask(request, language, _making_own(request, given, acting, language).action)


@router.post("/account/token")
def make_own(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    deed = _making_own(request, given, acting, language)
    return answer(request, language, deed.action, form, deed.act)


def tokenable(grants: Sequence[Grant]) -> list[Grant]:
    """The roles that a token can have: it neither approves nor manages."""
    return [one for one in grants if one.role not in GUARDED]


def making_a_token(
    request: Request, given: Parts, acting: Actor, language: Language, owner: str, own: Sequence[Grant], back: str
) -> Deed:
    """Of oneself or of a program, with some of the owner's roles, narrowed to one service where that is wanted.

    Raises Denied where the owner has none that a token can have.
    """
    grants = tokenable(own)
    if not grants:
        raise Denied(f"{owner} has no role that a token can have: viewer, operator, author or auditor.")
    first = next((one for one in grants if one.role is Role.VIEWER), grants[0])
    titles = service_titles(given, language)
    places = [
        ("", say(language, "settings.token.anywhere")),
        *((name, f"{title} ({name})") for name, title in titles.items()),
    ]
    ticks = [
        Field(grant_text(one), grant_words(language, one), "tick", required=False, value="yes" if one is first else "")
        for one in grants
    ]
    about = say(language, "settings.token.label.help")
    action = Action(
        title=say(language, "settings.token.make", name=owner),
        does=say(language, "settings.token.does"),
        safe=say(language, "settings.token.safe"),
        button=say(language, "settings.token.do"),
        back=back,
        fields=[
            Field("label", say(language, "settings.token.label"), most=100, help=about),
            *ticks,
            Field("place", say(language, "settings.token.place"), "choice", required=False, options=places),
            Field("days", say(language, "settings.token.days"), "number", value=DAYS, most=5),
        ],
        command="bascule tokens make LABEL --role ROLE --days 90",
    )

    def act(typed: Mapping[str, str]) -> Response:
        wanted = [_narrowed(one, typed["place"]) for one in grants if typed[grant_text(one)]]
        label = " ".join(typed["label"].split())
        made = given.service.people.tokens.make(owner, label, wanted, number(typed["days"]), acting)
        ends = moment(language, made.expires_at)
        about = say(language, "settings.token.slip", label=clean(label), name=owner, at=ends)
        return told_once(
            request, language, title=say(language, "settings.token.made", label=clean(label)),
            says=say(language, "settings.token.how", at=ends), back=back, slips=[Slip(made.secret, about)],
        )  # fmt: skip

    return Deed(action, act)


def number(text: str) -> float:
    """Raises RequestError."""
    try:
        found = float(text.replace(",", "."))
    except ValueError as error:
        raise RequestError(f"{text!r} is no number.") from error
    if not abs(found) < float("inf"):
        raise RequestError(f"{text!r} is no number that anything can be counted by.")
    return found


def _making_own(request: Request, given: Parts, acting: Actor, language: Language) -> Deed:
    require_second_factor(acting)
    return making_a_token(request, given, acting, language, acting.name, acting.grants, "/account#tokens")


def _narrowed(grant: Grant, place: str) -> Grant:
    """Raises RequestError for a role that is another service's."""
    if not place or grant.service == place:
        return grant
    if grant.service:
        raise RequestError(f"The role {grant_text(grant)} is not one for {place}: take the tick away, or the service.")
    return Grant(grant.role, place)


def _revoking(given: Parts, acting: Actor, language: Language, token_id: str) -> Deed:
    row = next((one for one in given.service.people.tokens.listed() if one.id == token_id), None)
    if row is None:
        raise NotFound("There is no such token (any more).")
    said = f"{clean(row.label)} · {row.person} · {moment(language, row.expires_at)}"
    action = Action(
        title=say(language, "settings.token.revoke", label=clean(row.label)),
        does=say(language, "settings.token.revoke.does"),
        touches=[said],
        safe=say(language, "settings.token.revoke.safe"),
        button=say(language, "settings.token.revoke.do"),
        back="/settings/tokens",
        did="token-revoked",
        danger=True,
        command=f"bascule tokens revoke {token_id}",
    )

    def act(_typed: Mapping[str, str]) -> None:
        given.service.people.tokens.revoke(token_id, acting, manages=True)

    return Deed(action, act)
