"""A real service on a free loopback port: SQLite or PostgreSQL, an estate of its own in Git, DBOS, uvicorn.

Its runbook needs no simulator: people, time, and a port that the test listens on.
"""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from orchestrator.app import Bascule, Settings
from orchestrator.domain.journal import fold
from orchestrator.domain.people.actor import Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.engine.progress import Clock
from orchestrator.store import runs
from orchestrator.web.edge.limits import Rate, Rates
from orchestrator.web.edge.listening import Listening
from orchestrator.web.server import Server, listen
from tests.audit_whole import assert_audit_whole
from tests.databases import put_tables
from tests.known_people import signed_in

PLENTY = Rate(1_000_000)
UNLIMITED = Listening(rates=Rates(failed=PLENTY, asked=PLENTY, costly=PLENTY))
"""A test asks more often in a minute than anybody does."""

ESTATE = """
estate: trial
title: {fr: Essai, en: Trial}
services:
  desk:
    title: {fr: Guichet, en: Front desk}
    criticality: critical
    vendor: aws
    target: scaleway
    failover: desk-failover
  phone:
    title: {fr: Standard, en: Switchboard}
    needs: [desk]
    vendor: microsoft-365
    target: mailo
    failover: phone-failover
scopes:
  rehearsal: {mode: rehearsal, networks: [127.0.0.0/8]}
  drill: {mode: drill, prefix: drill-, networks: [127.0.0.0/8]}
  live: {mode: live, networks: [127.0.0.0/8]}
"""

DESK = """
runbook: desk-failover
service: desk
title: {fr: Bascule du guichet, en: Move the front desk}
parameters:
  port: {type: integer, default: PORT, description: {fr: Port, en: Port}}
steps:
  answers:
    title: {fr: Le guichet répond, en: The front desk answers}
    uses: probe.tcp
    with: {host: 127.0.0.1, port: "${{ parameters.port }}"}
    expect: 1s
    timeout: 10s
  breathe:
    uses: wait.for
    with: {duration: 300ms}
    needs: [answers]
  sheet:
    uses: human.task
    with: {instructions: docs/sheet.md}
    needs: [breathe]
    expect: 5m
  go:
    title: {fr: Accord pour basculer, en: Go ahead}
    uses: human.approval
    with: {count: 2, instructions: docs/sheet.md}
    needs: [sheet]
    expect: 5m
  check:
    uses: probe.tcp
    with: {host: 127.0.0.1, port: "${{ parameters.port }}"}
    needs: [go]
    expect: 1s
    timeout: 10s
"""

PHONE = """
runbook: phone-failover
service: phone
title: {fr: Bascule du standard, en: Move the switchboard}
parameters:
  port: {type: integer, default: PORT, description: {fr: Port, en: Port}}
steps:
  rings:
    uses: probe.tcp
    with: {host: 127.0.0.1, port: "${{ parameters.port }}"}
    expect: 1s
    timeout: 10s
"""


def estate_files(port: int) -> dict[str, str]:
    return {
        "bascule.yaml": ESTATE,
        "runbooks/desk-failover.yaml": DESK.replace("PORT", str(port)),
        "runbooks/phone-failover.yaml": PHONE.replace("PORT", str(port)),
        "docs/sheet.md": "# Sheet\n\nTell the front desk.\n",
    }


@contextmanager
def open_port() -> Iterator[int]:
    """A port on loopback that accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port: int = listener.getsockname()[1]
        yield port


def commit(directory: Path, files: Mapping[str, str]) -> str:
    """Write the files into the repository and commit them; answers the commit."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if not (directory / ".git").exists():
        _git(directory, "init", "--quiet", "--initial-branch=main")
    _git(directory, "add", "--all")
    _git(directory, "-c", "user.name=author", "-c", "user.email=author@trial.example", "commit", "--quiet", "-m", "x")
    return _git(directory, "rev-parse", "HEAD").strip()


def _git(directory: Path, *arguments: str) -> str:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", *arguments]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=True).stdout


