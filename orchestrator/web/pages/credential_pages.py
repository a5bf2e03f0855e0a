"""The health of credentials: of each scope what it needs, how its secrets are kept, and what the last look found."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import Permission
from orchestrator.domain.usage import usage_of
from orchestrator.operations.doctor import subjects_of
from orchestrator.operations.examinations import Examined, Kind
from orchestrator.operations.request import Denied, NotFound, RequestError
from orchestrator.web.edge.authority import Acting, may_come_to, name_of
from orchestrator.web.pages.done import done
from orchestrator.web.pages.examination_view import EntryView, entries_of
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang
from orchestrator.web.pages.secret_pages import Kept, kept
from orchestrator.web.pages.settings_frame import SECTIONS, scopes_of, section_page
from orchestrator.web.parts import Given, Parts

router = APIRouter(prefix="/settings/credentials", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ScopeView:
    """`entries`: what was found last. `unexamined`: kind, name and driver of what the scope names, before any look."""

    name: str
    mode: str
    last: Examined
    entries: list[EntryView]
    unexamined: list[tuple[str, str, str]]
    secrets: Kept | None

    @property
    def broken(self) -> int:
        return sum(one.standing == "broken" for one in self.entries)

    @property
    def wide(self) -> int:
        return sum(one.standing == "wide" for one in self.entries)

    @property
    def standing(self) -> str:
        """`never`, `broken`, `wide` or `good`."""
        return "broken" if self.broken else "wide" if self.wide else "good" if self.entries else "never"


@router.get("")
def show_credentials(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    _require_some(acting)
    scopes = scope_views(given)
    return section_page(
        request, acting, language, "credentials",
        scopes=scopes,
        under_way=any(one.last.begun is not None for one in scopes),
    )  # fmt: skip


@router.post("/examine")
def examine(request: Request, form: Form, given: Given, acting: Acting) -> Response:
    """Begin; the page shows what is found once it has ended."""
    scope = form.get("scope", "")
    if scope not in scopes_of(given):
        raise NotFound("The estate has no such scope (any more).")
    doctor = given.service.doctor
    given.service.examinations.begin(
        Kind.CREDENTIALS, scope, name_of(acting, None), lambda one: doctor.examine(one).as_json()
    )
    return done(request, f"/settings/credentials#scope-{scope}", "examining")


def scope_views(given: Parts) -> list[ScopeView]:
    secrets = {one.scope: one for one in kept(given)}
    found = []
    for name, mode in scopes_of(given).items():
        last = given.service.examinations.last(Kind.CREDENTIALS, name)
        entries = entries_of(last.found)
        found.append(
            ScopeView(name, mode, last, entries, _named(given, name) if not entries else [], secrets.get(name))
        )
    return found


def _named(given: Parts, scope: str) -> list[tuple[str, str, str]]:
    try:
        bundle = given.service.estates.bundle(given.service.estates.newest())
    except RequestError:
        return []
    now = given.service.progress.clock()
    subjects = subjects_of(bundle.estate.scopes[scope], usage_of(bundle, scope), now)
    return [(one.kind, one.entry, one.driver) for one in subjects]


def _require_some(acting: Actor) -> None:
    """Who examines or manages. Raises Denied."""
    if not any(may_come_to(acting, Permission(one)) for one in SECTIONS["credentials"]):
        raise Denied("The health of credentials is for operators, authors and admins.")
