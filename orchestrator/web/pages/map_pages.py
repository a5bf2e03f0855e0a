"""The page of dependencies: a drawing, and a table that says the same."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from orchestrator.domain.dependencies import Dependency
from orchestrator.domain.dependency_map import DependencyMap
from orchestrator.operations.request import NotFound
from orchestrator.web.api.orders import Name
from orchestrator.web.pages.map_drawing import UNKNOWN, Labels, drawn, tone_of
from orchestrator.web.pages.page import Lang, render
from orchestrator.web.pages.text import clean
from orchestrator.web.parts import Given
from orchestrator.web.words import Language, knows, say

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
        return render(request, "map_none.html", language, scope=scope)
    return render(
        request,
        "map.html",
        language,
        map=found,
        drawing=drawn(found, _labels(language, found)),
        rows=[_row(language, found, one) for one in found.dependencies],
        titles={one.holder.name: _holder(language, one)[0] for one in found.dependencies},
        row_titles=lambda names: clean(", ".join(_service(language, found, name) for name in names)),
    )


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
