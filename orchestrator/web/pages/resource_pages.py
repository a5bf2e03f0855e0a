"""What Bascule made outside and no run stands behind: looked for, kept, or released by its name."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from orchestrator.domain.model import Mode
from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import Permission
from orchestrator.domain.resource import Standing
from orchestrator.operations.examinations import Kind
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.operations.resources import Holdings, Resources
from orchestrator.store.runs import Row
from orchestrator.web.edge.authority import Acting, mode_of_scope, name_of, require
from orchestrator.web.pages.action import Action, Deed, Field, answer, ask, reason
from orchestrator.web.pages.done import done
from orchestrator.web.pages.form import Fields, Form
from orchestrator.web.pages.page import Lang
from orchestrator.web.pages.settings_frame import section_page
from orchestrator.web.pages.text import clean
from orchestrator.web.pages.told_once import told_once
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language, say

router = APIRouter(prefix="/settings/resources", include_in_schema=False)

What = Annotated[str, Path(pattern=r"^(?:keep|release)$")]


@router.get("")
def show_resources(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    rows = given.service.resources.noted()
    scopes = _with_clouds(given)
    seen = [(scope, given.service.examinations.last(Kind.RESOURCES, scope)) for scope in scopes]
    return section_page(
        request, acting, language, "resources",
        asked=[row for row in rows if not row.decision],
        decided=[row for row in rows if row.decision],
        seen=seen,
        under_way=any(one.begun is not None for _, one in seen),
    )  # fmt: skip


@router.post("/look")
def look(request: Request, form: Form, given: Given, acting: Acting) -> Response:
    """Begin to ask every cloud of a scope; the page shows what is found once it has ended."""
    scope = form.get("scope", "")
    if scope not in _with_clouds(given):
        raise NotFound("The estate has no such scope with clouds (any more).")
    resources = given.service.resources
    given.service.examinations.begin(Kind.RESOURCES, scope, name_of(acting, None), lambda one: _counted(resources, one))
    return done(request, "/settings/resources", "examining")


@router.get("/{what}")
def ask_stray(request: Request, what: What, given: Given, acting: Acting, language: Lang) -> Response:
    row = _row(given, dict(request.query_params))
    require(given, acting, Permission.TIDY, None, mode_of_scope(given, row.scope))
    return ask(request, language, _deed(request, what, given, acting, language, row).action)


@router.post("/{what}")
def do_stray(request: Request, what: What, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    row = _row(given, form)
    require(given, acting, Permission.TIDY, None, mode_of_scope(given, row.scope))
    deed = _deed(request, what, given, acting, language, row)
    return answer(request, language, deed.action, form, deed.act)


def _deed(request: Request, what: str, given: Parts, acting: Actor, language: Language, row: Row) -> Deed:
    made = _keeping if what == "keep" else _releasing
    return made(request, given, acting, language, row)


def _keeping(_request: Request, given: Parts, acting: Actor, language: Language, row: Row) -> Deed:
    action = Action(
        title=say(language, "settings.stray.keep", name=clean(row.name)),
        does=say(language, "settings.stray.keep.does"),
        touches=[_words(row)],
        safe=say(language, "settings.stray.keep.safe"),
        button=say(language, "settings.stray.keep.do"),
        back="/settings/resources",
        did="stray-kept",
        fields=[*_hidden(row), reason(language)],
        mode=mode_of_scope(given, row.scope),
        command=f"bascule resources keep {row.id} -s {row.scope} --reason …",
    )

    def act(typed: Mapping[str, str]) -> None:
        given.service.resources.keep(row.scope, row.id, name_of(acting, None), typed["reason"])

    return Deed(action, act)


def _releasing(request: Request, given: Parts, acting: Actor, language: Language, row: Row) -> Deed:
    mode = mode_of_scope(given, row.scope)
    action = Action(
        title=say(language, "settings.stray.release", name=clean(row.name)),
        does=say(language, "settings.stray.release.does"),
        touches=[_words(row)],
        safe=say(language, "settings.stray.release.safe"),
        button=say(language, "settings.stray.release.do"),
        back="/settings/resources",
        did="stray-released",
        fields=[*_hidden(row), reason(language)],
        confirm="" if mode is Mode.REHEARSAL else row.name,
        danger=True,
        mode=mode,
        command=f"bascule resources release {row.id} {row.name} -s {row.scope} --reason …",
    )

    def act(typed: Mapping[str, str]) -> Response | None:
        by = name_of(acting, None)
        if given.service.resources.release(row.scope, row.id, row.name, by, typed["reason"]):
            return None
        return told_once(
            request, language, title=say(language, "settings.stray.going", name=clean(row.name)),
            says=say(language, "settings.stray.going.how"), back="/settings/resources",
        )  # fmt: skip

    return Deed(action, act)


def _row(given: Parts, asked: Fields) -> Row:
    """What was noted of it. Raises NotFound."""
    wanted = (asked.get("scope", ""), asked.get("id", ""))
    row = next((one for one in given.service.resources.noted() if (one.scope, one.id) == wanted), None)
    if row is None:
        raise NotFound("Nothing of that kind is noted (any more): look again.")
    return row


def _hidden(row: Row) -> list[Field]:
    return [Field("scope", "", "hidden", value=row.scope), Field("id", "", "hidden", value=row.id)]


def _words(row: Row) -> str:
    return clean(f"{row.scope} · {row.provider} · {row.kind} {row.name} ({row.id})")


def _counted(resources: Resources, scope: str) -> dict[str, Any]:
    found: Holdings = resources.listed(scope)
    used = sum(one.standing is Standing.IN_USE for one in found.found)
    return {"made": len(found.found), "used": used, "unread": dict(found.unread)}


def _with_clouds(given: Parts) -> list[str]:
    """Scopes that things are made in."""
    try:
        scopes = given.service.estates.bundle(given.service.estates.newest()).estate.scopes
    except RequestError:
        return []
    return [name for name, scope in scopes.items() if scope.compute]
