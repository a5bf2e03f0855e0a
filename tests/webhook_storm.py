"""A storm of webhooks at a real `bascule serve`, killed in the middle, and counted on both sides.

Each delivery is news of its own: its number is the value of the observation that it becomes, so that what was stored
can be compared with what was acknowledged, one by one. A delivery that was not acknowledged is sent again, as
Alertmanager does.
"""

import http.client
import itertools
import json
import math
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.web.server import listen
from tests.integration.service_fixture import ESTATE, commit, estate_files, until
from tests.signal_senders import alert, alertmanager

SECRET = "the secret of the storm"
SIGNALS = """
signals:
  sources:
    storm:
      format: alertmanager
      auth: {bearer: secret://storm}
      trust_domain: own
      map: [{match: {alertname: Storm}, vendor: microsoft-365, aspect: semantic, value: n}]
"""
SENDERS = 24
"""Connections side by side: what one slow commit keeps waiting."""
TRIES_FOR = 60.0
"""Seconds that a delivery is sent again before the storm counts it as refused."""
LOOK_EVERY = 0.5
"""Seconds between two looks at the page."""
_TICK = os.sysconf("SC_CLK_TCK")


def percentile(found: Sequence[float], share: float) -> float:
    """What this share of the values does not exceed, by the nearest rank."""
    ordered = sorted(found)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


