"""Sealed codes in the settings: whether there are some, and making them and agreeing to them. Codes are shown once."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.break_glass import Bundle
from orchestrator.operations.request import NotFound
from orchestrator.web.edge.authority import Acting, name_of, require_second_person
from orchestrator.web.pages.action import Action, Deed, Field, answer, ask
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang
from orchestrator.web.pages.settings_frame import grant_words, section_page
from orchestrator.web.pages.token_pages import number
from orchestrator.web.pages.told_once import Slip, told_once
from orchestrator.web.parts import Given, Parts
from orchestrator.web.times import day
from orchestrator.web.words import Language, say

router = APIRouter(prefix="/settings/break-glass", include_in_schema=False)

_ROLES = (Role.ADMIN, Role.APPROVER, Role.OPERATOR)
_SOON = 30 * 86400.0
"""Seconds before their end at which new codes should be made."""


@router.get("")
def show_glass(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    now = given.service.progress.clock()
    found = {one.counts: one for one in given.service.people.break_glass.sealed()}
    sealed, waiting = found.get(True), found.get(False)
    return section_page(
        request, acting, language, "break-glass",
        sealed=sealed,
        waiting=waiting,
        standing=standing_of(sealed, now),
        mine=waiting is not None and waiting.sealed_by == acting.name,
        words_of=lambda grant: grant_words(language, grant),
    )  # fmt: skip


@router.get("/seal")
def ask_seal(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    return ask(request, language, _sealing(request, given, acting, language).action)


@router.post("/seal")
def seal(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    deed = _sealing(request, given, acting, language)
    return answer(request, language, deed.action, form, deed.act)


@router.get("/confirm")
def ask_confirm(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    require_second_person(given, acting)
    return ask(request, language, _confirming(given, acting, language).action)


@router.post("/confirm")
def confirm(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    require_second_person(given, acting)
    deed = _confirming(given, acting, language)
    return answer(request, language, deed.action, form, deed.act)


def standing_of(sealed: Bundle | None, now: float) -> str:
    """`none`, `over`, `soon` or `good`."""
    if sealed is None:
        return "none"
    left = sealed.expires_at - now
    return "over" if left <= 0 else "soon" if left < _SOON else "good"


def bundle_words(language: Language, one: Bundle) -> str:
    roles = ", ".join(grant_words(language, grant) for grant in one.grants)
    return say(
        language, "settings.glass.bundle", count=one.shares, needed=one.needed, roles=roles, by=one.sealed_by,
        until=day(language, one.expires_at),
    )  # fmt: skip


def _sealing(request: Request, given: Parts, acting: Actor, language: Language) -> Deed:
    former = given.service.people.break_glass.sealed()
    action = Action(
        title=say(language, "settings.glass.seal"),
        does=say(language, "settings.glass.seal.does"),
        touches=[bundle_words(language, one) for one in former],
        safe=say(language, "settings.glass.seal.safe"),
        button=say(language, "settings.glass.seal.do"),
        back="/settings/break-glass",
        fields=[
            Field("codes", say(language, "settings.glass.codes"), "number", value="5", most=2),
            Field("needed", say(language, "settings.glass.needed"), "number", value="3", most=2),
            *(
                Field(role.value, say(language, f"settings.role.{role}"), "tick", required=False,
                      value="yes" if role is Role.ADMIN else "")
                for role in _ROLES
            ),
            Field("days", say(language, "settings.glass.days"), "number", value="365", most=5),
        ],
        command="bascule break-glass seal --codes 5 --needed 3",
    )  # fmt: skip

    def act(typed: Mapping[str, str]) -> Response:
        grants = [Grant(role) for role in _ROLES if typed[role.value]]
        glass = given.service.people.break_glass
        shares, needed, days = int(number(typed["codes"])), int(number(typed["needed"])), number(typed["days"])
        codes = glass.seal(shares, needed, grants, days, name_of(acting, None))
        counts = all(one.counts for one in glass.sealed())
        until = day(language, given.service.progress.clock() + days * 86400.0)
        site = f"{str(request.base_url).rstrip('/')}/sign-in"
        return told_once(
            request, language,
            title=say(language, "settings.glass.made", count=len(codes)),
            says=say(language, "settings.glass.how.counts" if counts else "settings.glass.how.waits", needed=needed),
            back="/settings/break-glass",
            slips=[
                Slip(code, say(language, "settings.glass.slip", number=place, codes=len(codes), needed=needed,
                               until=until, site=site))
                for place, code in enumerate(codes, 1)
            ],
        )  # fmt: skip

    return Deed(action, act)


def _confirming(given: Parts, acting: Actor, language: Language) -> Deed:
    sealed = given.service.people.break_glass.sealed()
    waiting = [one for one in sealed if not one.counts]
    if not waiting:
        raise NotFound("No sealed codes wait for a second person.")
    former = [one for one in sealed if one.counts]
    shown = waiting[0].id
    action = Action(
        title=say(language, "settings.glass.confirm"),
        does=say(language, "settings.glass.confirm.does"),
        touches=[bundle_words(language, one) for one in waiting]
        + [say(language, "settings.glass.confirm.ends", bundle=bundle_words(language, one)) for one in former],
        safe=say(language, "settings.glass.confirm.safe"),
        button=say(language, "settings.glass.confirm.do"),
        back="/settings/break-glass",
        did="glass-confirmed",
        command=f"bascule break-glass confirm {shown}",
        as_of=shown,
    )

    def act(_typed: Mapping[str, str]) -> None:
        given.service.people.break_glass.confirm(acting.name, shown)

    return Deed(action, act)
