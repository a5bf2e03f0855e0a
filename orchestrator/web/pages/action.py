"""What somebody does from a page: said before it is done, and done by one form, with or without a script.

One page for all of it: what will happen, what it touches, what stays safe, a reason where one is needed, and for what
can't simply be done again, the name of what is touched, to be typed. When it is refused, the page says why and what was
typed is still there; when it is done, one is where one came from, and is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from starlette.responses import Response

from orchestrator.domain.model import Mode
from orchestrator.web.pages.done import done
from orchestrator.web.pages.form import Fields
from orchestrator.web.pages.page import render
from orchestrator.web.problem import ANSWERABLE, Problem, problem, problem_of
from orchestrator.web.words import Language, say

MOST_TYPED = 4000
"""Characters of one field."""


@dataclass(frozen=True, slots=True)
class Field:
    """`options`: value and label, for a choice. A `tick` is `yes` or empty."""

    name: str
    label: str
    kind: Literal["text", "area", "choice", "tick", "password", "number", "date", "hidden"] = "text"
    required: bool = True
    value: str = ""
    help: str = ""
    options: Sequence[tuple[str, str]] = ()
    most: int = MOST_TYPED


@dataclass(frozen=True, slots=True)
class Action:
    """All texts are in the reader's language. `confirm`: what must be typed, such as a scope's name; empty for nothing.

    `did`: the message (`did.…`) that is shown where one arrives. `command`: the same on the command line.
    `as_of`: a mark of what the page says, which its form carries: where it is another by then, nothing is done.
    """

    title: str
    does: str
    button: str
    back: str
    did: str = ""
    touches: Sequence[str] = ()
    safe: str = ""
    fields: Sequence[Field] = ()
    confirm: str = ""
    danger: bool = False
    mode: Mode | None = None
    command: str = ""
    as_of: str = ""


Act = Callable[[Mapping[str, str]], str | Response | None]
"""Does it with what was typed, by the names of the fields; answers where to go, else it is the action's `back`.

A page of its own is for what is told once and stands in no address (see `told_once`), or for another `done`.
"""


@dataclass(frozen=True, slots=True)
class Deed:
    """An action, and what does it."""

    action: Action
    act: Act


def ask(
    request: Request,
    language: Language,
    action: Action,
    *,
    refused: Problem | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """The page of an action."""
    first = {field.name: field.value for field in action.fields} | {"confirm": ""}
    values = {**first, **(typed or {})}
    status = refused.status if refused is not None else 200
    return render(request, "action.html", language, status, action=action, refused=refused, typed=values)


def answer(request: Request, language: Language, action: Action, form: Fields, act: Act) -> Response:
    """Do it and go back, or say why not."""
    if form.get("as_of", "") != action.as_of:
        moved = problem(409, say(language, "action.moved"))
        kept = {field.name: form.get(field.name, "").strip() for field in action.fields if field.kind == "area"}
        return ask(request, language, action, refused=moved, typed=kept)
    typed = {field.name: form.get(field.name, "").strip() for field in action.fields}
    refused = _missing(language, action, typed, form)
    where: str | Response | None = None
    if refused is None:
        try:
            where = act(typed)
        except ANSWERABLE as error:
            refused = problem_of(error)
    if isinstance(where, Response):
        return where
    if refused is not None:
        return ask(request, language, action, refused=refused, typed={**typed, "confirm": form.get("confirm", "")})
    return done(request, where or action.back, action.did)


def reason(language: Language, *, required: bool = True) -> Field:
    return Field("reason", say(language, "action.reason"), "area", required=required)


def _missing(language: Language, action: Action, typed: Mapping[str, str], form: Fields) -> Problem | None:
    for field in action.fields:
        if field.required and field.kind != "tick" and not typed[field.name]:
            return problem(422, say(language, "action.missing", name=field.label))
        if len(typed[field.name]) > field.most:
            return problem(422, say(language, "action.long", name=field.label, most=field.most))
        if field.kind == "choice" and typed[field.name] not in {value for value, _ in field.options} | {""}:
            return problem(422, say(language, "action.choice", name=field.label))
    if action.confirm and form.get("confirm", "").strip() != action.confirm:
        return problem(422, say(language, "action.unconfirmed", word=action.confirm))
    return None
