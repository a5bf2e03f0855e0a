"""`bascule notify`: what Nagios, Icinga 2, Centreon or Checkmk says of a host, handed to Bascule.

A monitoring core waits for its notification commands. So this one writes the message into a folder and ends; a
process of its own, which the core does not wait for, posts what lies there, and tries again until it is taken.
"""

import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.outbox import KEPT_FOR, Outbox, Way, macros_of
from orchestrator.cli.session import session_of

_STATE_HOME = Path("~/.local/state")


def default_spool(name: str = "notify") -> Path:
    """XDG Base Directory Specification: what outlives the process and is no data of the user's."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else _STATE_HOME.expanduser()) / "bascule" / name


def notify(
    context: typer.Context,
    macros: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE…]", help="Macros, such as HOSTNAME=…; besides those of the environment."),
    ] = None,
    url: Annotated[
        str, typer.Option(envvar="BASCULE_NOTIFY_URL", metavar="URL", help="https://…/webhooks/SOURCE at Bascule.")
    ] = "",
    secret_file: Annotated[
        Path | None,
        typer.Option(envvar="BASCULE_NOTIFY_SECRET_FILE", metavar="FILE", help="A file with the source's secret."),
    ] = None,
    bearer: Annotated[
        bool, typer.Option("--bearer", help="Send the secret as a bearer token instead of signing with it.")
    ] = False,
    ca: Annotated[Path | None, typer.Option(metavar="FILE", help="The authority of the server's certificate.")] = None,
    spool: Annotated[
        Path | None, typer.Option(metavar="DIR", show_default="~/.local/state/bascule/notify", help="Where it waits.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Post here, and say how it ended: to try the connection.")
    ] = False,
) -> None:
    """Tell Bascule what a monitoring core says: for the notification commands of Nagios, Icinga 2, Centreon, Checkmk.

    Reads the macros of the environment (NAGIOS_…, ICINGA_…, NOTIFY_…, or plain names such as HOSTNAME with
    SERVICESTATE) and those given as NAME=VALUE. Writes one message and ends at once; a process of its own posts it,
    and tries again for a day. Exit code: 0 the message is kept, 1 it is not.
    """
    session = session_of(context)
    if not url or secret_file is None:
        raise CommandError("Give --url and --secret-file, or set BASCULE_NOTIFY_URL and …_SECRET_FILE.", Exit.USAGE)
    if not url.startswith(("https://", "http://")):
        raise CommandError("--url begins with https://, or with http:// on loopback.", Exit.USAGE)
    said = macros_of(os.environ, macros or [])
    if "HOSTNAME" not in said:
        message = "No macro names a host: pass HOSTNAME=…, or let the core put its macros into the environment."
        raise CommandError(message, Exit.USAGE)
    body = json.dumps({"id": uuid.uuid4().hex, "at": time.time(), "macros": said}).encode()
    outbox = Outbox(spool or default_spool(), Way(url, secret_file, ca, bearer=bearer))
    outbox.keep(body)
    if wait:
        left = outbox.post_all(until=0.0)
        if left:
            raise CommandError(f"Not taken yet, and kept for the next try: {left}")
        session.line("Taken.")
    else:
        _in_the_background(outbox)


def _in_the_background(outbox: Outbox) -> None:
    """A grandchild in a session of its own posts; the core waits for neither of them."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.closerange(3, 256)
        outbox.post_all(until=time.monotonic() + KEPT_FOR)
    finally:
        os._exit(0)
