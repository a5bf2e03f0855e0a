"""`bascule demo`: sets everything up in a temporary directory, performs, and takes everything away."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from orchestrator.cli.client import Service
from orchestrator.cli.exits import Exit
from orchestrator.cli.session import Json, Session, session_of


def demo(
    context: typer.Context,
    undo: Annotated[bool, typer.Option("--undo", help="Undo it at the end, and prove that all is as before.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything up until Ctrl-C, to look around.")] = False,
    as_json: Json = False,
) -> None:
    """Fail over a simulated town hall on this machine, from nothing to proof.

    Starts the simulator (the one part that needs root: its servers are network namespaces), a service of its own in a
    temporary directory and the starter estate; shows the plan; runs it, two demo identities answering its hold points
    through the API; and fetches the proof over the wire, before and after. Exit code 0 only when the proof holds.
    With --json the story goes to standard error and the result to standard output.
    """
    # Imported late: the probes of the proof take two seconds to load, which help and completion can do without.
    from orchestrator.cli.demo.house import running_service
    from orchestrator.cli.demo.show import Show
    from orchestrator.cli.demo.town import founded_estate, given_secrets, rehearsal_scope, running_town

    outer = session_of(context)
    out = outer.err if as_json else outer.out
    with _stopped_by_signals(outer), ExitStack() as stack:
        work = stack.enter_context(_workplace(outer))
        session = Session(data=work / "data", out=out, err=outer.err)
        session.line("Starting a small Europe on this machine, and Bascule.")
        town = stack.enter_context(running_town(work / "town", session.line, interactive=_can_ask()))
        session.data.mkdir(mode=0o700)
        estate = founded_estate(town, work / "estate")
        given_secrets(town, session.data)
        service = stack.enter_context(running_service(session.data, estate, work / "service.log"))
        session.line(f"The page, live: {page_link(service, session.data)}", copied=True)
        show = Show(session, service, town, rehearsal_scope(estate))
        holds = show.perform(and_undo=undo)
        if as_json:
            outer.json(show.result)
        _stay(session, service) if keep else _farewell(session, undo=undo)
    raise typer.Exit(Exit.DONE if holds else Exit.FAILED)


def page_link(service: Service, data: Path) -> str:
    """Where the page is; the token opens it."""
    token = (data / "token").read_text(encoding="utf-8").strip()
    return f"{service.url}/?token={token}"


def _farewell(session: Session, *, undo: bool) -> None:
    session.line("Look around while everything is up: bascule demo --keep")
    if not undo:
        session.line("Take it all back at the end, with proof: bascule demo --undo")


def _stay(session: Session, service: Service) -> None:
    session.line()
    session.line("Everything stays up until Ctrl-C. To explore, in another terminal:")
    session.line(f"  {page_link(service, session.data)}", copied=True)
    session.line(f"  export BASCULE_DATA={session.data}")
    for command in ("bascule status", "bascule history", "bascule plan --direction failback mail"):
        session.line(f"  {command}")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


@contextmanager
def _workplace(session: Session) -> Iterator[Path]:
    """A directory for all of it. Its logs are kept when something went wrong, and it says where."""
    work = Path(tempfile.mkdtemp(prefix="bascule-demo-"))
    try:
        yield work
    except Exception:
        _keep_logs(session, work)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if work.exists():
            session.note(f"{work} could not be removed entirely; remove it by hand, as root.")


def _keep_logs(session: Session, work: Path) -> None:
    logs = {"service": work / "service.log", "simulator": next(work.glob("town/*/log"), work)}
    found = {name: path for name, path in logs.items() if path.is_file()}
    if found:
        kept = Path(tempfile.mkdtemp(prefix="bascule-demo-logs-"))
        for name, path in found.items():
            shutil.copy(path, kept / f"{name}.log")
        session.note(f"The logs of the {' and of the '.join(found)} are in {kept}.")


def _can_ask() -> bool:
    """Whether sudo could ask for a password: it does so on the controlling terminal, wherever input comes from."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


@contextmanager
def _stopped_by_signals(session: Session) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the demo with everything taken down; a second one does not cut that short."""
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            session.note("Taking everything down.")
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
