"""Signing in and out, and who the service takes one for."""

import getpass
import os
from typing import Annotated

import typer

from orchestrator.cli import credential
from orchestrator.cli.client import Service
from orchestrator.cli.exits import CommandError
from orchestrator.cli.session import Json, Session, session_of
from orchestrator.cli.wording import moment

NO_CODE = "Without one, press Enter: you may then only enrol it, on the page."


def login(
    context: typer.Context,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Your name there.", show_default="you")] = "",
    again: Annotated[bool, typer.Option("--again", help="Show your second factor once more.")] = False,
) -> None:
    """Sign in, with password and one-time code; the next commands then act in your name, for twelve hours at most.

    Approvals of drills and live runs need it. Security keys sign in on the page.
    """
    session = session_of(context)
    with _service(session, installation=not again) as service:
        if again:
            service.prove_again()
            session.line("Shown. You may approve and manage for 15 minutes.")
            return
        who = name or credential.this_person()
        password = asked(f"Password of {who}: ", "BASCULE_LOGIN_PASSWORD_FILE")
        code = asked(f"Code of your authenticator app. {NO_CODE} ", "BASCULE_LOGIN_CODE_FILE")
        said = service.post("sessions", {"name": who, "password": password, "code": code.strip()})
        credential.keep(service.url, session.data, said)
    session.line(f"Signed in as {said['name']} until {moment(said['expires_at'])}.")
    if said["proof"] == "password":
        session.line("You have no second factor yet: enrol one on the page, under Account.")


def logout(
    context: typer.Context,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="End all of your sessions.")] = False,
) -> None:
    """Sign out: the session ends at the service, and is forgotten here."""
    session = session_of(context)
    with Service.of(session.data) as service:
        if not service.credential.personal:
            raise CommandError("Nobody is signed in here.")
        service.delete("sessions" if everywhere else "session")
        credential.forget(service.url, session.data)
    session.line("Signed out everywhere." if everywhere else "Signed out.")


def whoami(context: typer.Context, as_json: Json = False) -> None:
    """Who the service takes you for, and what you may do."""
    session = session_of(context)
    with Service.of(session.data) as service:
        said = service.get("session")
    if as_json:
        session.json(said)
        return
    if said["proof"] == "machine":
        session.line("Nobody: this installation's token, which rehearses and looks. Sign in with: bascule login")
        return
    session.line(f"{said['name']}, shown by {said['proof']}")
    for one in said["roles"]:
        session.line(f"  {one['role']}  {one['service'] or 'everything'}")
    if not said["roles"]:
        session.line("  no role yet: an admin gives one (bascule people grant)")


def _service(session: Session, *, installation: bool) -> Service:
    """To sign in, no former session is needed, nor this installation's token where the service is elsewhere."""
    if installation and os.environ.get(credential.URL, "").strip():
        return Service(credential.address_of(session.data), credential.Credential(""), session.data)
    return Service.of(session.data)


def asked(question: str, variable: str) -> str:
    """From the terminal without echo, or from a file that a variable names: never from the command's arguments."""
    file = os.environ.get(variable, "")
    if file:
        try:
            with open(file, encoding="utf-8") as said:  # noqa: PTH123 - it may be a descriptor's path
                return said.read().strip()
        except OSError as error:
            raise CommandError(f"{variable} names {file}, which can't be read ({error.strerror}).") from error
    return getpass.getpass(question)
