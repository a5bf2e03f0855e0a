"""Secrets in the settings: their names and how they are kept. A value is taken, and never shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.model import Mode
from orchestrator.domain.people.actor import Actor
from orchestrator.domain.signals.source import SECRETS as SIGNALS
from orchestrator.domain.usage import SECRET, usage_of
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.operations.secrets import Listed
from orchestrator.web.edge.authority import Acting, name_of
from orchestrator.web.pages.action import Action, Deed, Field, answer, ask
from orchestrator.web.pages.form import Fields, Form
from orchestrator.web.pages.page import Lang
from orchestrator.web.pages.settings_frame import scopes_of, section_page
from orchestrator.web.pages.told_once import told_once
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language, say

router = APIRouter(prefix="/settings/secrets", include_in_schema=False)

What = Annotated[str, Path(pattern=r"^[a-z]{1,10}$")]
LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """The secrets of one scope: those that are here, and the names of those that the estate refers to and are not."""

    scope: str
    mode: str
    there: list[Listed]
    missing: list[str]


@router.get("")
def show_secrets(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    found = kept(given)
    return section_page(
        request, acting, language, "secrets",
        kept=found,
        plain=sum(one.source == "file" for scope in found for one in scope.there),
        shut=sum(not one.opens for scope in found for one in scope.there),
        older=sum(one.opens and not one.newest_key for scope in found for one in scope.there),
    )  # fmt: skip


@router.get("/{what}")
def ask_secret(request: Request, what: What, given: Given, acting: Acting, language: Lang) -> Response:
    return ask(request, language, _deed(request, what, given, acting, language, {}).action)


@router.post("/{what}")
def do_secret(request: Request, what: What, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    deed = _deed(request, what, given, acting, language, form)
    return answer(request, language, deed.action, form, deed.act)


def kept(given: Parts) -> list[Kept]:
    """By scope, the gravest first; scopes that the estate no longer has come last."""
    needed, scopes = needed_secrets(given), scopes_of(given)
    listed = given.service.secrets.listed()
    others = {one.scope for one in listed} - {*scopes, SIGNALS}
    found = []
    for scope in [*scopes, SIGNALS, *sorted(others)]:
        there = [one for one in listed if one.scope == scope]
        missing = sorted(needed.get(scope, frozenset()) - {one.name for one in there})
        if there or missing or scope in scopes:
            found.append(Kept(scope, scopes.get(scope, ""), there, missing))
    return found


def needed_secrets(given: Parts) -> Mapping[str, frozenset[str]]:
    """The names that the newest estate refers to, by scope; nothing while there is no estate."""
    try:
        bundle: Bundle = given.service.estates.bundle(given.service.estates.newest())
    except RequestError:
        return {}
    found = {scope: _names(usage_of(bundle, scope).secrets) for scope in bundle.estate.scopes}
    sources = bundle.estate.signals.sources.values()
    return {**found, SIGNALS: _names(frozenset(one.auth.secret for one in sources))}


def _names(references: frozenset[str]) -> frozenset[str]:
    return frozenset(one.removeprefix(SECRET) for one in references)


def _deed(request: Request, what: str, given: Parts, acting: Actor, language: Language, form: Fields) -> Deed:
    made = _DEEDS.get(what)
    if made is None:
        raise NotFound("There is no such page.")
    asked = {name: form.get(name) or request.query_params.get(name, "") for name in ("scope", "name")}
    return made(request, given, acting, language, {**form, **asked})


def _setting(_request: Request, given: Parts, acting: Actor, language: Language, form: Fields) -> Deed:
    scopes = [*scopes_of(given), SIGNALS]
    action = Action(
        title=say(language, "settings.secret.set"),
        does=say(language, "settings.secret.set.does"),
        safe=say(language, "settings.secret.set.safe"),
        button=say(language, "settings.secret.set.do"),
        back="/settings/secrets",
        did="secret-set",
        fields=[
            Field("scope", say(language, "settings.scope"), "choice", options=[(one, one) for one in scopes],
                  value=form["scope"] if form["scope"] in scopes else scopes[0]),
            Field("name", say(language, "settings.secret.name"), value=form["name"], most=200,
                  help=say(language, "settings.secret.name.help")),
            Field("value", say(language, "settings.secret.value"), "password", most=LONGEST,
                  help=say(language, "settings.secret.value.help")),
        ],
        command="bascule secrets set SCOPE NAME < FILE",
    )  # fmt: skip

    def act(typed: Mapping[str, str]) -> None:
        given.service.secrets.set(typed["scope"], typed["name"], form.get("value", ""), name_of(acting, None))

    return Deed(action, act)


def _removing(_request: Request, given: Parts, acting: Actor, language: Language, form: Fields) -> Deed:
    scope, name = form["scope"], form["name"]
    if not any((one.scope, one.name) == (scope, name) for one in given.service.secrets.listed()):
        raise NotFound(f"The scope {scope} has no secret {name} (any more).")
    needed = name in needed_secrets(given).get(scope, frozenset())
    mode = scopes_of(given).get(scope)
    action = Action(
        title=say(language, "settings.secret.remove", name=name),
        does=say(language, "settings.secret.remove.needed" if needed else "settings.secret.remove.does"),
        touches=[f"{scope} · {name}"],
        safe=say(language, "settings.secret.remove.safe"),
        button=say(language, "settings.secret.remove.do"),
        back="/settings/secrets",
        did="secret-removed",
        fields=[Field("scope", "", "hidden", value=scope), Field("name", "", "hidden", value=name)],
        confirm="" if mode == Mode.REHEARSAL else name,
        danger=True,
        mode=Mode(mode) if mode else None,
        command=f"bascule secrets remove {scope} {name}",
    )

    def act(typed: Mapping[str, str]) -> None:
        given.service.secrets.remove(typed["scope"], typed["name"], name_of(acting, None))

    return Deed(action, act)


def _sealing(request: Request, given: Parts, acting: Actor, language: Language, _form: Fields) -> Deed:
    plain = [one for one in given.service.secrets.listed() if one.source == "file"]
    action = Action(
        title=say(language, "settings.secret.seal"),
        does=say(language, "settings.secret.seal.does"),
        touches=[f"{one.scope} · {one.name}" for one in plain],
        safe=say(language, "settings.secret.seal.safe"),
        button=say(language, "settings.secret.seal.do"),
        back="/settings/secrets",
        command="bascule secrets seal",
    )

    def act(_typed: Mapping[str, str]) -> Response:
        done = given.service.secrets.seal(name_of(acting, None))
        return told_once(
            request, language, title=say(language, "settings.secrets.sealed-now", count=len(done.sealed)),
            says=say(language, "settings.secrets.left", count=len(done.left)), back="/settings/secrets",
            left=[f"{one.scope}/{one.name}: {one.why}" for one in done.left],
        )  # fmt: skip

    return Deed(action, act)


def _rotating(request: Request, given: Parts, acting: Actor, language: Language, _form: Fields) -> Deed:
    action = Action(
        title=say(language, "settings.secret.rotate"),
        does=say(language, "settings.secret.rotate.does"),
        safe=say(language, "settings.secret.rotate.safe"),
        button=say(language, "settings.secret.rotate.do"),
        back="/settings/secrets",
        fields=[
            Field("new_key", say(language, "settings.secret.rotate.new"), "tick", required=False, value="yes"),
            Field("drop_old", say(language, "settings.secret.rotate.drop"), "tick", required=False),
        ],
        command="bascule secrets rotate",
    )

    def act(typed: Mapping[str, str]) -> Response:
        by = name_of(acting, None)
        done = given.service.secrets.rotate(by, new_key=bool(typed["new_key"]), drop_old=bool(typed["drop_old"]))
        return told_once(
            request, language, title=say(language, "settings.secret.rotated", count=done.resealed),
            says=say(language, "settings.secret.rotated.how", mark=done.key, dropped=done.dropped),
            back="/settings/secrets",
            left=[*(f"{place} could not be sealed anew." for place in done.left), *done.advice],
        )  # fmt: skip

    return Deed(action, act)


_DEEDS: Mapping[str, Callable[[Request, Parts, Actor, Language, Fields], Deed]] = {
    "set": _setting,
    "remove": _removing,
    "seal": _sealing,
    "rotate": _rotating,
}
