"""One's own account: what proves who one is, sessions, tokens, the language; and showing one's second factor again."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import segno
from fastapi import APIRouter, Path, Query, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.enrolment import NewTotp
from orchestrator.operations.request import RequestError
from orchestrator.store import people as stored_people
from orchestrator.web.edge.access import Caller
from orchestrator.web.edge.authority import Acting
from orchestrator.web.edge.gate import PAGE_TOKEN
from orchestrator.web.pages.done import done
from orchestrator.web.pages.form import Fields, Form
from orchestrator.web.pages.page import LANGUAGE_COOKIE, Lang, language_asked, render
from orchestrator.web.pages.settings_frame import grant_words
from orchestrator.web.pages.sign_in_pages import local_path, signed_out
from orchestrator.web.pages.token_pages import tokenable
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import LANGUAGES, Language, say

router = APIRouter(include_in_schema=False)

PROOF = "proof_"
"""How the fields of showing a factor begin: whatever else the form has is what one goes on with afterwards."""
TYPED_AGAIN = frozenset({"value", "password", "old", "new", "code", "codes", "secret", "answer"})
"""Fields that no page gives back: where one of them was filled in, the form is filled in anew after the proof."""


@router.get("/account")
def show_account(
    request: Request, given: Given, acting: Acting, language: Lang, enrol: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    totp = None
    if enrol == "totp" and acting.is_person:
        try:
            totp = given.service.people.enrolment.begin_totp(acting)
        except RequestError as error:
            return _account(request, given, acting, language, wrong=str(error))
    return _account(request, given, acting, language, totp=totp)


@router.get("/account/prove")
def ask_proof(
    request: Request,
    given: Given,
    acting: Acting,
    next: Annotated[str, Query(max_length=2000)] = "/account",  # noqa: A002
) -> Response:
    return _prove(request, given, acting, local_path(next), "", [], status=200)


@router.post("/account/prove")
def prove(request: Request, form: Form, given: Given, acting: Acting) -> Response:
    """Show one's second factor, and go on with what was asked for: to a page, or with the form that was sent."""
    again = local_path(form.get(f"{PROOF}again", "")) if form.get(f"{PROOF}again") else ""
    wanted = local_path(form.get(f"{PROOF}next", "/account"))
    try:
        _show_factor(given, acting, form)
    except RequestError as error:
        return _prove(request, given, acting, wanted, again, _others(form), wrong=str(error))
    if again:
        return RedirectResponse(again, status_code=307)  # the same form, sent on: its page token is looked at again
    return RedirectResponse(wanted, status_code=303)


@router.post("/account/{what}")
def change_account(
    request: Request,
    what: Annotated[str, Path(pattern=r"^[a-z\-]{1,30}$")],
    form: Form,
    given: Given,
    acting: Acting,
    language: Lang,
) -> Response:
    """One change of one's own account, then the page again."""
    enrolment, signing, tokens = (
        given.service.people.enrolment,
        given.service.people.sign_in,
        given.service.people.tokens,
    )
    said = form.get("id", "")
    changes = {
        "totp": lambda: enrolment.confirm_totp(acting, form.get("secret", ""), form.get("code", "")),
        "password": lambda: enrolment.change_password(acting, form.get("old", ""), form.get("new", "")),
        "remove-key": lambda: enrolment.remove_key(acting, said),
        "end-session": lambda: signing.end(acting, said),
        "revoke-token": lambda: tokens.revoke(said, acting, manages=False),
        "sign-out": lambda: signing.sign_out(acting),
        "sign-out-everywhere": lambda: signing.sign_out_everywhere(acting),
    }
    change = changes.get(what)
    if change is None:
        return RedirectResponse("/account", status_code=303)
    try:
        change()
    except RequestError as error:
        totp = None
        if what == "totp" and form.get("secret"):
            totp = NewTotp(form["secret"], "")
        return _account(request, given, acting, language, totp=totp, wrong=str(error))
    if what.startswith("sign-out"):
        return signed_out(request, given)
    return done(request, "/account", f"account-{what}")