@dataclass
class RunningService:
    """The service, and an HTTP client that knows its token."""

    bascule: Bascule
    url: str
    http: httpx.Client
    estate: Path
    listening_port: int
    server: Server
    people: dict[str, httpx.Client] = field(default_factory=dict)

    def plan(self, *services: str, scope: str = "rehearsal", **parameters: Any) -> dict[str, Any]:
        order = {"services": list(services), "scope": scope, "parameters": parameters}
        response = self.http.post("/api/v1/plans", json=order)
        assert response.status_code == 200, response.text
        made: dict[str, Any] = response.json()
        return made

    def start(self, digest: str, by: str = "olga") -> str:
        response = self.http.post("/api/v1/runs", json={"digest": digest, "as": by, "reason": "test"})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        response = self.http.get(f"/api/v1/runs/{run_id}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def decide(self, run_id: str, verb: str, by: str, step: str = "", **more: Any) -> httpx.Response:
        place = f"/api/v1/runs/{run_id}" + (f"/steps/{step}" if step else "")
        return self.http.post(f"{place}/{verb}", json={"as": by, **more})

    def person(self, name: str, *roles: Grant | Role, proof: Proof = Proof.TOTP) -> httpx.Client:
        """Somebody who is signed in, and whose further roles come on top of those that they have."""
        client = signed_in(self.bascule, self.url, name, roles, proof)
        self.people[name] = client
        return client

    def decides(self, run_id: str, verb: str, name: str, step: str = "", **more: Any) -> httpx.Response:
        """As somebody who was signed in by `person`."""
        place = f"/api/v1/runs/{run_id}" + (f"/steps/{step}" if step else "")
        return self.people[name].post(f"{place}/{verb}", json=more)

    def wait(self, run_id: str, state: str, step: str = "", within: float = 20.0) -> dict[str, Any]:
        """The run once it, or its step, is in this state."""

        def there() -> dict[str, Any] | None:
            found = self.run(run_id)
            views = {one["id"]: one for one in found["steps"]}
            return found if (views[step] if step else found["run"])["state"] == state else None

        return until(there, within, lambda: f"{step or run_id} is not {state}: {self.run(run_id)['run']}")

    def finish(self, run_id: str) -> dict[str, Any]:
        """Answer every hold point of a desk run and wait for its end."""
        self.wait(run_id, "waiting", "desk-failover/sheet")
        assert self.decide(run_id, "approve", "paul", "desk-failover/sheet").status_code == 200
        self.wait(run_id, "waiting", "desk-failover/go")
        for person in ("anne", "bruno"):
            assert self.decide(run_id, "approve", person, "desk-failover/go").status_code == 200
        return self.wait(run_id, "succeeded")

    def check_fold(self, run_id: str) -> None:
        """Invariant: the rows are the fold of the journal."""
        with self.bascule.database.read() as conn:
            run, views = fold(runs.graph_of(conn, run_id), runs.list_events(conn, run_id))
            assert views == runs.views_of(conn, run_id)
            row = runs.get_run(conn, run_id)
        assert (run.state.value, run.paused, run.remaining) == (row.state, row.paused, row.remaining)
        assert_audit_whole(self.bascule.database)


Found = TypeVar("Found")


def until(there: Callable[[], Found | None], within: float, otherwise: Callable[[], str]) -> Found:
    """What `there` answers once it is something, looked for until the deadline."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while True:
        found = there()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(otherwise())
        pause.wait(0.05)


@contextmanager
def running_service(
    directory: Path,
    database_url: str = "",
    more: str = "",
    clock: Clock = time.time,
    witness_dir: Path | None = None,
    where: Listening = UNLIMITED,
) -> Iterator[RunningService]:
    """`more`: blocks that the estate's sheet has besides. The client asks where the command line does."""
    estate = directory / "estate"
    with open_port() as port:
        commit(estate, {**estate_files(port), "bascule.yaml": ESTATE + more})
        settings = Settings(
            data=directory / "data",
            estate_url=str(estate),
            database_url=database_url,
            witness_dir=witness_dir,
            tls_cert=where.tls.certificate if where.tls is not None else None,
        )
        put_tables(settings.data)
        bascule = Bascule(settings, clock=clock)
        bascule.start()
        try:
            with serving(bascule, where) as server:
                url = server.local_url
                headers = {"Authorization": f"Bearer {bascule.token}"}
                with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
                    service = RunningService(bascule, url, http, estate, port, server)
                    yield service
                    for client in service.people.values():
                        client.close()
        finally:
            bascule.stop()


@contextmanager
def answering(bascule: Bascule, port: int = 0, where: Listening = UNLIMITED) -> Iterator[str]:
    """The service's own web server, in a thread; answers its address."""
    with serving(bascule, where, port) as server:
        yield server.url


@contextmanager
def serving(bascule: Bascule, where: Listening = UNLIMITED, port: int = 0) -> Iterator[Server]:
    """The same, as the server itself. Certificates are looked at every 50 ms."""
    listener = listen(where.host, port)
    server = Server(bascule, listener, where, look_every=0.05)
    thread = threading.Thread(target=server.serve_until_stopped, name="web")
    thread.start()
    try:
        until(lambda: server.started or None, 10, lambda: "the web server does not start")
        yield server
    finally:
        server.stop()
        thread.join(timeout=20)
        listener.close()
        assert not thread.is_alive(), "the web server does not stop"


@dataclass(frozen=True)
class Message:
    """One server-sent event."""

    id: tuple[int, int]
    name: str
    data: Any


@contextmanager
def listening(service: RunningService, run_id: str, last: tuple[int, int] | None = None) -> Iterator[Iterator[Message]]:
    """The run's live events after `last`, one by one."""
    headers = {"Last-Event-ID": f"{last[0]}.{last[1]}"} if last else {}
    with service.http.stream("GET", f"/api/v1/runs/{run_id}/stream", headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _messages(response.iter_lines())


def _messages(lines: Iterator[str]) -> Iterator[Message]:
    """WHATWG HTML §9.2.6, as far as the service uses it."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            event, _, log = fields.get("id", "0.0").partition(".")
            yield Message((int(event), int(log)), fields["event"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}
