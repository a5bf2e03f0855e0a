"""The pages of dependencies: a drawing and a table that says the same, made anew from here; and Bascule's own."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from orchestrator.domain.dependencies import Dependency
from orchestrator.domain.dependency_map import DependencyMap
from orchestrator.domain.independence import Finding, Standing
from orchestrator.operations.maps import LOOK_FOR
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.web.api.orders import MapOrder, Name
from orchestrator.web.pages.action import Action, Field, answer, ask
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.map_drawing import UNKNOWN, Labels, drawn, tone_of
from orchestrator.web.pages.page import Lang, render
from orchestrator.web.pages.text import clean
from orchestrator.web.parts import Given, Parts
from orchestrator.web.problem import ANSWERABLE, problem_of
from orchestrator.web.times import duration
from orchestrator.web.words import Language, knows, say

SELF_LOOKS = {
    Standing.GUARDED: ("failed", "bad"),
    Standing.UNKNOWN: ("check", "odd"),
    Standing.CLEAR: ("done", "good"),
    Standing.OWN: ("done", "good"),
    Standing.TOLD: ("later", "quiet"),
}
"""Standing of one of our own reliances, the worst first: its icon and its tone."""
SHOWN = 3
"""Signs of one dependency that the table shows; the API has them all."""

LOOKS = {
    "confirmed": ("done", "good"),
    "target": ("next", "quiet"),
    "undeclared": ("decide", "waits"),
    "elsewhere": ("check", "quiet"),
    "unknown": ("check", "odd"),
    "dead": ("failed", "bad"),
    "unrecognisable": ("skipped", "odd"),
}
"""Standing: its icon and its tone. The word beside them says the same."""

router = APIRouter(include_in_schema=False)


@router.get("/map")
def show_map(request: Request, given: Given, language: Lang, scope: Annotated[Name, Query()] = "live") -> Response:
    try:
        found = given.service.maps.last(scope)
    except NotFound:
        return render(request, "map_none.html", language, scope=scope, scopes=_scopes(given))
    shown = {one.standing for one in found.dependencies}
    return render(
        request,
        "map.html",
        language,
        map=found,
        scopes=_scopes(given),
        drawing=drawn(found, _labels(language, found)),
        standings=[(one, say(language, f"map.{one}")) for one in LOOKS if one in shown],
        rows=[_row(language, found, one) for one in found.dependencies],
        titles={one.holder.name: _holder(language, one)[0] for one in found.dependencies},
        row_titles=lambda names: clean(", ".join(_service(language, found, name) for name in names)),
    )


@router.get("/map/make")
def ask_make(request: Request, given: Given, language: Lang, scope: Annotated[Name, Query()] = "live") -> Response:
    action = _making(given, language)
    return ask(request, language, action, typed={"scope": scope} if scope in _scopes(given) else None)


@router.post("/map/make")
def make(request: Request, form: Form, given: Given, language: Lang) -> Response:
    """Takes as long as looking does: a minute or two."""

    def act(typed: Mapping[str, str]) -> str:
        order = _order(typed["scope"], typed["domains"])
        given.service.maps.make(order.scope, order.domains)
        return f"/map?scope={order.scope}"

    return answer(request, language, _making(given, language), form, act)


@router.get("/map/self")
def ask_self(request: Request, given: Given, language: Lang, scope: Annotated[Name, Query()] = "live") -> Response:
    action = _tracing(given, language)
    return ask(request, language, action, typed={"scope": scope} if scope in _scopes(given) else None)


@router.post("/map/self")
def show_self(request: Request, form: Form, given: Given, language: Lang) -> Response:
    """Traced now and shown at once: nothing of it is kept."""
    scope = form.get("scope", "")
    try:
        found = given.service.independence.map(scope)
    except ANSWERABLE as error:
        return ask(request, language, _tracing(given, language), refused=problem_of(error))
    order = list(SELF_LOOKS)
    rows = [_self_row(language, one) for one in sorted(found.findings, key=lambda one: order.index(one.standing))]
    return render(request, "map_self.html", language, map=found, rows=rows, scopes=_scopes(given))


def _making(given: Parts, language: Language) -> Action:
    scopes = _scopes(given)
    domains = Field(
        "domains", say(language, "map.domains"), "area", required=False, help=say(language, "map.domains.help")
    )
    return Action(
        title=say(language, "map.make"),
        does=say(language, "map.make.does", time=duration(LOOK_FOR, language)),
        safe=say(language, "map.make.safe"),
        button=say(language, "map.make.do"),
        back="/map",
        did="map",
        fields=[_scope_field(language, scopes), domains],
        command="bascule map DOMAIN… --scope …",
    )


def _tracing(given: Parts, language: Language) -> Action:
    return Action(
        title=say(language, "map.self"),
        does=say(language, "map.self.does"),
        safe=say(language, "map.make.safe"),
        button=say(language, "map.self.do"),
        back="/map",
        fields=[_scope_field(language, _scopes(given))],
        command="bascule doctor --sovereignty --scope …",
    )


def _scope_field(language: Language, scopes: list[str]) -> Field:
    first = "live" if "live" in scopes else next(iter(scopes), "")
    return Field(
        "scope", say(language, "map.scope"), "choice", value=first, options=[(one, one) for one in scopes],
        help=say(language, "map.scope.help"),
    )  # fmt: skip


def _order(scope: str, domains: str) -> MapOrder:
    """Domains stand one a line, or with commas or spaces between them. Raises RequestError."""
    try:
        return MapOrder.model_validate({"scope": scope, "domains": domains.replace(",", " ").split()})
    except ValueError as error:
        raise RequestError("A domain is written such as town.example, one a line; nothing was looked at.") from error


def _scopes(given: Parts) -> list[str]:
    """None while no estate can be read."""
    try:
        return list(given.service.estates.bundle(given.service.estates.newest()).estate.scopes)
    except RequestError:
        return []


def _self_row(language: Language, one: Finding) -> dict[str, Any]:
    icon, tone = SELF_LOOKS[one.standing]
    host = one.reliance.host or ("" if one.standing is not Standing.OWN else say(language, "map.self.here"))
    return {
        "kind": say(language, f"map.self.kind.{one.reliance.kind}"),
        "name": clean(one.reliance.name),
        "host": clean(host) or say(language, "map.self.untold"),
        "operator": clean(one.operator) or say(language, "map.self.nobody"),
        "country": one.country,
        "icon": icon,
        "tone": tone,
        "word": say(language, f"map.self.{one.standing.value}"),
        "advice": clean(one.advice),
        "record": clean(one.record),
    }


def _labels(language: Language, found: DependencyMap) -> Labels:
    return Labels(
        row=lambda name: (
            _service(language, found, name),
            "" if name in found.services else say(language, "map.use"),
        ),
        holder=lambda one: _holder(language, one),
        law=lambda name: say(language, "map.law.unknown") if name == UNKNOWN else name,
        columns=(say(language, "map.services"), say(language, "map.vendors"), say(language, "map.laws")),
        standing=lambda standing: say(language, f"map.{standing}"),
    )


def _service(language: Language, found: DependencyMap, name: str) -> str:
    if name in found.services:
        return found.services[name].get(language, name)
    key = f"map.use.{name}"
    return say(language, key) if knows(language, key) else name


def _holder(language: Language, one: Dependency) -> tuple[str, str]:
    holder = one.holder
    return holder.title.get(language, holder.name), holder.company if holder.known else say(language, "map.stranger")


def _row(language: Language, found: DependencyMap, one: Dependency) -> dict[str, Any]:
    title, company = _holder(language, one)
    icon, tone = LOOKS[one.standing]
    laws = list(dict.fromkeys(law for law in (one.holder.jurisdiction, one.holder.country) if law))
    return {
        "service": _service(language, found, one.row),
        "link": f"/services/{one.row}" if one.row in found.services else "",
        "title": title,
        "company": company,
        "law": " / ".join(laws) or say(language, "map.law.unknown"),
        "law_tone": tone_of(one),
        "icon": icon,
        "tone": tone,
        "word": say(language, f"map.{one.standing}"),
        "marks": one.only_marks,
        "evidence": [sign.evidence for sign in one.signs[:SHOWN]],
        "more": max(0, len(one.signs) - SHOWN),
    }
