"""The kill switch: engaging it and lifting it."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.web.edge.authority import Acting, name_of
from orchestrator.web.pages.action import Action, answer, ask, reason
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang
from orchestrator.web.pages.text import clean
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language, say

router = APIRouter(prefix="/halt", include_in_schema=False)


@router.get("")
def ask_halt(request: Request, given: Given, language: Lang) -> Response:
    return ask(request, language, _halting(given, language))


@router.post("")
def halt(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.halt.engage(name_of(acting, None), typed["reason"])

    return answer(request, language, _halting(given, language), form, act)


@router.get("/lift")
def ask_lift(request: Request, language: Lang) -> Response:
    return ask(request, language, _lifting(language))


@router.post("/lift")
def lift(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.halt.lift(name_of(acting, None), typed["reason"])

    return answer(request, language, _lifting(language), form, act)


def _halting(given: Parts, language: Language) -> Action:
    active = given.reading.listed(50, active_only=True)
    return Action(
        title=say(language, "halt.ask"),
        does=say(language, "halt.does"),
        touches=[clean(f"{run.id} · {run.scope} · {', '.join(run.services)}") for run in active],
        safe=say(language, "halt.safe"),
        button=say(language, "halt.do"),
        back="/",
        did="halt",
        fields=[reason(language)],
        danger=True,
        command="bascule halt --reason …",
    )


def _lifting(language: Language) -> Action:
    return Action(
        title=say(language, "halt.lift"),
        does=say(language, "halt.lift.does"),
        safe=say(language, "halt.lift.safe"),
        button=say(language, "halt.lift"),
        back="/",
        did="lift",
        fields=[reason(language)],
        command="bascule halt lift --reason …",
    )
