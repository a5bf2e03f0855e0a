"""What people do about a run and its steps: pause, resume, cancel, undo; try again, go on without.

Only what is possible now has a form; the decision itself asks again in its transaction. Outside of rehearsals what
can't simply be done again asks for the name of what it touches.
"""

from collections.abc import Mapping
from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestrator.domain.choices import RunChoice, StepChoice, run_choices, step_choices
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.model import Mode, RunState, StepState
from orchestrator.web.api.answers import RunDetail, StepAnswer
from orchestrator.web.api.orders import RunId, StepId
from orchestrator.web.edge.authority import Acting, name_of
from orchestrator.web.pages.action import Act, Action, Field, answer, ask, reason
from orchestrator.web.pages.form import Fields, Form
from orchestrator.web.pages.page import Lang, service_titles
from orchestrator.web.pages.run_view import run_path, step_name
from orchestrator.web.pages.text import clean, short
from orchestrator.web.parts import Given, Parts
from orchestrator.web.problem import Problem, problem
from orchestrator.web.reading import StepDetail
from orchestrator.web.words import Language, say

NAMED = 30
"""Steps that are named one by one where something touches them; of the others, the number is said."""

router = APIRouter(prefix="/runs/{run_id}", include_in_schema=False)

_UNDER_WAY = (StepState.RUNNING, StepState.SETTLING, StepState.VERIFYING)
_TAKEN_BACK = (StepState.UNDONE, StepState.LEFT)


@router.get("/do/pause")
def ask_pause(request: Request, run_id: RunId, given: Given, language: Lang) -> Response:
    return _ask(request, language, *_pausing(given, language, run_id))


