"""What people decide: one command each, one request to the service each."""

from typing import Annotated, Any

import typer

from orchestrator.cli.attention import DIGITS, wait_words, waits
from orchestrator.cli.board import run_word
from orchestrator.cli.client import Service
from orchestrator.cli.exits import CommandError
from orchestrator.cli.named import RunId, StepId
from orchestrator.cli.session import As, Json, Reason, Session, session_of
from orchestrator.cli.tree import state_words
from orchestrator.cli.watching import watch
from orchestrator.domain.model import RunState

Comment = Annotated[str, typer.Option("--comment", "-c", help="A word to go with it; the journal keeps it.")]
Why = Annotated[str, typer.Option("--reason", "-r", help="Why; the journal keeps it. Needed.", show_default=False)]


def approve(
    context: typer.Context, run: RunId, step: StepId, actor: As, comment: Comment = "", as_json: Json = False
) -> None:
    """Say yes at a hold point, or acknowledge that a task is done.

    Whoever asked for the run can't approve it, and each person counts once.
    """
    _decide(session_of(context), run, "approve", actor, step=step, comment=comment, as_json=as_json)


def reject(context: typer.Context, run: RunId, step: StepId, actor: As, reason: Why, as_json: Json = False) -> None:
    """Say no at a hold point: the step fails, and a person decides what follows."""
    _decide(session_of(context), run, "reject", actor, step=step, reason=reason, as_json=as_json)


def release(
    context: typer.Context,
    run: RunId,
    digest: Annotated[str, typer.Argument(help="The digest of the plan that you looked at; 12 digits are enough.")],
    actor: As,
    comment: Comment = "",
    as_json: Json = False,
) -> None:
    """Release a run: one person's yes to exactly this plan, before its first effect."""
    session = session_of(context)
    with Service.of(session.data) as service:
        planned = service.run(run).run.plan_digest
    named = digest.removeprefix("sha256:").lower()
    if len(named) < DIGITS or not planned.removeprefix("sha256:").startswith(named):
        raise CommandError.of("cli.digest.run", run=run, planned=planned)
    _decide(session, run, "release", actor, digest=planned, comment=comment, as_json=as_json)


def pause(context: typer.Context, run: RunId, actor: As, reason: Reason = "", as_json: Json = False) -> None:
    """Start nothing new in a run; what is under way ends by itself."""
    _decide(session_of(context), run, "pause", actor, reason=reason, as_json=as_json)


def resume(context: typer.Context, run: RunId, actor: As, as_json: Json = False) -> None:
    """Let a paused run go on."""
    _decide(session_of(context), run, "resume", actor, as_json=as_json)


def cancel(context: typer.Context, run: RunId, actor: As, reason: Why, as_json: Json = False) -> None:
    """End a run and keep what it did. `bascule undo` takes it back instead."""
    _decide(session_of(context), run, "cancel", actor, reason=reason, as_json=as_json)


def retry(
    context: typer.Context,
    run: RunId,
    step: StepId,
    actor: As,
    accept_drift: Annotated[
        bool, typer.Option("--accept-drift", help="Go on from what is there now, though the plan saw something else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Try a step again that failed, is held, or whose effect is unknown; during an undo, its undo."""
    _decide(session_of(context), run, "retry", actor, step=step, accept_drift=accept_drift, as_json=as_json)


def skip(context: typer.Context, run: RunId, step: StepId, actor: As, reason: Why, as_json: Json = False) -> None:
    """Go on without a step; during an undo, leave its effect in place."""
    _decide(session_of(context), run, "skip", actor, step=step, reason=reason, as_json=as_json)


def undo(
    context: typer.Context,
    run: RunId,
    actor: As,
    reason: Why,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not watch it.")] = False,
    as_json: Json = False,
) -> None:
    """Take back everything that a run did, the last step first, and watch it.

    Only what the run wrote is taken back; what others changed since is left alone and shown.
    """
    session = session_of(context)
    _decide(session, run, "undo", actor, reason=reason, as_json=as_json)
    if not detach and not as_json:
        code = watch(session, run, until_waiting=not session.live, wanted=frozenset({RunState.UNDONE}))
        raise typer.Exit(code)


def _decide(session: Session, run_id: str, verb: str, actor: str, *, as_json: bool, **more: Any) -> None:
    """Tell the service, then say where things stand now."""
    step_id = more.get("step")
    if "reason" in more and verb != "pause" and not more["reason"].strip():
        raise typer.BadParameter(session.say("cli.reason"), param_hint="--reason")
    with Service.of(session.data) as service:
        service.decide(run_id, verb, actor, **more)
        actor = service.acting(actor)
        found = service.run(run_id)
    step = next((one for one in found.steps if one.id == step_id), None)
    if as_json:
        session.json(
            {"run": found.run.id, "state": found.run.state, "step": step_id, "step_state": step.state if step else None}
        )
        return
    language = session.language
    word = state_words(language, step) if step else run_word(language, found.run)
    subject = step.id if step else run_id
    session.line(f"{session.say(f'cli.did.{verb}', by=actor)} {session.say('cli.now', what=subject, state=word)}")
    for wait in waits(found.run, found.steps):
        if step_id is None or wait.step == step_id:
            told = wait_words(language, wait)
            session.line(session.say("cli.now", what=wait.step or run_id, state=told))
