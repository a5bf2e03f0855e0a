"""Standing approvals: asked for, signed in advance by others, listed, revoked by one."""

import textwrap
from typing import Annotated, Any, Literal

import typer

from orchestrator.cli.attention import DIGITS
from orchestrator.cli.client import Service
from orchestrator.cli.exits import CommandError
from orchestrator.cli.named import ApprovalId
from orchestrator.cli.session import As, Json, Session, session_of
from orchestrator.cli.signals_page import WIDTH
from orchestrator.cli.wording import counted, duration, moment, one_line
from providers.wants import seconds


def listed(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Those that have ended as well.")] = False,
    as_json: Json = False,
) -> None:
    """Standing approvals that are asked for or in force: what goes by itself, and who signed for it."""
    session = session_of(context)
    with Service.of(session.data) as service:
        found = service.get("standing-approvals", everything="true" if everything else None)["standing_approvals"]
    if as_json:
        session.json(found)
        return
    for one in found:
        show_standing(session, one)
    if not found:
        session.line("There is none: people release each proposal.")


def ask(
    context: typer.Context,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="A rule of policy.proposals.")],
    days: Annotated[float, typer.Option(help="How many days it lasts, 90 at most.")] = 30,
    verdict: Annotated[
        Literal["eroding", "cut"] | None, typer.Option(help="A worse verdict than the rule asks for.")
    ] = None,
    held_for: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="A longer time than the rule asks for, such as 2h.")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept.")] = "",
    as_json: Json = False,
) -> None:
    """Ask others to sign in advance for what a rule proposes at the newest commit. Who asks does not sign."""
    session = session_of(context)
    body: dict[str, Any] = {"rule": rule, "days": days, "reason": reason}
    if verdict is not None:
        body["verdict"] = verdict
    if held_for:
        body["held_for"] = _seconds(held_for)
    with Service.of(session.data) as service:
        said = service.post("standing-approvals", body)
    if as_json:
        session.json(said)
        return
    show_standing(session, said)


def sign(
    context: typer.Context,
    approval: ApprovalId,
    digest: Annotated[str, typer.Option("--digest", help="The digest that you read; 12 digits are enough.")],
    comment: Annotated[str, typer.Option("--comment", "-c", help="Why you sign it; it is kept.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Sign exactly what the list shows of it. From the last signature that is needed on, it goes by itself."""
    session = session_of(context)
    with Service.of(session.data) as service:
        known = service.get("standing-approvals", everything="true")["standing_approvals"]
        named = digest.removeprefix("sha256:").lower()
        whole = next((str(one["digest"]) for one in known if one["id"] == approval), "")
        if whole and (len(named) < DIGITS or not whole.removeprefix("sha256:").startswith(named)):
            raise CommandError(f"The standing approval {approval} has the digest {whole}, not the one that you name.")
        said = service.post(f"standing-approvals/{approval}/sign", {"digest": whole or digest, "comment": comment})
        actor = service.acting("")
    if as_json:
        session.json(said)
    elif said["state"] == "in_force":
        session.line(f"Signed by {actor}. It is in force until {moment(said['expires_at'])}.")
    else:
        missing = said["needed"] - len(said["signatures"])
        session.line(f"Signed by {actor}. {counted(missing, 'more person', 'more people')} must sign.")


def revoke(
    context: typer.Context,
    approval: ApprovalId,
    actor: As,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept. Needed.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Take it back, alone and at once: proposals of its rule wait for people again."""
    session = session_of(context)
    with Service.of(session.data) as service:
        said = service.post(f"standing-approvals/{approval}/revoke", {"as": actor, "reason": reason})
        actor = service.acting(actor)
    if as_json:
        session.json(said)
    else:
        session.line(f"Revoked by {actor}. Proposals of the rule {said['rule']} wait for people again.")


def show_standing(session: Session, one: dict[str, Any]) -> None:
    """One of them, with the order that is missing."""
    state = one["state"].replace("_", " ")
    session.line(f"{one['id']}  {state}  {one['rule']}: {', '.join(one['services'])} ({one['scope']})")
    names = ", ".join(item["by"] for item in one["signatures"]) or "nobody"
    evidence = f"{one['subject']} {one['verdict']} for {duration(one['held_for'])}"
    used = f" Used {counted(one['uses'], 'time')}." if one["uses"] else ""
    text = (
        f"{evidence}, estate {one['commit'][:12]}, until {moment(one['expires_at'])}. Signed by {names}, asked for by "
    )
    for line in _wrapped(f"{text}{one['asked_by']}.{used}"):
        session.line(line)
    if one["state"] == "in_force":
        session.line("  When the rule proposes and its countdown ends, it goes by itself.")
        session.line(f"  bascule standing revoke {one['id']} --reason …", copied=True)
    elif one["state"] == "asked":
        session.line(f"  bascule standing sign {one['id']} --digest {one['digest'][:19]}", copied=True)
    else:
        why = f": {one['why']}" if one["why"] else ""
        session.line(f"  ended {moment(one['ended_at'])} by {one_line(one['ended_by'])}{one_line(why)}")


def _seconds(text: str) -> float:
    try:
        return float(seconds(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no duration; write it such as 90m or 2h.", param_hint="--for") from error


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(one_line(text), WIDTH, initial_indent="  ", subsequent_indent="  ")
