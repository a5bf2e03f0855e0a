"""Whether plays can be contained here: found out by containing something, not by reading versions."""

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from providers.ansible.sandbox import View, sandbox

TRY_SECONDS = 20.0
AGAIN_AFTER = 60.0
"""Seconds after which a refusal is tried again: somebody may have mended what was missing."""
PACKAGE = "bubblewrap"


@dataclass(frozen=True, slots=True)
class Containment:
    """`missing`: what is not there, and `remedy`: what to do about it; both empty when plays are contained."""

    bwrap: str
    missing: str = ""
    remedy: str = ""

    @property
    def holds(self) -> bool:
        return not self.missing

    def __str__(self) -> str:
        return "plays are contained" if self.holds else f"plays are not contained: {self.missing}; {self.remedy}"


class Trial:
    """Tries it out once and remembers; what was refused is tried again now and then."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._found: Containment | None = None
        self._at = 0.0

    def __call__(self) -> Containment:
        with self._lock:
            if self._found is None or not (self._found.holds or self._now() < self._at + AGAIN_AFTER):
                self._found, self._at = try_out(), self._now()
            return self._found


containment = Trial()
"""What holds for this process."""

_INSIDE = """\
import os, socket, sys
port, canary = sys.argv[1:]
def refuses(attempt):
    try: attempt()
    except OSError: return True
if os.path.exists(canary): sys.exit("it shows files that it must not show")
if not refuses(lambda: socket.create_connection(("127.0.0.1", int(port)), 1)): sys.exit("it has this machine's network")
if [name for _, name in socket.if_nameindex() if name != "lo"]: sys.exit("it has a network")
if os.getpid() != 2 or os.listdir("/proc"): sys.exit("it shows this machine's processes")
if not refuses(lambda: os.chroot("/")): sys.exit("it keeps capabilities")
if not refuses(lambda: open("/usr/bascule", "w")): sys.exit("it can write to /usr")
if not refuses(lambda: open("/bascule", "w")): sys.exit("it can write to /")
print("contained")
"""
"""Run inside by way of trial; what it says when it ends otherwise is shown to people."""


def try_out() -> Containment:
    """Contain a small program, with all that plays are contained with, and let it look around."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return Containment("", "the program `bwrap` is missing", f"install the Debian package {PACKAGE}")
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, tempfile.TemporaryDirectory(prefix="bascule-trial-") as directory:
        canary, etc = Path(directory, "canary"), Path(directory, "etc")
        canary.touch()
        etc.mkdir()
        look = [sys.executable, "-I", "-S", "-c", _INSIDE, str(listener.getsockname()[1]), str(canary)]
        try:
            done = subprocess.run(
                [*sandbox(bwrap, View(etc)), *look],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TRY_SECONDS,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Containment(bwrap, f"bubblewrap could not be tried ({error})", "try again")
    if done.returncode == 0 and done.stdout == "contained\n":
        return Containment(bwrap)
    said = " ".join((done.stderr.strip().splitlines() or ["it said nothing"])[-1].split())[:200]
    return Containment(
        bwrap,
        f"bubblewrap does not work here ({said})",
        "allow user namespaces to the service (docs/containment.md says how)",
    )
