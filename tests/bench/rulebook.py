"""From one event to the first action: Bascule beside ansible-rulebook, with the same event and the same play.

    python -m tests.bench.rulebook               20 events each
    python -m tests.bench.rulebook --events 5    fewer

The event is Alertmanager's, the play does nothing but say that its first task runs: it connects to a port of this
benchmark, from one host over SSH. Both programs run all the while and take turns: each event waits for the end of what
the one before began. The first of each kind is left out: it opens what the others find open.

The two do not do the same, and no number stands for the other:

ansible-rulebook   an event that a rule matches runs the playbook. It is kept in memory until then.
Bascule, event     a webhook starts nothing, on purpose: it becomes an observation. Measured to its acknowledgement,
                   when it is on the disk, and to when the API shows it.
Bascule, release   people release a run whose plan is ready; measured from the release of a drill to its first effect
                   outside: the connection of its first step, a probe, and in another run that of the same play.

Between event and release stand the dwell of a verdict (minutes, by policy) and people; they are no part of this.
MiB is the most that the whole program and its children had resident at the end of an event.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue

import httpx
import yaml
from rich.console import Console
from rich.table import Table

from tests.integration.service_fixture import commit, until
from tests.signal_senders import alert, alertmanager
from tests.ssh_host import SshHost, make_host
from tests.webhook_storm import free_port, percentile, serving

RULEBOOK = Path(__file__).parents[2] / ".venv-rulebook" / "bin"
SECRET = "the-secret-of-both"
WITHIN = 60.0
"""Seconds for one action."""
SHEET = """
estate: bench
title: {fr: Mesure, en: Bench}
services:
  look: {title: {fr: Regard, en: Look}, vendor: aws, target: scaleway, failover: look-failover}
  play: {title: {fr: Jeu, en: Play}, vendor: aws, target: scaleway, failover: play-failover}
signals:
  sources:
    bench:
      format: alertmanager
      auth: {bearer: secret://bench}
      trust_domain: own
      map: [{match: {alertname: Bench}, vendor: microsoft-365, aspect: semantic, value: n}]
scopes:
  rehearsal: {mode: rehearsal, networks: [127.0.0.0/8]}
"""
LOOK = """
runbook: look-failover
service: look
title: {fr: Regard, en: Look}
steps:
  first: {uses: probe.tcp, with: {host: 127.0.0.1, port: PORT}}
"""
PLAY = """
runbook: play-failover
service: play
title: {fr: Jeu, en: Play}
steps:
  first: {uses: ansible.play, with: {play: ansible/nothing.yml, hosts: {bench: 127.0.0.1}}}
"""


class Bell:
    """A port that notes when somebody connects."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._rung: Queue[float] = Queue()
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            self._rung.put(time.monotonic())
            connection.close()

    def after(self, begun: float) -> float:
        """Seconds from `begun` to the next connection after it."""
        try:
            while (rung := self._rung.get(timeout=WITHIN)) < begun:
                pass
        except Empty:
            raise SystemExit(f"No action within {WITHIN:g} s.") from None
        return rung - begun

    def play(self) -> str:
        """A play whose one task connects here and changes nothing."""
        task = {"ansible.builtin.raw": f"bash -c ': </dev/tcp/127.0.0.1/{self.port}'", "changed_when": False}
        return yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}])


@dataclass(frozen=True, slots=True)
class Row:
    program: str
    measured: str
    seconds: list[float]
    memory: int


def event(number: int) -> bytes:
    news = alert(fingerprint=f"{number:016x}", annotations={"n": str(number)}, alertname="Bench")
    return json.dumps(alertmanager(news)).encode()


def sent(http: httpx.Client, address: str, number: int) -> float:
    """Post the event; answers when it was sent, once it is acknowledged."""
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    begun = time.monotonic()
    http.post(address, content=event(number), headers=headers).raise_for_status()
    return begun


def memory_of(process: int) -> int:
    """MiB that it and all that it started have resident now."""
    found, left = 0, [process]
    while left:
        one = left.pop()
        try:
            said = Path(f"/proc/{one}/status").read_text()
            children = [path.read_text().split() for path in Path(f"/proc/{one}/task").glob("*/children")]
        except OSError:
            continue  # it ended meanwhile
        found += next((int(line.split()[1]) for line in said.splitlines() if line.startswith("VmRSS")), 0)
        left += [int(child) for some in children for child in some]
    return found // 1024


@contextmanager
def rulebook(directory: Path, host: SshHost, bell: Bell) -> Iterator[tuple[str, int]]:
    """A running ansible-rulebook: where events go, and its process."""
    port = free_port()
    rule = {
        "name": "fires",
        "condition": 'event.payload.status == "firing"',
        "action": {"run_playbook": {"name": "nothing.yml"}},
    }
    source = {"eda.builtin.webhook": {"host": "127.0.0.1", "port": port, "token": SECRET}}
    book = [{"name": "bench", "hosts": "all", "sources": [source], "rules": [rule]}]
    reached = {
        "ansible_host": "127.0.0.1",
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": str(host.directory / "client_key"),
        "ansible_ssh_common_args": f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={directory / 'known_hosts'}",
    }
    project = directory / "project"  # it is copied for each play, so nothing else is in it
    project.mkdir()
    (project / "rulebook.yml").write_text(yaml.safe_dump(book))
    (project / "nothing.yml").write_text(bell.play())
    (project / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {"bench": reached}}}))
    command = [str(RULEBOOK / "ansible-rulebook"), "--rulebook", "rulebook.yml", "--inventory", "inventory.yml"]
    environment = {**os.environ, "PATH": f"{RULEBOOK}:{os.environ['PATH']}", "HOME": str(directory)}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=project, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until(lambda: listens(port), WITHIN, lambda: (directory / "log").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}/bench", process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until_idle(log: Path, plays: int) -> None:
    """The play before has ended: it says its recap."""
    until(lambda: log.read_text(errors="replace").count("PLAY RECAP") >= plays, WITHIN, lambda: "a play does not end")


