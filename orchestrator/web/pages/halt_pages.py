"""The kill switch: engaging it and lifting it."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.people.actor import Actor
from orchestrator.web.edge.authority import Acting, name_of, sees
from orchestrator.web.pages.action import Action, answer, ask, reason
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang
from orchestrator.web.pages.text import clean
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language, say

NAMED = 50
"""Runs that are named one by one; of the others, the number is said."""
COUNTED = 1000

router = APIRouter(prefix="/halt", include_in_schema=False)


@router.get("")
def ask_halt(request: Request, given: Given, acting: Acting, language: Lang) -> Response:
    return ask(request, language, _halting(given, acting, language))


@router.post("")
def halt(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.halt.engage(name_of(acting, None), typed["reason"])

    return answer(request, language, _halting(given, acting, language), form, act)


@router.get("/lift")
def ask_lift(request: Request, language: Lang) -> Response:
    return ask(request, language, _lifting(language))


@router.post("/lift")
def lift(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.halt.lift(name_of(acting, None), typed["reason"])

    return answer(request, language, _lifting(language), form, act)


def _halting(given: Parts, acting: Actor, language: Language) -> Action:
    """Everything is halted, also what is not shown to who looks: of that, the number is said."""
    active = given.reading.listed(COUNTED, active_only=True)
    named = [run for run in active if sees(acting, run.services)][:NAMED]
    others = len(active) - len(named)
    return Action(
        title=say(language, "halt.ask"),
        does=say(language, "halt.does"),
        touches=[clean(f"{run.id} · {run.scope} · {', '.join(run.services)}") for run in named]
        + ([say(language, "halt.others", count=others)] if others else []),
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
