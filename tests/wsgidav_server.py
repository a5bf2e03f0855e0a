"""WsgiDAV, a WebDAV server that owes us nothing, over TLS on a free port of loopback."""

import importlib.util
import json
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30.0
STOP_SECONDS = 5.0

PROGRAM = """
import json
import sys
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server
from wsgidav.wsgidav_app import WsgiDAVApp

with open(sys.argv[1]) as file:
    settings = json.load(file)
server = Server(("127.0.0.1", 0), WsgiDAVApp(settings))
server.ssl_adapter = BuiltinSSLAdapter(sys.argv[2], sys.argv[2])
server.prepare()
print("listens on", server.bind_addr[1], flush=True)
server.serve()
"""
"""Its own command does not tell which free port it took."""


class WsgidavUnavailableError(AssertionError):
    """WsgiDAV cannot run here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Wsgidav:
    """A running server. `folder` is what it serves at `/`; what lies in its `closed` can't be changed through it."""

    port: int
    folder: Path


def interpreter() -> str:
    """The Python that has WsgiDAV: this one, or that of the command in the PATH. Raises WsgidavUnavailableError."""
    if importlib.util.find_spec("wsgidav") and importlib.util.find_spec("cheroot"):
        return sys.executable
    command = shutil.which("wsgidav")
    if command is None:
        raise WsgidavUnavailableError("wsgidav is missing: run `.ci/setup test`, then try again.")
    return str(Path(command).parent / "python")


@contextmanager
def wsgidav(directory: Path, pair: Path, user: str, password: str) -> Iterator[Wsgidav]:
    """The server from its first moment to its end. `pair`: its key and certificate."""
    folder = directory / "files"
    (folder / "closed").mkdir(parents=True)
    settings = directory / "wsgidav.json"
    settings.write_text(json.dumps(_settings(folder, user, password)))
    command = [interpreter(), "-c", PROGRAM, str(settings), str(pair)]
    log = directory / "wsgidav.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, cwd=directory
        ) as process,
    ):
        try:
            yield Wsgidav(_port(process, log), folder)
        finally:
            _end(process)


def _settings(folder: Path, user: str, password: str) -> dict[str, object]:
    return {
        "provider_mapping": {"/": {"root": str(folder)}, "/closed": {"root": str(folder / "closed"), "readonly": True}},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "simple_dc": {"user_mapping": {"*": {user: {"password": password}}}},
        "logging": {"enable": False},
        "verbose": 0,
    }


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Where it says that it listens."""
    assert process.stdout is not None
    said, ready = b"", select.select([process.stdout], [], [], START_SECONDS)[0]
    while ready and (line := process.stdout.readline()):
        said += line
        if line.startswith(b"listens on "):
            return int(line.split()[-1])
    raise WsgidavUnavailableError(f"WsgiDAV did not start: {said.decode()} {log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