@contextmanager
def bascule(directory: Path, host: SshHost, bell: Bell) -> Iterator[tuple[str, httpx.Client, int]]:
    """A running `bascule serve`: where events go, its API, and its process."""
    drill = {"mode": "drill", "networks": ["127.0.0.0/8"], **host.scope}
    files = {
        "bascule.yaml": SHEET + f"  drill: {json.dumps(drill)}\n",
        "runbooks/look-failover.yaml": LOOK.replace("PORT", str(bell.port)),
        "runbooks/play-failover.yaml": PLAY,
        "ansible/nothing.yml": bell.play(),
    }
    commit(directory / "estate", files)
    with serving(directory, {"signals/bench": SECRET, "drill/ssh-key": host.key}) as made:
        base = f"http://127.0.0.1:{made.port}"
        headers = {"Authorization": f"Bearer {(directory / 'data' / 'token').read_text()}"}
        with httpx.Client(base_url=base, headers=headers, timeout=WITHIN, trust_env=False) as api:
            yield f"{base}/webhooks/bench", api, made.process.pid


def measure(directory: Path, events: int) -> list[Row]:
    """Both programs run all the while and take turns, so that what else the machine does meets both."""
    for name in ("rulebook", "bascule"):
        (directory / name).mkdir()
    host, bell = make_host(directory / "host"), Bell()
    fired, kept, shown, looked, played = (list[float]() for _ in range(5))
    theirs = ours = 0
    with (
        host.running(),
        httpx.Client(timeout=WITHIN, trust_env=False) as http,
        rulebook(directory / "rulebook", host, bell) as (their_address, their_process),
        bascule(directory / "bascule", host, bell) as (our_address, api, our_process),
    ):
        for number in range(events + 1):
            fired.append(bell.after(sent(http, their_address, number)))
            until_idle(directory / "rulebook" / "log", number + 1)
            theirs = max(theirs, memory_of(their_process))
            begun = sent(http, our_address, number)
            kept.append(time.monotonic() - begun)
            until(partial(visible, api, number), WITHIN, lambda: "the observation is not shown")
            shown.append(time.monotonic() - begun)
            looked.append(released(api, "look", bell))
            played.append(released(api, "play", bell))
            ours = max(ours, memory_of(our_process))
        assert len(api.get("/api/v1/runs", params={"limit": 200}).json()["runs"]) == 2 * events + 2, "an event ran"
    return [
        Row("ansible-rulebook", "event to the play's first task", fired[1:], theirs),
        Row("Bascule", "event to the observation on the disk", kept[1:], ours),
        Row("Bascule", "event to the observation in the API", shown[1:], ours),
        Row("Bascule", "release to the first step's connection", looked[1:], ours),
        Row("Bascule", "release to the same play's first task", played[1:], ours),
    ]


def visible(api: httpx.Client, number: int) -> bool:
    newest = api.get("/api/v1/signals/observations", params={"limit": 1}).json()["observations"]
    return bool(newest) and newest[0]["value"] == number


def released(api: httpx.Client, service: str, bell: Bell) -> float:
    """A drill of this service, released by somebody else: seconds from the release to its first effect."""

    def post(place: str, **said: object) -> str:
        answer = api.post(f"/api/v1/{place}", json=said)
        assert answer.is_success, answer.text
        return str(answer.json().get("digest") or answer.json().get("id"))

    digest = post("plans", services=[service], scope="drill")
    run = post("runs", digest=digest, reason="bench", **{"as": "olga"})
    begun = time.monotonic()
    post(f"runs/{run}/release", digest=digest, **{"as": "anne"})
    seconds = bell.after(begun)

    def ended() -> bool:
        return bool(api.get(f"/api/v1/runs/{run}").json()["run"]["state"] == "succeeded")

    until(ended, WITHIN, lambda: api.get(f"/api/v1/runs/{run}").text)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20, help="events of each kind")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bascule-bench-"))
    try:
        rows = measure(directory, arguments.events)
    finally:
        shutil.rmtree(directory)
    Console(width=110).print(_table(rows, arguments.events))


def _table(rows: list[Row], events: int) -> Table:
    table = Table(title=f"{events} events, one after another; milliseconds")
    for column in ("program", "measured", "median", "p95", "worst", "MiB"):
        table.add_column(column, justify="left" if column in ("program", "measured") else "right")
    for row in rows:
        times = (statistics.median(row.seconds), percentile(row.seconds, 0.95), max(row.seconds))
        table.add_row(row.program, row.measured, *(f"{1000 * one:.1f}" for one in times), str(row.memory))
    return table


if __name__ == "__main__":
    main()
