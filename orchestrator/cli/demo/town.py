"""The simulated town: the simulator as a root process, and the starter estate in a Git repository of its own."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.cli.demo.children import Child, ChildError, python_path
from orchestrator.cli.exits import CommandError

INDICES = range(100)
"""Where a demo looks for a free simulator; the tests use those from 100 on."""
LOCKS = Path("/run")
READY_WITHIN = 900.0
"""Seconds: the first start on a machine builds the servers' system."""

_CHECKOUT = Path(__file__).resolve().parents[3] / "playbooks"
STARTER = _CHECKOUT if _CHECKOUT.exists() else Path(sys.prefix) / "share" / "bascule" / "playbooks"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Town:
    """A running simulator: its number, its directory, and each listener's address by name."""

    index: int
    data: Path
    addresses: dict[str, str]


@contextmanager
def running_town(data: Path, tell: Tell, interactive: bool) -> Iterator[Town]:
    """A simulator of the first free index, until the end of the context. Raises CommandError with the remedy."""
    before = privilege(tell, interactive=interactive)
    for index in INDICES:
        if _taken(index, unsure=False):
            continue
        with ExitStack() as stack:
            try:
                town = _start(stack, index, data / str(index), before, tell)
            except ChildError as error:
                if _taken(index, unsure=True):
                    continue
                raise CommandError(f"The simulator did not start: {error.message}") from error
            yield town
            return
    raise CommandError("All simulator numbers below 100 are in use: end another demo, then try again.")


def privilege(tell: Tell, *, interactive: bool) -> list[str]:
    """What to put before a command that needs root: nothing, or sudo. Raises CommandError with the remedy."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        raise CommandError(
            "The demo's servers are network namespaces, which only root can make, and sudo is not installed: "
            "run `bascule demo` as root."
        )
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        return ["sudo", "-n"]
    if not interactive:
        raise CommandError(
            "The demo's servers are network namespaces, which only root can make; sudo wants a password and there "
            "is no terminal to ask on. Run it in a terminal, or as root."
        )
    tell(
        "The simulator's servers are network namespaces, each with its own root and SSH service, and only root can "
        "make those: sudo asks for your password, for this one process. Nothing else of the demo runs as root."
    )
    return ["sudo"]


def _taken(index: int, *, unsure: bool) -> bool:
    """Whether a simulator holds this index: each locks its file while it runs. `unsure`: the answer if unreadable."""
    try:
        with (LOCKS / f"bascule-simulator-{index}.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except PermissionError:
        return unsure
    return False


def _start(stack: ExitStack, index: int, data: Path, before: list[str], tell: Tell) -> Town:
    data.mkdir(parents=True)
    path = python_path()
    # sudo drops the environment: what the child needs is set after it.
    command = ["env", f"PYTHONPATH={path['PYTHONPATH']}", sys.executable, "-m", "providers.simulator"]
    child = Child([*command, "--index", str(index), "--data", str(data)], data / "log", before=before)
    stack.enter_context(child)
    said = ""

    def between() -> None:
        nonlocal said
        line = child.last_line()
        if line and line != said and "://" not in line:
            tell(f"  {line}")
        said = line
        time.sleep(0.1)

    ready = data / "ready"
    child.wait_until(ready.exists, READY_WITHIN, between)
    facts: dict[str, Any] = json.loads(ready.read_text(encoding="utf-8"))
    return Town(index, data, facts["addresses"])


def founded_estate(town: Town, folder: Path) -> Path:
    """The starter estate with this town's addresses, committed in a new repository."""
    if not STARTER.is_dir():
        raise CommandError(f"The starter estate is missing: {STARTER}. Install Bascule again, or use its checkout.")
    shutil.copytree(STARTER, folder)
    for path in folder.rglob("*"):
        if path.is_file() and town.index:
            text = path.read_bytes()
            moved = text.replace(b"127.77.0.", f"127.77.{town.index}.".encode())
            path.write_bytes(moved.replace(b"198.18.0.", f"198.18.{town.index}.".encode()))
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message=Valbourg")
    return folder


def given_secrets(town: Town, data: Path) -> None:
    """The town's credentials, put where the service looks for those of the scope `rehearsal`."""
    target = data / "secrets" / "rehearsal"
    target.mkdir(parents=True, mode=0o700)
    for path in sorted((town.data / "secrets").iterdir()):
        handle = os.open(target / path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(path.read_bytes())


def rehearsal_scope(estate: Path) -> dict[str, Any]:
    """The scope's block of bascule.yaml, as the probes of the proof are given it."""
    sheet = yaml.safe_load((estate / "bascule.yaml").read_text(encoding="utf-8"))
    scope: dict[str, Any] = sheet["scopes"]["rehearsal"]
    return scope


def _git(folder: Path, *arguments: str) -> None:
    person = ["-c", "user.name=Bascule demo", "-c", "user.email=demo@valbourg.example", "-c", "commit.gpgsign=false"]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *person, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError("git is not installed: an estate is a Git repository; install the package git.") from error
    if done.returncode:
        raise CommandError(f"The demo's estate could not be committed: {done.stderr.strip()}")
