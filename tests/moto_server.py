"""AWS for tests: moto's own server, from its own environment, on a free port of loopback.

    pytest_plugins = ["tests.moto_server"]

gives the fixture `moto` (one server for the session, emptied before each test).
It checks no signatures: any access key will do. Without its environment the
fixture fails and says what to do.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

SERVER = Path(__file__).parent.parent / ".venv-moto/bin/moto_server"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
TRIES = 3
"""Starts, because another process may take the free port first."""


class MotoUnavailableError(AssertionError):
    """moto's server cannot run here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Moto:
    """A running server. Every AWS service answers at the one address, told apart by signature scope and body.

    `log`: a line for every request so far.
    """

    host: str
    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def reset(self) -> None:
        """As new: no buckets, servers or zones."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as client:
            client.post("/moto-api/reset").raise_for_status()


@contextmanager
def running_moto(folder: Path) -> Iterator[Moto]:
    """A server from its first answer to its end, its log in `folder`; raises MotoUnavailableError with the remedy."""
    if not SERVER.exists():
        raise MotoUnavailableError(f"{SERVER} is missing: run `.ci/setup test`, then try again.")
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    process, moto = _started(log)
    try:
        yield moto
    finally:
        _end(process)


def _started(log: Path) -> tuple[subprocess.Popen[bytes], Moto]:
    for _ in range(TRIES):
        port = _free_port()
        command = [str(SERVER), "--host", "127.0.0.1", "--port", str(port)]
        with log.open("ab") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, cwd=log.parent, env=_environment(log)
            )
        moto = Moto("127.0.0.1", port, process.pid, log)
        if _answers(process, moto):
            return process, moto
        _end(process)
    raise MotoUnavailableError(f"moto's server did not answer within {START_SECONDS:g} s: {log.read_text()[-2000:]}")


def _environment(log: Path) -> dict[str, str]:
    """Nothing of this process's AWS settings; what is spooled goes into the test's folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_", "BOTO_"))}
    return kept | {"TMPDIR": str(log.parent)}


def _answers(process: subprocess.Popen[bytes], moto: Moto) -> bool:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(base_url=moto.url, trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                # A foreign server on the port would not know this address.
                if client.get("/moto-api/data.json").is_success and process.poll() is None:
                    return True
            time.sleep(0.05)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """At once: asked to end, it would wait for clients that keep their connections, and nothing of it is kept."""
    process.kill()
    process.wait(STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def moto_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """The session's server, as the tests before left it."""
    with running_moto(tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.fixture
def moto(moto_process: Moto) -> Moto:
    """The session's server, empty."""
    moto_process.reset()
    return moto_process
