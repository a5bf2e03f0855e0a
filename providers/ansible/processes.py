"""How a tree of processes truly ends, on Linux.

Killing ansible-playbook leaves its workers and their ssh clients alive: they
start sessions of their own. So the play runs in a process namespace, the sandbox's
or one of its own, which the kernel ends as a whole; where the kernel grants none (a
locked-down container), the supervisor adopts every orphan below it and ends them one by one.
"""

import ctypes
import functools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from providers.base import ProviderError

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(number: signal.Signals) -> None:
    """Be sent this signal when the thread that started this process ends."""
    _prctl(PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_descendants(patience: float) -> bool:
    """Kill everything below this process; false when something outlives `patience` seconds."""
    end = time.monotonic() + patience
    while alive := _descendants(os.getpid()):
        if time.monotonic() > end:
            return False
        for pid in alive:
            _kill(pid)
        time.sleep(0.005)
    return True


def program(name: str, package: str) -> str:
    """The path of a program. Raises ProviderError that names the Debian package."""
    path = shutil.which(name)
    if path is None:
        raise ProviderError(
            f"Ansible needs the program `{name}`; install the Debian package {package}.", permanent=True
        )
    return path


def namespace_command() -> list[str]:
    """What to put before a command so that it dies with all its children; empty where the kernel refuses."""
    unshare = program("unshare", "util-linux")
    user = [] if os.geteuid() == 0 else ["--user", "--map-current-user"]
    command = (unshare, *user, "--pid", "--fork", "--kill-child", "--")
    return list(command) if _granted(command) else []


@functools.cache
def _granted(command: tuple[str, ...]) -> bool:
    tried = subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return tried.returncode == 0


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _descendants(root: int) -> list[int]:
    """Living processes below `root`, children first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _living_parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, level = [], [root]
    while level:
        level = [child for parent in level for child in children.get(parent, ())]
        found += level
    return found


def _living_parent(entry: Path) -> int | None:
    try:
        state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(parent)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
