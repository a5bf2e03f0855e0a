"""One simulator for the test session, as its own root process on addresses nobody else uses.

    pytest_plugins = ["tests.simulator_fixture"]

gives the fixtures `simulator` (as the tests before left it) and `fresh_simulator`
(back to its seed). Without root or a Debian package they fail and say what to do.
"""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

INDICES = range(100, 200)
START_SECONDS = 15.0
STOP_SECONDS = 15.0
IMAGE_SECONDS = 600.0
ROOT = Path(__file__).parent.parent


class SimulatorUnavailableError(AssertionError):
    """The simulator cannot run here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator and its control API.

    `addresses` names every listener: control, scaleway, outscale, ovhcloud, openstack, dns, ovh-dns,
    scaleway-dns, gandi-dns, s3-source, s3-target, s3-target-for-servers, smtp-old, smtp-new, smtp-crisis,
    portal-old, identity-old.
    """

    index: int
    data: Path
    pid: int
    addresses: dict[str, str]
    project: str
    organization: str
    zone: str

    def service(self, host: int) -> str:
        """The loopback address 127.77.index.host."""
        return f"127.77.{self.index}.{host}"

    def server(self, host: int) -> str:
        """The address of a created server, 198.18.index.host."""
        return f"198.18.{self.index}.{host}"

    def secret(self, name: str) -> str:
        """One credential by its name, such as `scaleway-token`."""
        return (self.data / "secrets" / name).read_text()

    def state(self) -> dict[str, Any]:
        """Everything there is, comparable for equality."""
        return self._ask("GET", "/state")

    def effects(self, action: str | None = None) -> list[dict[str, Any]]:
        """The writes since the last reset, all or those of one action such as `server.create`."""
        found: list[dict[str, Any]] = self._ask("GET", "/effects")["effects"]
        return [effect for effect in found if action in (None, effect["action"])]

    def stock(self, **left: dict[str, int]) -> None:
        """How many servers of which size a cloud still has; sizes that are not named never run out."""
        self._ask("PUT", "/stock", left)

    def messages(self) -> dict[str, list[dict[str, Any]]]:
        """Accepted mail by listener, with its text."""
        return self._ask("GET", "/mailboxes")

    def faults(self, *rules: dict[str, Any]) -> None:
        """Puts these rules in force instead of all others; none clears them."""
        self._ask("PUT", "/faults", {"faults": list(rules)})

    def faults_left(self) -> list[dict[str, Any]]:
        """The rules in force, with what is left of their `times`."""
        found: list[dict[str, Any]] = self._ask("GET", "/faults")["faults"]
        return found

    def conditions(self, **products: str) -> None:
        """Put these products in these conditions (`apt-mirror` is written `apt_mirror`); the others stay."""
        self._ask("PUT", "/conditions", {name.replace("_", "-"): condition for name, condition in products.items()})

    def reset(self) -> None:
        """Back to the seed: no servers, no effects, no faults."""
        self._ask("POST", "/reset")

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        with httpx.Client(base_url=self.addresses["control"], trust_env=False, timeout=30) as client:
            answer = client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def free_index() -> Iterator[int]:
    """An index that no other test process uses, held until the end."""
    for index in INDICES:
        with (Path(tempfile.gettempdir()) / f"bascule-test-index-{index}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield index
            return
    raise SimulatorUnavailableError(
        f"All simulator indices of {INDICES} are in use: end other test runs, then try again."
    )


@contextmanager
def running_simulator(index: int, data: Path) -> Iterator[Simulator]:
    """A simulator from its ready file to its end; raises SimulatorUnavailableError with the remedy."""
    if os.geteuid() != 0:
        raise SimulatorUnavailableError(
            "These tests start real servers in network namespaces: run them as root (sudo)."
        )
    _make_image()
    log = data / "log"
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "providers.simulator", "--index", str(index), "--data", str(data)]
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    try:
        yield _when_ready(process, data, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            raise AssertionError(f"the simulator did not stop within {STOP_SECONDS:g} s") from None


@cache
def _make_image() -> None:
    command = [sys.executable, "-m", "providers.simulator", "--build-image"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=IMAGE_SECONDS, check=False)
    if done.returncode != 0:
        raise SimulatorUnavailableError(done.stderr)


def _when_ready(process: subprocess.Popen[bytes], data: Path, log: Path) -> Simulator:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if (data / "ready").exists():
            facts = json.loads((data / "ready").read_text())
            if facts["pid"] == process.pid:
                cloud = facts["scaleway"]
                where = facts["addresses"]
                return Simulator(
                    facts["index"], data, process.pid, where, cloud["project"], cloud["organization"], cloud["zone"]
                )
        time.sleep(0.01)
    raise SimulatorUnavailableError(f"The simulator was not ready within {START_SECONDS:g} s: {log.read_text()}")


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The session's simulator, as the tests before left it."""
    with free_index() as index, running_simulator(index, tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture
def fresh_simulator(simulator: Simulator) -> Simulator:
    """The session's simulator, back to its seed."""
    simulator.reset()
    return simulator
