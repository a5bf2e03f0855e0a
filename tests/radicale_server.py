"""Radicale, a CalDAV server that owes us nothing, on a free port of loopback."""

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.dns_servers import free_port

USER, PASSWORD = "anne", "calendar-password-only-known-here"
START_SECONDS = 30.0
STOP_SECONDS = 5.0


class RadicaleUnavailableError(AssertionError):
    """Radicale cannot run here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Radicale:
    """A running server. `client` is signed in, past the code under test."""

    port: int
    client: httpx.Client
    made: list[str] = field(default_factory=list)

    def calendar(self) -> str:
        """The path of a new, empty calendar."""
        path = f"/{USER}/town-{len(self.made)}/"
        self.client.request("MKCALENDAR", path).raise_for_status()
        self.made.append(path)
        return path

    def put(self, path: str, text: str) -> None:
        headers = {"Content-Type": "text/calendar; charset=utf-8"}
        self.client.put(path, content=text.encode(), headers=headers).raise_for_status()

    def text(self, path: str) -> str:
        return self.client.get(path).raise_for_status().content.decode()

    def all(self, calendar: str) -> dict[str, str]:
        """Each file's name and text."""
        listed = self.client.request("PROPFIND", calendar, headers={"Depth": "1"}).raise_for_status().text
        names = sorted(part.partition("<")[0] for part in listed.split(calendar)[1:] if ".ics" in part[:200])
        return {name: self.text(f"{calendar}{name}") for name in dict.fromkeys(names) if name.endswith(".ics")}


def interpreter() -> str:
    """The Python that has Radicale: this one, or that of the command in the PATH. Raises RadicaleUnavailableError."""
    if importlib.util.find_spec("radicale"):
        return sys.executable
    command = shutil.which("radicale")
    if command is None:
        raise RadicaleUnavailableError("radicale is missing: run `.ci/setup test`, then try again.")
    return str(Path(command).resolve().parent / "python")


@contextmanager
def radicale_server(directory: Path) -> Iterator[Radicale]:
    """Raises RadicaleUnavailableError when it is not installed, or does not start."""
    port, log = free_port(), directory / "radicale.log"
    (directory / "users").write_text(f"{USER}:{PASSWORD}\n")
    (directory / "radicale.conf").write_text(
        f"[server]\nhosts = 127.0.0.1:{port}\n"
        f"[auth]\ntype = htpasswd\nhtpasswd_filename = {directory / 'users'}\nhtpasswd_encryption = plain\ndelay = 0\n"
        f"[storage]\nfilesystem_folder = {directory / 'collections'}\n"
    )
    command = [interpreter(), "-m", "radicale", "--config", str(directory / "radicale.conf")]
    with (
        log.open("wb") as said,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=directory) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=(USER, PASSWORD), timeout=10) as client,
    ):
        try:
            _await(process, client, log)
            yield Radicale(port, client)
        finally:
            _end(process)


def _await(process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            client.get("/.web/")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RadicaleUnavailableError(f"Radicale did not start: {log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
