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
from orchestrator.cli.wording import counted, duration, moment, one_line


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
            session.line("Nothing is proposed." if everything else "Nothing is proposed now; --all shows the past.")
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
        kind = event["kind"].removeprefix("proposal.").replace("_", " ")
        line = f"  {moment(event['at'])}  {kind} by {one_line(event['actor'])}"
        session.line(f"{line}: {one_line(said)}" if said else line)
    for notice in found["notices"]:
        trouble = f": {one_line(notice['message'])}" if notice["state"] != "sent" else ""
        session.line(f"  to {notice['channel']}: {notice['state'].replace('_', ' ')}{trouble}")


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
            raise CommandError(
                f"Proposal {proposal} is of plan {planned}, which is not the one you name. "
                "Look at what it would change, then name its digest."
            )
        body = {"digest": planned or digest, "as": actor, "comment": comment}
        said = service.post(f"proposals/{proposal}/release", body)
        actor = service.acting(actor)
    if as_json:
        session.json(said)
    elif said["run_id"]:
        session.line(f"Released by {actor}. Run {said['run_id']} begins; follow it: bascule watch {said['run_id']}")
    else:
        session.line(f"Released by {actor}. Another person must release it as well.")


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
        session.line(f"Rejected by {actor}. Nothing was changed.")


def _show(session: Session, one: dict[str, Any]) -> None:
    session.line(f"{one['id']}  {one['state']}  {', '.join(one['services'])} ({one['scope']})")
    for line in _wrapped(one["words"]["en"]):
        session.line(line)
    for line in _standing(one):
        session.line(line, copied=line.startswith("  bascule"))


def _standing(one: dict[str, Any]) -> Iterator[str]:
    if one["state"] == "blocked":
        if one["blocked"]:
            yield from _wrapped(f"No plan can be made: {one['blocked']['text']} It is tried again every five minutes.")
        else:
            yield "  Its plan is being made."
    elif one["state"] == "armed":
        missing = one["approvals_needed"] - len(one["approvals"])
        left = one["armed_until"] - time.time()
        count = f"{duration(left)} left of the countdown" if left > 0 else "the countdown is over"
        given = f"; released by {', '.join(item['by'] for item in one['approvals'])}" if one["approvals"] else ""
        ahead = one["standing"]
        if ahead:
            names = ", ".join(ahead["signers"])
            yield from _wrapped(f"IT GOES BY ITSELF by the standing approval {ahead['id']} of {names}, {count}{given}.")
            yield f"  bascule standing revoke {ahead['id']} --reason …"
        else:
            yield from _wrapped(f"{counted(missing, 'person', 'people')} must release it, {count}{given}.")
        if one["weak_since"] is not None:
            yield from _wrapped(f"What it stands on is not observed any more since {moment(one['weak_since'])}.")
        yield f"  bascule proposals show {one['id']} --plan"
        yield f"  bascule proposals release {one['id']} --digest {one['digest'][:19]}"
    elif one["run_id"]:
        yield f"  bascule watch {one['run_id']}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(one_line(text), WIDTH, initial_indent="  ", subsequent_indent="  ")