@router.post("/do/pause")
def pause(request: Request, run_id: RunId, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.decisions.pause(run_id, name_of(acting, None), typed["reason"])

    return _answer(request, language, form, act, _pausing(given, language, run_id))


@router.get("/do/resume")
def ask_resume(request: Request, run_id: RunId, given: Given, language: Lang) -> Response:
    return _ask(request, language, *_resuming(given, language, run_id))


@router.post("/do/resume")
def resume(request: Request, run_id: RunId, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(_typed: Mapping[str, str]) -> None:
        given.service.decisions.resume(run_id, name_of(acting, None))

    return _answer(request, language, form, act, _resuming(given, language, run_id))


@router.get("/do/cancel")
def ask_cancel(request: Request, run_id: RunId, given: Given, language: Lang) -> Response:
    return _ask(request, language, *_cancelling(given, language, run_id))


@router.post("/do/cancel")
def cancel(request: Request, run_id: RunId, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.decisions.cancel(run_id, name_of(acting, None), typed["reason"])

    return _answer(request, language, form, act, _cancelling(given, language, run_id))


@router.get("/do/undo")
def ask_undo(request: Request, run_id: RunId, given: Given, language: Lang) -> Response:
    return _ask(request, language, *_undoing(given, language, run_id))


@router.post("/do/undo")
def undo(request: Request, run_id: RunId, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.decisions.undo(run_id, name_of(acting, None), typed["reason"])

    return _answer(request, language, form, act, _undoing(given, language, run_id))


@router.get("/steps/{step_id:path}/do/retry")
def ask_retry(request: Request, run_id: RunId, step_id: StepId, given: Given, language: Lang) -> Response:
    return _ask(request, language, *_retrying(given, language, run_id, step_id))


@router.post("/steps/{step_id:path}/do/retry")
def retry(
    request: Request, run_id: RunId, step_id: StepId, form: Form, given: Given, acting: Acting, language: Lang
) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        accepts = bool(typed.get("accept_drift"))
        given.service.decisions.retry(run_id, step_id, name_of(acting, None), accept_drift=accepts)

    return _answer(request, language, form, act, _retrying(given, language, run_id, step_id))


@router.get("/steps/{step_id:path}/do/skip")
def ask_skip(request: Request, run_id: RunId, step_id: StepId, given: Given, language: Lang) -> Response:
    return _ask(request, language, *_skipping(given, language, run_id, step_id))


@router.post("/steps/{step_id:path}/do/skip")
def skip(
    request: Request, run_id: RunId, step_id: StepId, form: Form, given: Given, acting: Acting, language: Lang
) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.decisions.skip(run_id, step_id, name_of(acting, None), typed["reason"])

    return _answer(request, language, form, act, _skipping(given, language, run_id, step_id))


Asked = tuple[Action, Problem | None]
"""The action, and why it is not possible now."""


def _ask(request: Request, language: Language, action: Action, refused: Problem | None) -> Response:
    """The page of what is not possible now says why; nothing was asked for yet, so nothing failed."""
    response = ask(request, language, action, refused=refused)
    response.status_code = 200
    return response


def _answer(request: Request, language: Language, form: Fields, act: Act, asked: Asked) -> Response:
    return answer(request, language, asked[0], form, act)


def _pausing(given: Parts, language: Language, run_id: str) -> Asked:
    run, steps = _found(given, run_id)
    action = _run_action(
        given, language, run, RunChoice.PAUSE, [reason(language, required=False)], f"bascule pause {run_id}"
    )
    under_way = _named(language, [step for step in steps if step.state in _UNDER_WAY])
    return replace(action, touches=[*action.touches, *under_way]), _impossible(run, RunChoice.PAUSE)


def _resuming(given: Parts, language: Language, run_id: str) -> Asked:
    run, _ = _found(given, run_id)
    action = _run_action(given, language, run, RunChoice.RESUME, [], f"bascule resume {run_id}")
    return action, _impossible(run, RunChoice.RESUME)


def _cancelling(given: Parts, language: Language, run_id: str) -> Asked:
    run, steps = _found(given, run_id)
    action = _run_action(
        given, language, run, RunChoice.CANCEL, [reason(language)], f"bascule cancel {run_id} --reason …"
    )
    left = sum(step.state in (StepState.PENDING, StepState.READY, StepState.WAITING) for step in steps)
    touches = [*action.touches, say(language, "do.cancel.never", count=left)]
    return _guarded(replace(action, touches=touches), run), _impossible(run, RunChoice.CANCEL)


def _undoing(given: Parts, language: Language, run_id: str) -> Asked:
    run, steps = _found(given, run_id)
    action = _run_action(given, language, run, RunChoice.UNDO, [reason(language)], f"bascule undo {run_id} --reason …")
    done = [step for step in reversed(steps) if _has_something_to_take_back(step)]
    touches = [*action.touches, *(_named(language, done) or [say(language, "do.undo.nothing")])]
    return _guarded(replace(action, touches=touches), run), _impossible(run, RunChoice.UNDO)


def _retrying(given: Parts, language: Language, run_id: str, step_id: str) -> Asked:
    run, found = given.reading.step(run_id, step_id)
    held = found.step.state is StepState.HELD
    fields = [Field("accept_drift", say(language, "do.retry.drift"), "tick")] if held else []
    command = f"bascule retry {run_id} {step_id}{' --accept-drift' if held else ''}"
    key = "do.retry.back" if run.state is RunState.UNDOING else "do.retry.held" if held else "do.retry.does"
    action = Action(
        title=say(language, "do.retry.ask", name=step_name(language, found.step)),
        does=say(language, key),
        touches=_touches(language, found.step),
        safe=say(language, "do.retry.safe"),
        button=say(language, "do.retry"),
        back=run_path(run_id),
        did="retry",
        fields=fields,
        mode=Mode(run.mode),
        command=command,
        as_of=_as_of(run, found.step),
    )
    return action, _impossible_step(run, found, StepChoice.RETRY)


def _skipping(given: Parts, language: Language, run_id: str, step_id: str) -> Asked:
    run, found = given.reading.step(run_id, step_id)
    back = run.state is RunState.UNDOING
    after = [short(one) for one in found.needed_by[:NAMED]]
    goes_on = [say(language, "do.skip.after", names=", ".join(after))] if after and not back else []
    action = Action(
        title=say(language, "do.leave.ask" if back else "do.skip.ask", name=step_name(language, found.step)),
        does=say(language, "do.leave.does" if back else "do.skip.does"),
        touches=[*_touches(language, found.step), *goes_on],
        safe=say(language, "do.leave.safe" if back else "do.skip.safe"),
        button=say(language, "do.leave" if back else "do.skip"),
        back=run_path(run_id),
        did="leave" if back else "skip",
        fields=[reason(language)],
        confirm="" if run.mode == Mode.REHEARSAL else short(step_id),
        danger=True,
        mode=Mode(run.mode),
        command=f"bascule skip {run_id} {step_id} --reason …",
        as_of=_as_of(run, found.step),
    )
    return action, _impossible_step(run, found, StepChoice.SKIP)


def _as_of(run: RunDetail, step: StepAnswer) -> str:
    """What a form means hangs on this: during an undo, to go on without a step is to leave its effect in place."""
    return f"{run.state.value}/{step.state.value}/{step.attempt}/{step.undo_attempt}"


def _run_action(
    given: Parts, language: Language, run: RunDetail, choice: RunChoice, fields: list[Field], command: str
) -> Action:
    titles = service_titles(given, language, run.commit)
    names = ", ".join(titles.get(name, name) for name in run.services)
    return Action(
        title=say(language, f"do.{choice}.ask", names=names),
        does=say(language, f"do.{choice}.does"),
        touches=[clean(f"{names} · {run.scope} · {run.id}")],
        safe=say(language, f"do.{choice}.safe"),
        button=say(language, f"do.{choice}"),
        back=run_path(run.id),
        did=choice.value,
        fields=fields,
        mode=Mode(run.mode),
        command=command,
    )


def _guarded(action: Action, run: RunDetail) -> Action:
    """What can't simply be done again: in drills and live the one service's name is typed, else the scope's."""
    word = run.services[0] if len(run.services) == 1 else run.scope
    return replace(action, danger=True, confirm="" if run.mode == Mode.REHEARSAL else word)


def _found(given: Parts, run_id: str) -> tuple[RunDetail, list[StepAnswer]]:
    found = given.reading.with_steps(run_id)
    return found.run, found.steps


def _has_something_to_take_back(step: StepAnswer) -> bool:
    kind = KINDS.get(step.uses)
    changes = kind is None or not (kind.reads_only or kind.by_person)
    return changes and step.had_intent and step.state not in _TAKEN_BACK


def _named(language: Language, steps: list[StepAnswer]) -> list[str]:
    named = [_said(language, step) for step in steps[:NAMED]]
    return named + ([say(language, "do.more", count=len(steps) - NAMED)] if len(steps) > NAMED else [])


def _touches(language: Language, step: StepAnswer) -> list[str]:
    return [_said(language, step), *([clean(step.message)] if step.message else [])]


def _said(language: Language, step: StepAnswer) -> str:
    return f"{step_name(language, step)} · {step.id} · {say(language, f'step.{step.state.value}')}"


def _impossible(run: RunDetail, choice: RunChoice) -> Problem | None:
    if choice in run_choices(run.state, paused=run.paused):
        return None
    paused = ", paused" if run.paused else ""
    return problem(409, f"Not possible now: run {run.id} is {run.state.value}{paused}.")


def _impossible_step(run: RunDetail, found: StepDetail, choice: StepChoice) -> Problem | None:
    step = found.step
    if choice in step_choices(run.state, step.state, step.uses, step.waits_for):
        return None
    return problem(409, f"Not possible now: {step.id} is {step.state.value}, and its run {run.state.value}.")
