"""The service as a process of its own, for walks through its pages: it can be killed, and it comes back where it was.

Its people sign in as people do, by a password and a one-time code.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyotp

from orchestrator.app import Bascule, Settings
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.factors import password_hash
from orchestrator.store import observations, people
from tests.databases import put_tables
from tests.integration.service_fixture import commit, open_port, until
from tests.people_world import PASSWORD
from tests.unit.signals_readings import HOUR, as_it_is, refused, rounds

SHEET_STEP = "desk-failover/sheet"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PEOPLE = {
    "olga": Role.OPERATOR,
    "anne": Role.APPROVER,
    "bruno": Role.APPROVER,
    "victor": Role.VIEWER,
    "ada": Role.ADMIN,
    "carl": Role.AUDITOR,
}

SHEET = """
estate: trial
title: {fr: Essai, en: Trial}
services:
  desk:
    title: {fr: Guichet, en: Front desk}
    criticality: critical
    vendor: microsoft-365
    target: mailo
    rto: 1h
    rpo: 15m
    failover: desk-failover
scopes:
  rehearsal: {mode: rehearsal, networks: [127.0.0.0/8]}
  drill: {mode: drill, prefix: drill-, networks: [127.0.0.0/8]}
policy:
  proposals:
    microsoft-gone:
      when: {vendor: microsoft-365, verdict: cut, for: 15m}
      propose: [desk]
      scope: drill
      arm: 30m
      approvals: 2
"""

RUNBOOK = """
runbook: desk-failover
service: desk
title: {fr: Bascule du guichet, en: Move the front desk}
steps:
  answers:
    title: {fr: Le guichet répond, en: The front desk answers}
    uses: probe.tcp
    with: {host: 127.0.0.1, port: OPEN}
    expect: 1s
    timeout: 10s
  sheet:
    title: {fr: Prévenir les agents, en: Tell the staff}
    uses: human.task
    with: {instructions: docs/sheet.md}
    needs: [answers]
    expect: 5m
  go:
    title: {fr: Accord pour basculer, en: Go ahead}
    uses: human.approval
    with: {count: 2, instructions: docs/sheet.md}
    needs: [sheet]
    expect: 5m
  moved:
    title: {fr: Le nouveau guichet répond, en: The new desk answers}
    uses: probe.tcp
    with: {host: 127.0.0.1, port: LATER}
    needs: [go]
    expect: 1s
    timeout: 2s
  settle:
    uses: wait.for
    with: {duration: 1s}
    needs: [moved]
"""


@dataclass
class Console:
    """`later`: a port that nobody listens on at first, which a step asks."""

    url: str
    later: int
    _command: list[str]
    _log: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers, 120, lambda: self._log.read_text())

    def kill(self) -> None:
        """As a crash does: SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @contextmanager
    def opened_later(self) -> Iterator[None]:
        """What was missing answers now."""
        with socket.create_server(("127.0.0.1", self.later), backlog=64):
            yield

    def _answers(self) -> bool | None:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False, timeout=2).is_success or None
        except httpx.TransportError:
            return None


def code() -> str:
    return pyotp.TOTP(SECRET).now()


@contextmanager
def console(directory: Path, *, lost: bool = True) -> Iterator[Console]:
    """Not started yet. `lost`: the readings say that the vendor refuses everything."""
    with ExitStack() as stack:
        opened = stack.enter_context(open_port())
        later, port = _free_port(), _free_port()
        runbook = RUNBOOK.replace("OPEN", str(opened)).replace("LATER", str(later))
        files = {"bascule.yaml": SHEET, "runbooks/desk-failover.yaml": runbook, "docs/sheet.md": "# Sheet\n\nTell.\n"}
        commit(directory / "estate", files)
        data = directory / "data"
        put_tables(data)
        _let_in(directory)
        if lost:
            lose_the_vendor(directory)
        command = [sys.executable, "-m", "orchestrator.cli", "--data", str(data), "--estate", str(directory / "estate")]
        made = Console(f"http://127.0.0.1:{port}", later, [*command, "serve", "--port", str(port)], directory / "log")
        stack.callback(made.stop)
        yield made


def lose_the_vendor(directory: Path) -> None:
    """What was asked for two hours answered for the first, and refuses everything since. The service is not running."""
    bascule = _not_started(directory)
    try:
        begun = time.time() - 2 * HOUR
        with bascule.database.write() as conn:
            for one in [*rounds(1, as_it_is, start=begun), *rounds(1, refused, start=begun + HOUR)]:
                observations.add(conn, one, one.at)
    finally:
        bascule.stop()


def _let_in(directory: Path) -> None:
    bascule = _not_started(directory)
    try:
        hashed = password_hash(PASSWORD)
        with bascule.database.write() as conn:
            for name, role in PEOPLE.items():
                people.insert(conn, name, "", "test", 0.0, program=False)
                people.give(conn, name, Grant(role), "test", 0.0, confirmed=True)
                sealed = bascule.people.sign_in._sealing.seal(f"totp:{name}", SECRET)
                people.change(conn, name, password=hashed, totp=sealed)
    finally:
        bascule.stop()


def _not_started(directory: Path) -> Bascule:
    return Bascule(Settings(data=directory / "data", estate_url=str(directory / "estate")))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
