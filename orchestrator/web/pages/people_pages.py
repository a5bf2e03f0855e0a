"""People in the settings: who is let in, with what, and what an admin and a second person do about it."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import GUARDED, Grant, Role
from orchestrator.operations.people.register import Person
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.web.api.people_routes import Who
from orchestrator.web.edge.authority import Acting, name_of, require_second_person
from orchestrator.web.pages.action import Action, Deed, Field, answer, ask, reason
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang, service_titles
from orchestrator.web.pages.settings_frame import grant_of, grant_text, grant_words, section_page
from orchestrator.web.pages.text import clean
from orchestrator.web.pages.token_pages import making_a_token
from orchestrator.web.pages.told_once import Slip, told_once
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language, say

router = APIRouter(prefix="/settings/people", include_in_schema=False)

What = Annotated[str, Path(pattern=r"^[a-z\-]{1,20}$")]
_SUBJECT = re.compile(r"https://\S{1,300} \S{1,190}")


@router.get("")
def show_people(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    people = given.service.people.register.listed()
    return section_page(
        request, acting, language, "people",
        people=[one for one in people if not one.program],
        programs=[one for one in people if one.program],
        waiting=[(one, held) for one in people for held in one.roles if not held.counts],
        words_of=lambda grant: grant_words(language, grant),
        text_of=grant_text,
    )  # fmt: skip


@router.get("/-/{what}")
def ask_for_all(request: Request, what: What, given: Given, acting: Acting, language: Lang) -> Response:
    return ask(request, language, _for_all(request, what, given, acting, language).action)


@router.post("/-/{what}")
def do_for_all(request: Request, what: What, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    deed = _for_all(request, what, given, acting, language)
    return answer(request, language, deed.action, form, deed.act)


@router.get("/{name}")
def show_person(request: Request, name: Who, given: Given, acting: Acting, language: Lang) -> Response:
    person = given.service.people.register.get(name)
    return section_page(
        request, acting, language, "people", "settings_person.html",
        person=person,
        mine=name == acting.name,
        tokens=given.service.people.tokens.listed(name),
        words_of=lambda grant: grant_words(language, grant),
        text_of=grant_text,
    )  # fmt: skip


@router.get("/{name}/confirm")
def ask_confirm(request: Request, name: Who, given: Given, acting: Acting, language: Lang) -> Response:
    require_second_person(given, acting)
    return ask(request, language, _confirming(given, acting, language, name).action)


@router.post("/{name}/confirm")
def confirm(request: Request, name: Who, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    require_second_person(given, acting)
    deed = _confirming(given, acting, language, name)
    return answer(request, language, deed.action, form, deed.act)


@router.get("/{name}/{what}")
def ask_for_one(request: Request, name: Who, what: What, given: Given, acting: Acting, language: Lang) -> Response:
    return ask(request, language, _for_one(request, name, what, given, acting, language).action)


@router.post("/{name}/{what}")
def do_for_one(
    request: Request, name: Who, what: What, form: Form, given: Given, acting: Acting, language: Lang
) -> Response:
    deed = _for_one(request, name, what, given, acting, language)
    return answer(request, language, deed.action, form, deed.act)


def _for_all(request: Request, what: str, given: Parts, acting: Actor, language: Language) -> Deed:
    made = {"add": _adding, "after-restore": _ending_all}.get(what)
    if made is None:
        raise NotFound("There is no such page.")
    return made(request, given, acting, language)


def _for_one(request: Request, name: str, what: str, given: Parts, acting: Actor, language: Language) -> Deed:
    made = _DEEDS.get(what)
    if made is None:
        raise NotFound("There is no such page.")
    return made(request, given, acting, language, given.service.people.register.get(name))


def _adding(request: Request, given: Parts, acting: Actor, language: Language) -> Deed:
    role = Field(
        "role", say(language, "settings.people.role"), "choice", required=False,
        options=[("", say(language, "settings.people.role.none")), *_roles(language)],
    )  # fmt: skip
    action = Action(
        title=say(language, "settings.people.add"),
        does=say(language, "settings.people.add.does"),
        safe=say(language, "settings.people.add.safe"),
        button=say(language, "settings.people.add.do"),
        back="/settings/people",
        fields=[
            Field(
                "name", say(language, "settings.people.who"), most=63, help=say(language, "settings.people.name.help")
            ),
            Field("title", say(language, "settings.people.title"), required=False, most=200),
            role,
            _place(given, language),
            Field("program", say(language, "settings.people.program"), "tick", required=False),
        ],
        command="bascule people add NAME --role ROLE",
    )

    def act(typed: Mapping[str, str]) -> Response:
        name = typed["name"].lower()
        grants = [Grant(Role(typed["role"]), typed["service"])] if typed["role"] else []
        secret = given.service.people.register.add(
            name, " ".join(typed["title"].split()), grants, name_of(acting, None), program=bool(typed["program"])
        )
        return _invited(request, language, name, secret, say(language, "settings.people.added", name=name))

    return Deed(action, act)


def _ending_all(request: Request, given: Parts, acting: Actor, language: Language) -> Deed:
    action = Action(
        title=say(language, "settings.restored"),
        does=say(language, "settings.restored.does"),
        touches=[say(language, f"settings.restored.{one}") for one in ("sessions", "tokens", "links", "codes")],
        safe=say(language, "settings.restored.safe"),
        button=say(language, "settings.restored.do"),
        back="/settings/people",
        fields=[reason(language)],
        confirm=say(language, "settings.restored.word"),
        danger=True,
        command="bascule people after-restore --reason …",
    )

    def act(typed: Mapping[str, str]) -> Response:
        ended = given.service.people.restored.end_all(name_of(acting, None), typed["reason"])
        said = say(
            language, "settings.restored.done", sessions=ended.sessions, tokens=ended.tokens,
            invitations=ended.invitations, codes=ended.codes,
        )  # fmt: skip
        return told_once(request, language, title=say(language, "settings.restored"), says=said, back="/sign-in")

    return Deed(action, act)


def _granting(_request: Request, given: Parts, acting: Actor, language: Language, person: Person) -> Deed:
    action = Action(
        title=say(language, "settings.grant", name=person.name),
        does=say(language, "settings.grant.does"),
        safe=say(language, "settings.grant.safe"),
        button=say(language, "settings.grant.do"),
        back=_page_of(person),
        did="role-given",
        fields=[
            Field("role", say(language, "settings.people.role"), "choice", options=_roles(language)),
            _place(given, language),
        ],
        command=f"bascule people grant {person.name} ROLE",
    )

    def act(typed: Mapping[str, str]) -> None:
        grant = Grant(Role(typed["role"]), typed["service"])
        given.service.people.register.grant(person.name, grant, name_of(acting, None))

    return Deed(action, act)


def _revoking(request: Request, given: Parts, acting: Actor, language: Language, person: Person) -> Deed:
    held = [(grant_text(one.grant), grant_words(language, one.grant)) for one in person.roles]
    if not held:
        raise NotFound(f"{person.name} has no role that could be taken away.")
    asked = request.query_params.get("role", "")
    action = Action(
        title=say(language, "settings.revoke", name=person.name),
        does=say(language, "settings.revoke.does"),
        safe=say(language, "settings.revoke.safe"),
        button=say(language, "settings.revoke.do"),
        back=_page_of(person),
        did="role-taken",
        fields=[
            Field("role", say(language, "settings.people.role"), "choice", options=held,
                  value=asked if asked in dict(held) else held[0][0])
        ],
        danger=True,
        command=f"bascule people revoke {person.name} ROLE",
    )  # fmt: skip

    def act(typed: Mapping[str, str]) -> None:
        given.service.people.register.revoke(person.name, grant_of(typed["role"]), name_of(acting, None))

    return Deed(action, act)


def _confirming(given: Parts, acting: Actor, language: Language, name: str) -> Deed:
    """What waits for this second person; nothing is told of others."""
    waiting = [held for who, held in given.service.people.register.unconfirmed(acting.name) if who == name]
    if not waiting:
        raise NotFound(f"Nothing of {name} waits for you: who gave a role or gets it does not confirm it.")
    options = [(grant_text(one.grant), grant_words(language, one.grant)) for one in waiting]
    action = Action(
        title=say(language, "settings.confirm", name=name),
        does=say(language, "settings.confirm.does"),
        touches=[
            say(language, "settings.confirm.one", role=grant_words(language, one.grant), by=one.by) for one in waiting
        ],
        safe=say(language, "settings.confirm.safe"),
        button=say(language, "settings.confirm.do"),
        back="/settings",
        did="role-confirmed",
        fields=[Field("role", say(language, "settings.people.role"), "choice", options=options, value=options[0][0])],
        command=f"bascule people confirm {name} {options[0][0]}",
    )

    def act(typed: Mapping[str, str]) -> None:
        given.service.people.register.confirm(name, grant_of(typed["role"]), acting.name)

    return Deed(action, act)


def _shutting(_request: Request, given: Parts, acting: Actor, language: Language, person: Person) -> Deed:
    action = Action(
        title=say(language, "settings.disable", name=person.name),
        does=say(language, "settings.disable.does"),
        touches=_owned(given, language, person),
        safe=say(language, "settings.disable.safe"),
        button=say(language, "settings.disable.do"),
        back=_page_of(person),
        did="person-disabled",
        fields=[reason(language)],
        confirm=person.name,
        danger=True,
        command=f"bascule people disable {person.name} --reason …",
    )

    def act(typed: Mapping[str, str]) -> None:
        given.service.people.register.disable(person.name, name_of(acting, None), typed["reason"])

    return Deed(action, act)


def _letting_in(_request: Request, given: Parts, acting: Actor, language: Language, person: Person) -> Deed:
    action = Action(
        title=say(language, "settings.enable", name=person.name),
        does=say(language, "settings.enable.does"),
        touches=[grant_words(language, one.grant) for one in person.roles],
        button=say(language, "settings.enable.do"),
        back=_page_of(person),
        did="person-enabled",
        fields=[reason(language)],
        command=f"bascule people enable {person.name} --reason …",
    )

    def act(typed: Mapping[str, str]) -> None:
        given.service.people.register.enable(person.name, name_of(acting, None), typed["reason"])

    return Deed(action, act)


def _inviting(request: Request, given: Parts, acting: Actor, language: Language, person: Person) -> Deed:
    factors = [say(language, f"settings.factor.{one}") for one in person.factors]
    guarded = [
        say(language, "settings.invite.role", role=grant_words(language, one.grant))
        for one in person.roles
        if one.grant.role in GUARDED
    ]
    action = Action(
        title=say(language, "settings.invite", name=person.name),
        does=say(language, "settings.invite.does"),
        touches=[*_owned(given, language, person), *factors, *guarded],
        safe=say(language, "settings.invite.safe"),
        button=say(language, "settings.invite.do"),
        back=_page_of(person),
        confirm=person.name if person.factors else "",
        danger=bool(person.factors),
        command=f"bascule people invite {person.name}",
    )

    def act(_typed: Mapping[str, str]) -> Response:
        secret = given.service.people.register.invite(person.name, name_of(acting, None))
        return _invited(request, language, person.name, secret, say(language, "settings.invited", name=person.name))

    return Deed(action, act)


def _linking(_request: Request, given: Parts, acting: Actor, language: Language, person: Person) -> Deed:
    action = Action(
        title=say(language, "settings.link", name=person.name),
        does=say(language, "settings.link.does"),
        safe=say(language, "settings.link.safe"),
        button=say(language, "settings.link.do"),
        back=_page_of(person),
        did="person-linked",
        fields=[
            Field("subject", say(language, "settings.link.subject"), required=False, most=500,
                  help=say(language, "settings.link.help"))
        ],
        command=f"bascule people link {person.name} 'ISSUER SUBJECT'",
    )  # fmt: skip

    def act(typed: Mapping[str, str]) -> None:
        if typed["subject"] and not _SUBJECT.fullmatch(typed["subject"]):
            raise RequestError("Write the issuer's https address, one space, and the subject; or nothing at all.")
        given.service.people.register.link(person.name, typed["subject"], name_of(acting, None))

    return Deed(action, act)


def _token(request: Request, given: Parts, acting: Actor, language: Language, person: Person) -> Deed:
    """Of a program; people make their own."""
    if not person.program:
        raise NotFound(f"{person.name} is a person, and makes tokens of their own: on the page of the account.")
    own = tuple(one.grant for one in person.roles if one.counts)
    return making_a_token(request, given, acting, language, person.name, own, _page_of(person))


_DEEDS: Mapping[str, Callable[[Request, Parts, Actor, Language, Person], Deed]] = {
    "grant": _granting,
    "revoke": _revoking,
    "disable": _shutting,
    "enable": _letting_in,
    "invite": _inviting,
    "link": _linking,
    "token": _token,
}


def _invited(request: Request, language: Language, name: str, secret: str | None, title: str) -> Response:
    """The link, shown once; a program has none."""
    back = f"/settings/people/{name}"
    if secret is None:
        return told_once(request, language, title=title, says=say(language, "settings.program.next"), back=back)
    link = f"{str(request.base_url).rstrip('/')}/welcome?code={secret}"
    about = say(language, "settings.invited.slip", name=name)
    return told_once(
        request, language, title=title, says=say(language, "settings.invited.how", name=name), back=back,
        slips=[Slip(link, about)],
    )  # fmt: skip


def _owned(given: Parts, language: Language, person: Person) -> list[str]:
    """What lets the person in without anything of their own, and ends."""
    rows = given.service.people.tokens.listed(person.name)
    tokens = [say(language, "settings.ends.token", label=clean(one.label)) for one in rows]
    return [say(language, "settings.ends.sessions"), *tokens]


def _roles(language: Language) -> list[tuple[str, str]]:
    return [(one.value, say(language, f"settings.role.{one}")) for one in Role]


def _place(given: Parts, language: Language) -> Field:
    titles = service_titles(given, language)
    everywhere = ("", say(language, "account.everywhere"))
    options = [everywhere, *((name, f"{title} ({name})") for name, title in sorted(titles.items()))]
    return Field("service", say(language, "settings.people.where"), "choice", required=False, options=options)


def _page_of(person: Person) -> str:
    return f"/settings/people/{person.name}"
