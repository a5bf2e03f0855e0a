"""What the pages of the settings have in common: which of them there are, for whom, and the frame around each."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.responses import Response

from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import Grant, Permission, Role
from orchestrator.operations.request import RequestError
from orchestrator.web.edge.authority import may_come_to
from orchestrator.web.pages.page import render
from orchestrator.web.parts import Parts
from orchestrator.web.words import Language, say

P = Permission

SECTIONS: Mapping[str, tuple[Permission, ...]] = {
    "people": (P.MANAGE,),
    "tokens": (P.MANAGE,),
    "break-glass": (P.LOOK,),
    "secrets": (P.MANAGE,),
    "credentials": (P.EXAMINE, P.MANAGE),
    "sources": (P.LOOK,),
    "resources": (P.EXAMINE,),
    "itself": (P.LOOK,),
}
"""Name, which is the address below /settings and the word `settings.….name`; and what one needs one of."""


def sections_of(acting: Actor) -> list[str]:
    """Those that the caller may look at."""
    return [name for name, needed in SECTIONS.items() if any(may_come_to(acting, one) for one in needed)]


def section_page(
    request: Request,
    acting: Actor,
    language: Language,
    section: str,
    template: str = "",
    status: int = 200,
    **more: Any,
) -> Response:
    """One page of the settings; `section` empty: the overview."""
    template = template or f"settings_{section.replace('-', '_')}.html"
    return render(request, template, language, status, section=section, sections=sections_of(acting), **more)


def grant_words(language: Language, grant: Grant) -> str:
    """`approver · everywhere`, `operator · mail`."""
    return f"{say(language, f'settings.role.{grant.role}')} · {grant.service or say(language, 'account.everywhere')}"


def grant_of(text: str) -> Grant:
    """A role as forms send it, `role` or `role:service`. Raises RequestError."""
    role, _, service = text.partition(":")
    if role not in {one.value for one in Role}:
        raise RequestError(f"{role!r} is no role: choose one of those that are listed.")
    return Grant(Role(role), service)


def grant_text(grant: Grant) -> str:
    return f"{grant.role.value}:{grant.service}" if grant.service else grant.role.value


def scopes_of(given: Parts) -> Mapping[str, str]:
    """The scopes of the newest estate with their modes, the gravest first; none while there is no estate."""
    try:
        scopes = given.service.estates.bundle(given.service.estates.newest()).estate.scopes
    except RequestError:
        return {}
    order = ["live", "drill", "rehearsal"]
    return {
        name: scopes[name].mode.value for name in sorted(scopes, key=lambda one: (order.index(scopes[one].mode), one))
    }
