"""Standing approvals: asked for, signed in advance by others, listed, revoked by one."""

import textwrap
from typing import Annotated, Any, Literal

import typer

from orchestrator.cli.attention import DIGITS
from orchestrator.cli.client import Service
from orchestrator.cli.exits import CommandError
from orchestrator.cli.language import here
from orchestrator.cli.named import ApprovalId
from orchestrator.cli.session import As, Json, Session, session_of
from orchestrator.cli.signals_page import WIDTH
from orchestrator.cli.wording import one_line
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.words import VERDICTS
from orchestrator.web.times import duration, moment
from orchestrator.web.words import Language, knows, say
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
        session.line(session.say("cli.standing.none"))


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
            raise CommandError.of("cli.digest.standing", approval=approval, digest=whole)
        said = service.post(f"standing-approvals/{approval}/sign", {"digest": whole or digest, "comment": comment})
        actor = service.acting("")
    if as_json:
        session.json(said)
    elif said["state"] == "in_force":
        until = moment(session.language, said["expires_at"])
        session.line(session.say("cli.standing.signed", by=actor, until=until))
    else:
        missing = said["needed"] - len(said["signatures"])
        session.line(session.say("cli.standing.more", by=actor, count=missing))


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
        session.line(session.say("cli.standing.revoked", by=actor, rule=said["rule"]))


def show_standing(session: Session, one: dict[str, Any]) -> None:
    """One of them, with the order that is missing."""
    language = session.language
    key = f"cli.standing.state.{one['state']}"
    state = say(language, key) if knows(language, key) else one["state"].replace("_", " ")
    session.line(f"{one['id']}  {state}  {one['rule']} · {', '.join(one['services'])} ({one['scope']})")
    for line in _wrapped(_covers(language, one)):
        session.line(line)
    if one["state"] == "in_force":
        session.line(f"  {say(language, 'cli.standing.itself')}")
        session.line(f"  bascule standing revoke {one['id']} --reason …", copied=True)
    elif one["state"] == "asked":
        session.line(f"  bascule standing sign {one['id']} --digest {one['digest'][:19]}", copied=True)
    else:
        at = moment(language, one["ended_at"])
        ended = say(language, "cli.standing.ended", at=at, by=one_line(one["ended_by"]))
        said = one_line(one["why"])
        session.line(f"  {say(language, 'cli.now.said', what=ended, said=said) if said else ended}")


def _covers(language: Language, one: dict[str, Any]) -> str:
    """What it stands on, at which estate, how long, and who signed."""
    names = ", ".join(item["by"] for item in one["signatures"])
    verdict = Verdict(one["verdict"])
    parts = [
        say(
            language,
            "cli.standing.covers",
            subject=one["subject"],
            verdict=VERDICTS[verdict][0 if language == "fr" else 1],
            time=duration(one["held_for"], language),
            commit=one["commit"][:12],
            until=moment(language, one["expires_at"]),
        ),
        say(language, "cli.standing.by", names=names) if names else say(language, "cli.standing.by_nobody"),
        say(language, "cli.standing.asked", by=one["asked_by"]),
    ]
    if one["uses"]:
        parts.append(say(language, "cli.standing.used", count=one["uses"]))
    return " ".join(parts)


def _seconds(text: str) -> float:
    try:
        return float(seconds(text))
    except ValueError as error:
        raise typer.BadParameter(here("cli.duration", text=repr(text)), param_hint="--for") from error


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(one_line(text), WIDTH, initial_indent="  ", subsequent_indent="  ")
