"""People and their roles, tokens for programs, and sealed codes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from orchestrator.cli import completion, credential
from orchestrator.cli.client import Service
from orchestrator.cli.login_command import asked
from orchestrator.cli.session import Json, Session, session_of
from orchestrator.cli.wording import clean, counted, moment, one_line

Who = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The person's name, as `bascule people` lists it.", autocompletion=completion.people
    ),
]
WhatRole = Annotated[
    str, typer.Argument(metavar="ROLE[:SERVICE]", help="viewer, operator, approver, author, auditor or admin.")
]
Roles = Annotated[
    list[str] | None, typer.Option("--role", metavar="ROLE[:SERVICE]", help="A role; may be given several times.")
]
Why = Annotated[str, typer.Option("--reason", "-r", help="Why; the audit keeps it.", show_default=False)]
Days = Annotated[float, typer.Option(help="How many days it lasts.")]


def listed(context: typer.Context, as_json: Json = False) -> None:
    """Who is let in, with which roles, and what proves them."""
    if context.invoked_subcommand is not None:
        return
    session = session_of(context)
    with Service.of(session.data) as service:
        people = service.get("people")["people"]
    if as_json:
        session.json(people)
        return
    for one in people:
        session.line(_person(one))
        for role in one["roles"]:
            session.line(f"  {_of(role)}")
            if not role["counts"]:
                session.line("    waits for a second person:")
                session.line(f"    bascule people confirm {one['name']} {_of(role)}", copied=True)
    if not people:
        session.line("Nobody yet: open the link that `bascule serve` tells of, or bascule people recover NAME")


def add(
    context: typer.Context,
    name: Who,
    title: Annotated[str, typer.Option(help="How people call them.")] = "",
    role: Roles = None,
    program: Annotated[bool, typer.Option("--program", help="A program: it gets tokens, and never approves.")] = False,
) -> None:
    """Add a person, and print the link with which they choose a password and a second factor."""
    session = session_of(context)
    body = {"name": name, "title": title, "program": program, "roles": [_grant(one) for one in role or []]}
    with Service.of(session.data) as service:
        said = service.post("people", body)
        _tell_link(session, service, said, f"{name} is added.")


def grant(context: typer.Context, name: Who, role: WhatRole) -> None:
    """Give a role. That of an approver or admin waits for a second person, where there is one."""
    session = session_of(context)
    with Service.of(session.data) as service:
        said = service.post(f"people/{name}/grant", _grant(role))
    if said["counts"]:
        session.line(f"{name} is {role} now.")
    else:
        session.line(f"{name} is {role} once a second person agrees. An approver or admin types:")
        session.line(f"  bascule people confirm {name} {role}", copied=True)


def confirm(context: typer.Context, name: Who, role: WhatRole) -> None:
    """Agree, as a second person, to a role that somebody else gave. Needs you to be signed in."""
    _change(context, name, "confirm", _grant(role), f"{name} is {role} now.")


def revoke(context: typer.Context, name: Who, role: WhatRole) -> None:
    """Take a role away; what the person approved, and led to nothing yet, is void."""
    _change(context, name, "revoke", _grant(role), f"{name} is not {role} any more.")


def disable(context: typer.Context, name: Who, reason: Why) -> None:
    """Shut somebody out, at once: sessions and tokens end."""
    _change(context, name, "disable", {"reason": reason}, f"{name} is shut out.")


def enable(context: typer.Context, name: Who, reason: Why) -> None:
    """Let somebody in again."""
    _change(context, name, "enable", {"reason": reason}, f"{name} is let in again.")


def invite(context: typer.Context, name: Who) -> None:
    """A new link for somebody who lost their password or second factor; guarded roles wait for a second person."""
    _link(context, name, "invite", f"What proved {name} so far is gone.")


def recover(context: typer.Context, name: Who) -> None:
    """On the service's machine: a link for an admin, when no admin can sign in. The audit tells of it."""
    _link(context, name, "recover", f"{name} becomes an admin with this link.")


