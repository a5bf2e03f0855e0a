"""What a shell completes besides commands and options: names that only the running service knows.

A shell that completes has no room for errors and no patience: whatever goes wrong, nothing is offered. Only reads are
asked, of a service that runs already, with the credential that is kept here.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from orchestrator.cli.client import Service
from orchestrator.cli.language import language_here
from orchestrator.cli.session import default_data
from orchestrator.cli.wording import one_line
from orchestrator.domain.model import ENDED_RUN, RunState, StepState
from orchestrator.web.words import say

VARIABLE = "_BASCULE_COMPLETE"
"""By which a shell asks, as Typer's scripts set it."""
WITHIN = 1.0
"""Seconds that the service has to answer, all in all, where PATIENCE names no other number of them."""
PATIENCE = "BASCULE_COMPLETION_WITHIN"
RUNS = 100

Offer = list[tuple[str, str]]
"""Each word with what it means, which zsh and fish show."""

_DECIDED = {
    "approve": {StepState.WAITING},
    "reject": {StepState.WAITING},
    "retry": {StepState.FAILED, StepState.HELD, StepState.UNKNOWN, StepState.UNDO_FAILED},
    "skip": {StepState.FAILED, StepState.HELD, StepState.UNKNOWN, StepState.UNDO_FAILED},
}
"""By command: the states of the steps that it can be said of."""
_LOOKED_AT = frozenset({"watch", "status", "history", "logs", "undo"})
"""Commands that take runs which ended as well."""


class _TooLate(Exception):
    """The service took its time."""


def is_completing() -> bool:
    return os.environ.get(VARIABLE, "").startswith("complete_")


def silence() -> None:
    """Nothing that is said on standard error reaches the shell's line any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def runs(ctx: typer.Context, incomplete: str) -> Offer:
    """Runs that the command can be about, the newest first."""
    return _offered(ctx, incomplete, _runs)


def steps(ctx: typer.Context, incomplete: str) -> Offer:
    """Steps of the run that was named before; of a decision, those that wait for it."""
    return _offered(ctx, incomplete, _steps)


def services(ctx: typer.Context, incomplete: str) -> Offer:
    """Services of the estate that are not named yet."""
    return _offered(ctx, incomplete, _services)


def scopes(ctx: typer.Context, incomplete: str) -> Offer:
    return _offered(ctx, incomplete, _scopes)


def proposals(ctx: typer.Context, incomplete: str) -> Offer:
    return _offered(ctx, incomplete, _proposals)


def standing(ctx: typer.Context, incomplete: str) -> Offer:
    return _offered(ctx, incomplete, _standing)


def vendors(ctx: typer.Context, incomplete: str) -> Offer:
    return _offered(ctx, incomplete, _vendors)


def sources(ctx: typer.Context, incomplete: str) -> Offer:
    return _offered(ctx, incomplete, _sources)


def people(ctx: typer.Context, incomplete: str) -> Offer:
    """For who may manage people; others are offered nobody."""
    return _offered(ctx, incomplete, _people)


Known = Callable[[typer.Context, Service], Iterable[tuple[str, str]]]


def _offered(ctx: typer.Context, incomplete: str, known: Known) -> Offer:
    with suppress(Exception), _bounded(patience()), Service.of(_data(ctx), within=patience()) as service:
        found = [(one_line(word), one_line(meaning)) for word, meaning in known(ctx, service)]
        return [(word, meaning) for word, meaning in found if word.startswith(incomplete)]
    return []


def patience() -> float:
    """Seconds, between 0.1 and a minute."""
    try:
        return min(max(float(os.environ.get(PATIENCE) or WITHIN), 0.1), 60.0)
    except ValueError:
        return WITHIN


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Raises _TooLate inside when they are over, also where an answer comes drop by drop."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _TooLate

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _data(ctx: typer.Context) -> Path:
    """As --data or BASCULE_DATA say: no command has run yet that would have put it into the session."""
    said = ctx.find_root().params.get("data")
    return Path(said).expanduser().absolute() if said else default_data(os.environ)


def _runs(ctx: typer.Context, service: Service) -> Iterator[tuple[str, str]]:
    language = language_here()
    for run in service.runs(limit=RUNS, active=ctx.info_name not in _LOOKED_AT):
        if ctx.info_name == "release" and run.state is not RunState.AWAITING_RELEASE:
            continue
        if ctx.info_name == "resume" and not run.paused:
            continue
        state = "run.paused" if run.paused and run.state not in ENDED_RUN else f"run.{run.state.value}"
        mode = say(language, f"mode.{run.mode.value}")
        yield run.id, f"{mode}, {say(language, state)}: {', '.join(run.services)}"


def _steps(ctx: typer.Context, service: Service) -> Iterator[tuple[str, str]]:
    wanted = _DECIDED.get(ctx.info_name or "")
    # While an option has no value yet, arguments are still unassigned.
    run = ctx.params.get("run") or ctx.args[0]
    for step in service.run(str(run)).steps:
        if wanted is None or step.state in wanted:
            yield step.id, say(language_here(), f"step.{step.state.value}")


def _services(ctx: typer.Context, service: Service) -> Iterator[tuple[str, str]]:
    named = ctx.params.get("services") or ()
    yield from ((name, title) for name, title in _titled(service.get("estate")["services"]) if name not in named)


def _scopes(_ctx: typer.Context, service: Service) -> Iterator[tuple[str, str]]:
    for scope in service.get("estate")["scopes"]:
        yield scope["name"], say(language_here(), f"mode.{scope['mode']}")


def _proposals(ctx: typer.Context, service: Service) -> Iterator[tuple[str, str]]:
    waiting = None if ctx.info_name == "show" else "true"
    for one in service.get("proposals", waiting=waiting)["proposals"]:
        yield one["id"], f"{one['subject']}: {', '.join(one['services'])}"


def _standing(_ctx: typer.Context, service: Service) -> Iterator[tuple[str, str]]:
    for one in service.get("standing-approvals")["standing_approvals"]:
        yield one["id"], f"{one['rule']}: {', '.join(one['services'])}"


def _vendors(_ctx: typer.Context, service: Service) -> Iterator[tuple[str, str]]:
    for one in service.get("verdicts")["verdicts"]:
        yield one["subject"], one["title"][language_here()]


def _sources(_ctx: typer.Context, service: Service) -> Iterator[tuple[str, str]]:
    for one in service.get("signals/sources")["sources"]:
        yield one["name"], one["format"] or ""


def _people(ctx: typer.Context, service: Service) -> Iterator[tuple[str, str]]:
    for one in service.get("people")["people"] if ctx.info_name != "add" else ():
        yield one["name"], one["title"] or ""


def _titled(found: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for one in found:
        yield one["name"], one["title"][language_here()]
