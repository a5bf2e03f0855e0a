"""What policy proposes: listed, shown, released by people, rejected by one of them."""

import textwrap
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from orchestrator.cli.attention import DIGITS
from orchestrator.cli.client import Service
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.named import ProposalId
from orchestrator.cli.plan_page import show_plan
from orchestrator.cli.session import As, Json, Session, session_of
from orchestrator.cli.signals_page import WIDTH
from orchestrator.cli.standing_commands import show_standing
from orchestrator.cli.wording import one_line
from orchestrator.web.times import duration, moment
from orchestrator.web.words import Language, knows, say


def listed(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Those that have ended as well.")] = False,
    as_json: Json = False,
) -> None:
    """What policy proposes because a verdict holds: it waits for people, counting down, and starts nothing.

    Exit code: 0 nothing waits, 3 a proposal waits for people.
    """
    if context.invoked_subcommand is not None:
        return
    session = session_of(context)
    with Service.of(session.data) as service:
        waiting = service.get("proposals", waiting="true")
        found = service.get("proposals") if everything else waiting
        standing = service.get("standing-approvals")["standing_approvals"]
    if as_json:
        session.json(found)
    else:
        for one in standing:
            if one["state"] == "in_force":
                show_standing(session, one)
        for one in found["proposals"]:
            _show(session, one)
        if not found["proposals"]:
            session.line(session.say("cli.proposal.never" if everything else "cli.proposal.none", option="--all"))
    raise typer.Exit(Exit.WAITS if waiting["proposals"] else Exit.DONE)


def show(
    context: typer.Context,
    proposal: ProposalId,
    plan: Annotated[bool, typer.Option("--plan", help="Everything that its plan would change, as well.")] = False,
    as_json: Json = False,
) -> None:
    """One proposal: what it stands on, what happened to it, and whom it told."""
    session = session_of(context)
    with Service.of(session.data) as service:
        found = service.get(f"proposals/{proposal}")
        digest = found["proposal"]["digest"]
        planned = service.plan(digest) if plan and digest else None
    if as_json:
        session.json({**found, "plan": planned.model_dump(mode="json", by_alias=True)} if planned else found)
        return
    if planned is not None:
        show_plan(session, planned, time.time())
    _show(session, found["proposal"])
    for event in found["events"]:
        said = event["data"].get("reason") or event["data"].get("comment") or event["data"].get("text") or ""
        name = event["kind"].removeprefix("proposal.")
        kind = _word(session.language, f"cli.event.{name}", name)
        told = session.say("cli.proposal.event", what=kind, by=one_line(event["actor"]))
        line = f"  {moment(session.language, event['at'])}  {told}"
        session.line(session.say("cli.now.said", what=line, said=one_line(said)) if said else line)
    for notice in found["notices"]:
        state = _word(session.language, f"cli.notice.{notice['state']}", notice["state"])
        line = session.say("cli.proposal.told", channel=notice["channel"], state=state)
        trouble = one_line(notice["message"]) if notice["state"] != "sent" else ""
        session.line(f"  {session.say('cli.now.said', what=line, said=trouble) if trouble else line}")


def release(
    context: typer.Context,
    proposal: ProposalId,
    digest: Annotated[
        str, typer.Option("--digest", help="The digest of the plan that you looked at; 12 digits are enough.")
    ],
    actor: As,
    comment: Annotated[str, typer.Option("--comment", "-c", help="A word to go with it; it is kept.")] = "",
    as_json: Json = False,
) -> None:
    """One person's release of exactly this plan; the last that is needed begins the run."""
    session = session_of(context)
    with Service.of(session.data) as service:
        planned = service.get(f"proposals/{proposal}")["proposal"]["digest"]
        named = digest.removeprefix("sha256:").lower()
        if planned and (len(named) < DIGITS or not planned.removeprefix("sha256:").startswith(named)):
            raise CommandError.of("cli.digest.proposal", proposal=proposal, planned=planned)
        body = {"digest": planned or digest, "as": actor, "comment": comment}
        said = service.post(f"proposals/{proposal}/release", body)
        actor = service.acting(actor)
    if as_json:
        session.json(said)
    elif said["run_id"]:
        run = said["run_id"]
        session.line(session.say("cli.proposal.begins", by=actor, run=run, command=f"bascule watch {run}"))
    else:
        session.line(session.say("cli.proposal.another", by=actor))


def reject(
    context: typer.Context,
    proposal: ProposalId,
    actor: As,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept. Needed.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Say no to a proposal: it ends, and does not come back before the verdict has been better."""
    session = session_of(context)
    with Service.of(session.data) as service:
        said = service.post(f"proposals/{proposal}/reject", {"as": actor, "reason": reason})
        actor = service.acting(actor)
    if as_json:
        session.json(said)
    else:
        session.line(session.say("cli.proposal.rejected", by=actor))


def _show(session: Session, one: dict[str, Any]) -> None:
    word = _word(session.language, f"cli.proposal.state.{one['state']}", one["state"])
    session.line(f"{one['id']}  {word}  {', '.join(one['services'])} ({one['scope']})")
    for line in _wrapped(one["words"][session.language]):
        session.line(line)
    for line in _standing(one, session.language):
        session.line(line, copied=line.startswith("  bascule"))


def _word(language: Language, key: str, state: str) -> str:
    """What a newer service says, and the catalogues do not know, is told as it says it."""
    return say(language, key) if knows(language, key) else state.replace("_", " ")


def _standing(one: dict[str, Any], language: Language) -> Iterator[str]:
    if one["state"] == "blocked":
        if one["blocked"]:
            yield from _wrapped(say(language, "proposal.again"))
            yield from _wrapped(one["blocked"]["text"])
        else:
            yield f"  {say(language, 'proposal.made')}"
    elif one["state"] == "armed":
        missing = one["approvals_needed"] - len(one["approvals"])
        left = one["armed_until"] - time.time()
        left_words = say(language, "cli.proposal.left", time=duration(left, language)) if left > 0 else ""
        parts = [left_words or say(language, "proposal.over")]
        if one["approvals"]:
            parts.append(say(language, "cli.proposal.given", names=", ".join(item["by"] for item in one["approvals"])))
        ahead = one["standing"]
        if ahead:
            itself = say(language, "proposal.itself", id=ahead["id"], names=", ".join(ahead["signers"]))
            yield from _wrapped(" · ".join([f"!! {itself}", *parts]))
            yield f"  bascule standing revoke {ahead['id']} --reason …"
        else:
            yield from _wrapped(" · ".join([say(language, "proposal.missing", count=missing), *parts]))
        if one["weak_since"] is not None:
            yield from _wrapped(say(language, "proposal.weak", at=moment(language, one["weak_since"])))
        yield f"  bascule proposals show {one['id']} --plan"
        yield f"  bascule proposals release {one['id']} --digest {one['digest'][:19]}"
    elif one["run_id"]:
        yield f"  bascule watch {one['run_id']}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(one_line(text), WIDTH, initial_indent="  ", subsequent_indent="  ")