@dataclass
class Tally:
    """What the senders saw: numbers that were acknowledged, answers by status, and how long answers took."""

    acknowledged: set[int] = field(default_factory=set)
    given_up: set[int] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    late: float = 0.0
    """Seconds that the latest delivery left after its time: the senders kept up when it is small."""

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the acknowledged were answered at their last try."""
        return percentile(self.seconds, share) * 1000 if self.seconds else 0.0


def storm(port: int, path: str, rate: float, seconds: float) -> Tally:
    """Send `rate` deliveries a second, each at its own time, whatever became of the ones before."""
    tally, lock, numbers = Tally(), threading.Lock(), itertools.count()
    begun, last = time.monotonic(), int(rate * seconds)

    def send_some() -> None:
        sender = _Sender(port, path)
        while (number := next(numbers)) < last:
            wait = begun + number / rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            status, took = sender.deliver(number)
            with lock:
                tally.late = max(tally.late, -wait)
                tally.statuses.update(status)
                if took is None:
                    tally.given_up.add(number)
                else:
                    tally.acknowledged.add(number)
                    tally.seconds.append(took)
        sender.close()

    threads = [threading.Thread(target=send_some) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


class _Sender:
    """One connection, opened anew when it broke."""

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self._http: http.client.HTTPConnection | None = None

    def deliver(self, number: int) -> tuple[list[int], float | None]:
        """Statuses of all tries (0: no answer), and the seconds of the one that was acknowledged."""
        news = alert(fingerprint=f"{number:016x}", annotations={"n": str(number)}, alertname="Storm", team="m365")
        body = json.dumps(alertmanager(news)).encode()
        headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
        statuses: list[int] = []
        until_then = time.monotonic() + TRIES_FOR
        while time.monotonic() < until_then:
            begun = time.monotonic()
            statuses.append(self._try(body, headers))
            if 200 <= statuses[-1] < 300:
                return statuses, time.monotonic() - begun
            threading.Event().wait(0.1)
        return statuses, None

    def _try(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            self._http = self._http or http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            self._http.request("POST", self._path, body, headers)
            response = self._http.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return 0
        return response.status

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
        self._http = None


@dataclass
class Served:
    """A server as a process of its own, on one port for all of its lives."""

    command: Sequence[str]
    directory: Path
    port: int
    process: "subprocess.Popen[bytes]"
    cpu: float = 0.0
    """Seconds of processor time of its earlier lives."""
    most: int = 0
    """The most that an earlier life had resident, in MiB."""

    def kill(self) -> None:
        """kill -9, in the middle of whatever it does."""
        self.cpu += self._used()
        self.most = self.memory()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def start_again(self) -> None:
        self.process = _started(self.command, self.directory)
        wait_for(self.port)

    def stop(self) -> None:
        self.cpu += self._used()
        self.process.terminate()
        self.process.wait(timeout=30)

    def memory(self) -> int:
        """The most that any of its lives had resident, in MiB."""
        said = Path(f"/proc/{self.process.pid}/status").read_text()
        now = next(int(line.split()[1]) // 1024 for line in said.splitlines() if line.startswith("VmHWM"))
        return max(now, self.most)

    def _used(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK


def _started(command: Sequence[str], directory: Path) -> "subprocess.Popen[bytes]":
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def wait_for(port: int) -> None:
    def answers() -> bool:
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=2).request("GET", "/healthz")
        except OSError:
            return False
        return True

    until(answers, 60, lambda: f"nothing answers on port {port}")


def free_port() -> int:
    listener = listen("127.0.0.1", 0)
    port: int = listener.getsockname()[1]
    listener.close()
    return port


@contextmanager
def served(directory: Path, command: Sequence[str], port: int) -> Iterator[Served]:
    made = Served(command, directory, port, _started(command, directory))
    try:
        wait_for(port)
        yield made
    finally:
        made.process.kill()
        made.process.wait()


@contextmanager
def bascule(directory: Path) -> Iterator[Served]:
    """`bascule serve` with an estate whose one source is the storm."""
    commit(directory / "estate", {**estate_files(9), "bascule.yaml": ESTATE + SIGNALS})
    with serving(directory, {"signals/storm": SECRET}) as made:
        yield made


@contextmanager
def serving(directory: Path, secrets: Mapping[str, str]) -> Iterator[Served]:
    """`bascule serve` with the estate in `directory`; secrets by their place under `secrets`."""
    data, port = directory / "data", free_port()
    for name, value in secrets.items():
        secret = data / "secrets" / name
        secret.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret.write_text(value)
        secret.chmod(0o600)
    command = [sys.executable, "-m", "orchestrator.cli", "--data", str(data), "--estate", str(directory / "estate")]
    with served(directory, [*command, "serve", "--port", str(port)], port) as made:
        yield made


class PageWatch:
    """Looks at the page now and then while a storm goes on, as somebody would."""

    def __init__(self, made: Served) -> None:
        self._port = made.port
        self._token = (made.directory / "data" / "token").read_text()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.seconds: list[float] = []
        self.failed = 0

    def __enter__(self) -> "PageWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) if self.seconds else float("inf")

    @property
    def p95(self) -> float:
        """Seconds within which 95 of 100 looks that were answered were."""
        return percentile(self.seconds, 0.95) if self.seconds else float("inf")

    def _look(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            begun = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            try:
                connection.request("GET", "/", headers={"Authorization": f"Bearer {self._token}"})
                response = connection.getresponse()
                response.read()
                good = response.status == 200
            except OSError:
                good = False
            finally:
                connection.close()
            if good:
                self.seconds.append(time.monotonic() - begun)
            else:
                self.failed += 1


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database of a stopped service holds: numbers of observations, deliveries, repetitions of them."""

    numbers: list[int]
    deliveries: int
    repeats: int
    runs: int


def stored(directory: Path) -> Stored:
    def asked(query: str) -> Any:
        return connection.execute(query).fetchall()

    connection = sqlite3.connect(f"file:{directory / 'data' / 'bascule.db'}?mode=ro", uri=True)
    try:
        numbers = [int(value) for (value,) in asked("SELECT value FROM observations WHERE source = 'storm'")]
        [(deliveries, repeats)] = asked("SELECT count(*), coalesce(sum(repeats), 0) FROM deliveries")
        [(runs,)] = asked("SELECT count(*) FROM runs")
    finally:
        connection.close()
    return Stored(numbers, deliveries, repeats, runs)


def storm_with_a_kill(made: Served, rate: float, seconds: float) -> tuple[Tally, PageWatch]:
    """The storm; kill -9 in the middle of it, and a start right after."""

    def kill() -> None:
        made.kill()
        made.start_again()

    killer = threading.Timer(seconds / 2, kill)
    with PageWatch(made) as page:
        killer.start()
        tally = storm(made.port, "/webhooks/storm", rate, seconds)
        killer.join()
    return tally, page
