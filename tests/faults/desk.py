"""The service as a process that can be killed: Bascule, what a test asks of it, and the boundary where it kills itself.

It is forked from a server that has imported everything already, so a restart
costs a tenth of a second.
"""

import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from orchestrator.app import Bascule, Settings
from orchestrator.operations.request import RequestError

PRELOADED = (
    "orchestrator.app",
    "providers.ansible.play",
    "providers.compute.server",
    "providers.dns.rfc2136",
    "providers.notify",
    "providers.probes.dns",
    "providers.probes.http",
    "providers.probes.smtp",
    "providers.probes.ssh",
    "providers.probes.tcp",
    "providers.storage.copy",
    "providers.storage.verify",
    "tests.faults.desk",
)
ANSWER_SECONDS = 30.0


class Died(Exception):
    """The service is gone; whether it did what was asked is to be found out."""


class Refused(Exception):
    """The service said no."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where the service kills itself: the `nth` time this life that a step passes the boundary of that name.

    `fired` is the file that shows it happened.
    """

    name: str
    step: str
    nth: int
    fired: Path


@dataclass(slots=True)
class _Watch:
    """The engine's boundary in the service: notes what passes, and stops the process with SIGKILL."""

    kill_at: Boundary | None
    passed: list[tuple[str, str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, name: str, run_id: str, step_id: str) -> None:
        with self.lock:
            self.passed.append((run_id, step_id, name))
            seen = Counter(self.passed)[run_id, step_id, name]
            if self.kill_at is not None and (name, step_id, seen) == (
                self.kill_at.name,
                self.kill_at.step,
                self.kill_at.nth,
            ):
                self.kill_at.fired.touch()
                os.kill(os.getpid(), signal.SIGKILL)


class _Desk:
    """What can be asked of the service, by name."""

    def __init__(self, bascule: Bascule, watch: _Watch) -> None:
        self._bascule = bascule
        self._watch = watch

    def kill_at(self, boundary: Boundary | None) -> None:
        with self._watch.lock:
            self._watch.passed.clear()
            self._watch.kill_at = boundary

    def passed(self, run_id: str) -> list[tuple[str, str]]:
        with self._watch.lock:
            return [(step, name) for run, step, name in self._watch.passed if run == run_id]

    def plan(self, service: str, parameters: dict[str, Any]) -> str:
        return self._bascule.plans.make([service], "rehearsal", parameters=parameters).digest

    def start(self, digest: str, key: str) -> str:
        return self._bascule.runs.start(digest, "olga", "crash test", key).run_id

    def approve(self, run_id: str, step: str, person: str) -> None:
        self._bascule.decisions.approve(run_id, step, person)

    def skip(self, run_id: str, step: str, reason: str) -> None:
        self._bascule.decisions.skip(run_id, step, "olga", reason)

    def undo(self, run_id: str) -> None:
        self._bascule.decisions.undo(run_id, "olga", "crash test")


def _serve(settings: Settings, kill_at: Boundary | None, channel: Connection, log: Path) -> None:
    """The child's whole life."""
    with log.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    watch = _Watch(kill_at)
    bascule = Bascule(settings, boundary=watch)
    bascule.start()
    desk = _Desk(bascule, watch)
    channel.send(("started", None))
    while True:
        try:
            name, arguments = channel.recv()
        except EOFError:
            break
        try:
            channel.send(("done", getattr(desk, name)(*arguments)))
        except RequestError as error:
            channel.send(("refused", str(error)))
    bascule.stop()


class ServiceProcess:
    """One life of the service after another, on the same data directory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log = settings.data.parent / "service.log"
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))
        self._life: Any = None
        self._channel: Connection | None = None

    def start(self, kill_at: Boundary | None = None) -> None:
        """A new life. Raises Died when it is over before it began, which recovery at a boundary can bring about."""
        mine, theirs = self._context.Pipe()
        self._life = self._context.Process(target=_serve, args=(self.settings, kill_at, theirs, self.log))
        self._life.start()
        theirs.close()
        self._channel = mine
        self._answer()

    def ask(self, what: str, *arguments: Any) -> Any:
        """Raises Died, Refused."""
        assert self._channel is not None
        try:
            self._channel.send((what, arguments))
        except OSError as error:
            raise Died from error
        return self._answer()

    @property
    def alive(self) -> bool:
        return self._life is not None and self._life.exitcode is None

    def kill(self) -> None:
        self._life.kill()

    def killed(self) -> bool:
        """Wait for the end of this life; whether SIGKILL ended it."""
        self._life.join(ANSWER_SECONDS)
        return bool(self._life.exitcode == -signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator does."""
        if self._channel is not None and self.alive:
            self._channel.close()
            self._life.join(ANSWER_SECONDS)
            assert self._life.exitcode == 0, self.said()

    def said(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])

    def _answer(self) -> Any:
        assert self._channel is not None
        ready: Sequence[Any] = wait([self._channel, self._life.sentinel], ANSWER_SECONDS)
        assert ready, f"the service gave no answer within {ANSWER_SECONDS:g} s:\n{self.said()}"
        try:
            kind, value = self._channel.recv()
        except (EOFError, OSError) as error:
            raise Died from error
        if kind == "refused":
            raise Refused(value)
        return value
