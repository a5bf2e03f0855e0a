"""`bascule probe-agent`: looks from another place, and posts what it saw. Needs neither estate nor service there."""

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.catalogue_files import shipped
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.notify_command import default_spool
from orchestrator.cli.outbox import Outbox, Way
from orchestrator.cli.session import Session, session_of
from orchestrator.domain.agent import Agent, read_agent
from orchestrator.domain.signals.observation import Observation
from providers.core_files import forbid_core_files
from providers.redaction import install_in_logs

if TYPE_CHECKING:
    from orchestrator.engine.workshop import EstateWorkshop
    from orchestrator.operations.looking import Watched

KEPT_FOR = 7 * 86_400.0
"""Seconds that what was seen waits for a Bascule that is away."""
TOGETHER = 500
"""Observations of one message."""
LONGEST_WAIT = 60.0
"""Seconds between two tries to post."""
MOST_FILES = 10_000


def probe_agent(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", dir_okay=False, help="What it looks at and where it posts.")
    ],
    once: Annotated[bool, typer.Option("--once", help="Look once, post, show what was seen, and end.")] = False,
    spool: Annotated[
        Path | None, typer.Option(metavar="DIR", show_default="~/.local/state/bascule/probes", help="Where it waits.")
    ] = None,
) -> None:
    """Look at vendors from another place, and post what is seen to a source of the format `observations`.

    FILE has the block `probes` of bascule.yaml, the scope that it names, and `post` with the source's URL and secret;
    docs/probes.md has one. What Bascule does not take waits on disk for a week. Exit code with --once: 0 all could
    look and all was taken, 1 not.
    """
    session = session_of(context)
    agent = _agent(session, config)
    folder = config.resolve().parent
    ca = folder / agent.post.ca if agent.post.ca else None
    way = Way(agent.post.url, folder / agent.post.secret, ca, standard=True)
    way.secret()  # a secret that is missing is told now, and not after the first hour
    outbox = Outbox(spool or default_spool("probes"), way, KEPT_FOR)
    with TemporaryDirectory(prefix="bascule-probes-") as work:
        workshop, watched = _workshop(agent, folder, Path(work))
        if once:
            _look_once(session, workshop, watched, outbox)
        else:
            _keep_looking(session, workshop, watched, outbox)


def _agent(session: Session, config: Path) -> Agent:
    """Raises CommandError with the first thing that is wrong; all others are told before."""
    try:
        text = config.read_bytes()
    except OSError as error:
        raise CommandError(f"{config} can't be read ({error.strerror}).", Exit.USAGE) from error
    agent, problems = read_agent(text, str(config), _files_in(config.resolve().parent), shipped())
    if agent is None:
        for problem in problems[1:]:
            session.note(str(problem))
        raise CommandError(str(problems[0]))
    for one in agent.advice:
        session.note(str(one))
    return agent


def _files_in(folder: Path) -> frozenset[str]:
    """The files beside the agent's own, such as keys, three folders deep."""
    found: list[str] = []
    for here, folders, names in os.walk(folder):
        if len(Path(here).relative_to(folder).parts) >= 3:
            folders.clear()
        found += [(Path(here) / name).relative_to(folder).as_posix() for name in names]
        if len(found) > MOST_FILES:
            raise CommandError(f"{folder} holds more than {MOST_FILES} files: give the agent a folder of its own.")
    return frozenset(found)


def _workshop(agent: Agent, folder: Path, work: Path) -> "tuple[EstateWorkshop, Watched]":
    from orchestrator.engine.workshop import EstateWorkshop
    from orchestrator.operations.looking import Watched
    from orchestrator.store.secret_files import secrets_of

    scope = agent.scope.model_dump(mode="json", by_alias=True)
    made = EstateWorkshop(lambda *_: scope, lambda _: folder, partial(secrets_of, folder / "secrets"), work)
    return made, Watched("", agent.lookout)


def _look_once(session: Session, workshop: "EstateWorkshop", watched: "Watched", outbox: Outbox) -> None:
    from orchestrator.cli.probe_page import sight_lines
    from orchestrator.operations.looking import look_at_all

    sights = look_at_all(workshop, watched, time.time)
    _keep(outbox, [one.observation for one in sights])
    for line in sight_lines(sights):
        session.line(line, copied=True)
    left = outbox.post_all(until=0.0)
    if left:
        raise CommandError(f"Not taken yet, and kept for the next try: {left}")
    session.line("Posted.")
    blind = any(one.observation.outcome == "unknown" for one in sights)
    raise typer.Exit(Exit.FAILED if blind else Exit.DONE)


def _keep_looking(session: Session, workshop: "EstateWorkshop", watched: "Watched", outbox: Outbox) -> None:
    """Until SIGINT or SIGTERM. Posting never holds up the looks."""
    from orchestrator.operations.looking import Looking

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    install_in_logs()
    forbid_core_files()
    ending, news = threading.Event(), threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()
        news.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)

    def keep(seen: Sequence[Observation]) -> None:
        _keep(outbox, seen)
        news.set()

    looking = Looking(workshop, lambda: watched, keep, time.time)
    session.note(f"Looking with {len(watched.lookout.looks)} sensors, until Ctrl-C.")
    looking.start()
    try:
        _post(session, outbox, ending, news)
    finally:
        looking.stop()
        outbox.post_all(until=0.0)


def _post(session: Session, outbox: Outbox, ending: threading.Event, news: threading.Event) -> None:
    """Post what there is, whenever there is news, and now and then what was not taken; a fault is told once."""
    pause, told = 1.0, ""
    while not ending.is_set():
        news.clear()
        fault = outbox.post_all(until=0.0)
        if fault != told:
            session.note(f"Not taken yet, and kept: {fault}" if fault else "Everything that waited was taken.")
            told = fault
        pause = min(2 * pause, LONGEST_WAIT) if fault else 1.0
        (ending if fault else news).wait(pause if fault else None)


def _keep(outbox: Outbox, seen: Sequence[Observation]) -> None:
    for start in range(0, len(seen), TOGETHER):
        told = [one.as_json() for one in seen[start : start + TOGETHER]]
        outbox.keep(json.dumps({"observations": told}).encode())