def after_restore(context: typer.Context, reason: Why, as_json: Json = False) -> None:
    """Once the database was put back from a copy: sessions, tokens, invitations and sealed codes of its time all end.

    Passwords, second factors and roles stay as they were at the time of the copy: look through them, and take away
    again what was taken away since.
    """
    session = session_of(context)
    with Service.of(session.data) as service:
        said = service.post("people/after-restore", {"reason": reason})
    if as_json:
        session.json(said)
        return
    session.line("Ended: " + ", ".join(f"{count} {name}" for name, count in said.items()))
    session.line("Everybody signs in again. Look through who is let in, as it was at the time of the copy:")
    session.line("  bascule people", copied=True)
    session.line("Make tokens of programs and sealed codes anew: bascule tokens make, bascule break-glass seal")


def link(
    context: typer.Context,
    name: Who,
    subject: Annotated[str, typer.Argument(metavar="'ISSUER SUBJECT'", help="At the identity provider; '' unlinks.")],
) -> None:
    """Say who a person is at the identity provider, so that they may sign in through it."""
    _change(context, name, "link", {"subject": subject}, f"{name} is {'linked' if subject else 'not linked any more'}.")


def tokens(
    context: typer.Context,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody's, for who manages people.")] = False,
    as_json: Json = False,
) -> None:
    """Tokens for scripts and programs: whose, what for, how long."""
    if context.invoked_subcommand is not None:
        return
    session = session_of(context)
    with Service.of(session.data) as service:
        found = service.get("tokens", all="true" if everybody else None)["tokens"]
    if as_json:
        session.json(found)
        return
    for one in found:
        roles = ", ".join(_of(role) for role in one["roles"])
        session.line(f"{one['id']}  {one['owner']}  {one_line(one['label'])}  until {moment(one['expires_at'])}")
        session.line(f"  {roles}")
    if not found:
        session.line("There are none.")


def make_token(
    context: typer.Context,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="What it is for.")],
    role: Roles = None,
    program: Annotated[str, typer.Option("--for", metavar="PROGRAM", help="A program instead of yourself.")] = "",
    days: Days = 90,
) -> None:
    """Make a token. It is printed once, and may no more than its owner; it neither approves nor manages."""
    session = session_of(context)
    body: dict[str, Any] = {"label": label, "roles": [_grant(one) for one in role or ["viewer"]], "days": days}
    if program:
        body["owner"] = program
    with Service.of(session.data) as service:
        said = service.post("tokens", body)
    session.note(f"Token {said['id']}, until {moment(said['expires_at'])}. It is not shown again:")
    session.line(said["token"], copied=True)


def revoke_token(
    context: typer.Context, token: Annotated[str, typer.Argument(metavar="ID", help="As `bascule tokens` lists it.")]
) -> None:
    """End a token, at once."""
    session = session_of(context)
    with Service.of(session.data) as service:
        service.delete(f"tokens/{token}")
    session.line(f"Token {token} opens nothing any more.")


def glass(context: typer.Context, as_json: Json = False) -> None:
    """Sealed codes, for the day on which nobody can sign in: whether there are some, and until when."""
    if context.invoked_subcommand is not None:
        return
    session = session_of(context)
    with Service.of(session.data) as service:
        found = service.get("break-glass")
    if as_json:
        session.json(found)
        return
    if found["sealed"] is None:
        session.line("Nothing that opens is sealed. Make codes with: bascule break-glass seal")
    else:
        _tell_codes(session, found["sealed"])
    if found["waiting"] is not None:
        session.line(f"These wait for a second person: bascule break-glass confirm {found['waiting']['bundle']}")
        _tell_codes(session, found["waiting"])


