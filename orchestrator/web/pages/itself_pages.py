"""Bascule itself: whether it can take work, what it is made of, and whom it relies on. Nothing of it is secret."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.own_certificate import DAY
from orchestrator.operations.examinations import Kind
from orchestrator.operations.itself import Facts
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.web.edge.authority import Acting, name_of
from orchestrator.web.pages.done import done
from orchestrator.web.pages.examination_view import reliances_of
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang
from orchestrator.web.pages.settings_frame import scopes_of, section_page
from orchestrator.web.parts import Given, Parts

router = APIRouter(prefix="/settings/itself", include_in_schema=False)

_SOON = 30 * DAY


@router.get("")
def show_itself(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    facts = given.service.itself.facts()
    seen = [(scope, given.service.examinations.last(Kind.ITSELF, scope)) for scope in scopes_of(given)]
    return section_page(
        request, acting, language, "itself",
        facts=facts,
        certificate=certificate_standing(facts, given.service.progress.clock()),
        version=request.app.version,
        accepted=_accepted(given),
        maps=[(scope, one, reliances_of(one.found)) for scope, one in seen if one.at or one.begun or one.why],
        scopes=list(scopes_of(given)),
        under_way=any(one.begun is not None for _, one in seen),
    )  # fmt: skip


@router.post("/examine")
def examine_itself(request: Request, form: Form, given: Given, acting: Acting) -> Response:
    """Begin to trace whom it relies on; the page shows what is found once it has ended."""
    scope = form.get("scope", "")
    if scope not in scopes_of(given):
        raise NotFound("The estate has no such scope (any more).")
    independence = given.service.independence
    given.service.examinations.begin(
        Kind.ITSELF, scope, name_of(acting, None), lambda one: independence.map(one).as_json()
    )
    return done(request, "/settings/itself#relies", "examining")


def certificate_standing(facts: Facts, now: float) -> str:
    """`none`, `unreadable`, `over`, `soon` or `good`."""
    if not facts.certificate:
        return "none"
    if facts.certificate_ends is None:
        return "unreadable"
    left = facts.certificate_ends - now
    return "over" if left <= 0 else "soon" if left < _SOON else "good"


def _accepted(given: Parts) -> float | None:
    """When the newest estate was accepted; None where there is none."""
    try:
        return given.service.estates.accepted().accepted_at
    except RequestError:
        return None