def prove_again(request: Request) -> Response | None:
    """For what asks for a second factor shown just now: one shows it, and goes on with what one was about to do.

    None for who has none to show.
    """
    parts: Parts = request.app.state.parts
    found = getattr(request.state, "caller", None)
    acting = found.actor if isinstance(found, Caller) else None
    if acting is None or acting.proof in (Proof.TOKEN, Proof.MACHINE, Proof.BREAK_GLASS):
        return None
    here = local_path(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
    if request.method == "GET":
        return _prove(request, parts, acting, here, "", [])
    sent = parse_qsl(getattr(request.state, "sent", b"").decode("utf-8", "replace"), keep_blank_values=True)
    names = {name for name, value in sent if value}
    kept = [(name, value) for name, value in sent if name != PAGE_TOKEN and not name.startswith(PROOF)]
    if names & TYPED_AGAIN:
        return _prove(request, parts, acting, _came_from(request), "", [], typed_again=True)
    return _prove(request, parts, acting, _came_from(request), here, kept)


def _came_from(request: Request) -> str:
    """The page whose form it was."""
    parts = urlsplit(request.headers.get("referer", "/"))
    return local_path(parts.path + (f"?{parts.query}" if parts.query else ""))


def _others(form: Fields) -> list[tuple[str, str]]:
    return [(name, value) for name, value in form.items() if name != PAGE_TOKEN and not name.startswith(PROOF)]


def _show_factor(given: Parts, acting: Actor, form: Fields) -> None:
    """A one-time code, or a security key's answer. Raises RequestError."""
    signing = given.service.people.sign_in
    if not form.get(f"{PROOF}challenge"):
        signing.prove(acting, form.get(f"{PROOF}code", ""))
        return
    try:
        answer = json.loads(form.get(f"{PROOF}answer", ""))
    except (ValueError, RecursionError) as error:
        raise RequestError("The security key's answer can't be read: try again.") from error
    if not isinstance(answer, Mapping):
        raise RequestError("The security key's answer can't be read: try again.")
    signing.prove_with_key(acting, form[f"{PROOF}challenge"], answer)


def _prove(
    request: Request,
    given: Parts,
    acting: Actor,
    wanted: str,
    again: str,
    kept: Sequence[tuple[str, str]],
    *,
    wrong: str = "",
    typed_again: bool = False,
    status: int = 403,
) -> Response:
    """`again`: the path that the kept fields are sent to once it is shown; empty where one goes to `wanted`."""
    with given.service.database.read() as conn:
        row = stored_people.get(conn, acting.name)
    has_totp = row is not None and bool(row.totp)
    return render(
        request,
        "prove.html",
        language_asked(request),
        422 if wrong else status,
        next=wanted,
        again=again,
        kept=kept,
        wrong=wrong,
        typed_again=typed_again,
        has_totp=has_totp,
        keyed=bool(given.service.people.enrolment.keys_of(acting)),
        first=acting.proof is Proof.OIDC,
        path=wanted if request.method != "GET" else request.url.path,
    )


def _account(
    request: Request, given: Parts, acting: Actor, language: Language, *, totp: NewTotp | None = None, wrong: str = ""
) -> Response:
    people = given.service.people
    with given.service.database.read() as conn:
        row = stored_people.get(conn, acting.name) if acting.is_person else None
    has_totp = row is not None and bool(row.totp)
    keys = people.enrolment.keys_of(acting)
    values = {
        "machine": not acting.is_person,
        "needs": acting.proof is Proof.PASSWORD,
        "proof": acting.proof.value,
        "proved_at": acting.proved_at,
        "fresh": acting.is_fresh(given.service.progress.clock()),
        "enrolled": has_totp or bool(keys),
        "roles": [grant_words(language, one) for one in acting.grants],
        "has_totp": has_totp,
        "totp": totp,
        "square": _square(totp.link) if totp is not None and totp.link else "",
        "keys": keys,
        "sessions": people.sign_in.sessions_of(acting),
        "session": acting.session,
        "tokens": people.tokens.listed(acting.name or "-"),
        "grants_of": lambda one: [grant_words(language, Grant(Role(role), where)) for role, where in one.grants],
        "may_make": acting.shows_second_factor and bool(tokenable(acting.grants)),
        "language_said": _language_said(request, language),
        "wrong": wrong,
    }
    if request.method != "GET":
        values["path"] = "/account"
    return render(request, "account.html", language, 200 if not wrong else 422, **values)


def _language_said(request: Request, language: Language) -> str:
    """Why the page is in this language."""
    if request.query_params.get("lang") in LANGUAGES or request.cookies.get(LANGUAGE_COOKIE) in LANGUAGES:
        return say(language, "account.language.chosen")
    return say(language, "account.language.browser")


def _square(text: str) -> Markup:
    """Drawn by the service: the secret goes to nobody else for that."""
    drawn = segno.make(text, error="m").svg_inline(scale=5)
    return Markup(drawn)  # noqa: S704  # nosec B704  # nosemgrep: not-escaped  # squares only, none of the text