def seal(
    context: typer.Context,
    codes: Annotated[int, typer.Option(help="How many codes are made.")] = 5,
    needed: Annotated[int, typer.Option(help="How many of them open.")] = 3,
    role: Roles = None,
    days: Days = 365,
) -> None:
    """Make new codes, printed once: each belongs into a sealed envelope, with another person. Former ones are void."""
    session = session_of(context)
    body = {"codes": codes, "needed": needed, "days": days, "roles": [_grant(one) for one in role or ["admin"]]}
    with Service.of(session.data) as service:
        said = service.post("break-glass", body)
    session.note(
        f"{needed} of these {codes} codes open {', '.join(role or ['admin'])}, once. They are not shown again:"
    )
    for number, code in enumerate(said["codes"], 1):
        session.line(f"{number}  {code}", copied=True)
    if not said["counts"]:
        session.note("They open nothing until a second person agrees. An approver or admin looks at them with:")
        session.note("  bascule break-glass")


def confirm_glass(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(metavar="ID", help="Of the codes that wait, as `bascule break-glass` says.")],
) -> None:
    """Agree, as a second person, to codes that somebody else sealed. Needs you to be signed in."""
    session = session_of(context)
    with Service.of(session.data) as service:
        service.post("break-glass/confirm", {"bundle": bundle})
    session.line("The codes open from now on; those from before do not.")


def open_glass(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; everybody is told.", show_default=False)],
) -> None:
    """Break the glass: sealed codes, typed one a line, open a session for one hour. Everybody is told."""
    session = session_of(context)
    codes = [line for line in asked("Codes, with spaces between them: ", "BASCULE_CODES_FILE").split() if line]
    with Service.of(session.data) as service:
        said = service.post("sessions/break-glass", {"codes": codes, "reason": reason})
        credential.keep(service.url, session.data, said)
    session.line(f"The glass is broken. You act as {said['name']} until {moment(said['expires_at'])}.")
    session.line("Seal new codes when it is over: bascule break-glass seal")


def _tell_codes(session: Session, found: Mapping[str, Any]) -> None:
    roles = ", ".join(_of(role) for role in found["roles"])
    session.line(f"{counted(found['codes'], 'code')}, {found['needed']} of them open: {roles}")
    session.line(f"  sealed by {clean(found['sealed_by'])} on {moment(found['sealed_at'])}")
    session.line(f"  until {moment(found['expires_at'])}")


def _change(context: typer.Context, name: str, verb: str, body: Mapping[str, Any], done: str) -> None:
    session = session_of(context)
    with Service.of(session.data) as service:
        service.post(f"people/{name}/{verb}", body)
    session.line(done)


def _link(context: typer.Context, name: str, verb: str, done: str) -> None:
    session = session_of(context)
    with Service.of(session.data) as service:
        _tell_link(session, service, service.post(f"people/{name}/{verb}", {}), done)


def _tell_link(session: Session, service: Service, said: Mapping[str, Any], done: str) -> None:
    session.note(done)
    if said["path"]:
        session.note("This link is used once, within a day. Hand it over so that nobody else sees it:")
        session.line(f"{service.url}{said['path']}", copied=True)


def _person(one: Mapping[str, Any]) -> str:
    kind = "program" if one["program"] else ", ".join(one["factors"]) or "not enrolled yet"
    out = "  shut out" if one["disabled"] else ""
    title = f"  {one_line(one['title'])}" if one["title"] else ""
    return f"{one['name']}{title}  ({kind}){out}"


def _of(role: Mapping[str, Any]) -> str:
    return f"{role['role']}:{role['service']}" if role["service"] else str(role["role"])


def _grant(text: str) -> dict[str, str]:
    role, _, service = text.partition(":")
    known: Sequence[str] = ("viewer", "operator", "approver", "author", "auditor", "admin")
    if role not in known:
        raise typer.BadParameter(f"{role} is no role: {', '.join(known)}.", param_hint="ROLE")
    return {"role": role, "service": service}
