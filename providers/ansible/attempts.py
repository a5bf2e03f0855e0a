"""The attempts at one play, in the step's workspace: which began, which ended, and how.

    fence               locked while any process of an attempt lives
    attempts/0001/      one directory per attempt, its number never used again
        started.json    written before anything runs
        output.log      what people were told, secrets masked
        verdict.json    written when the play has ended: the proof
        retired.json    the proof was taken back by an undo

The latest attempt speaks for the step.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from providers.ansible.records import read_record, sync_directory, write_record
from providers.ansible.verdict import Verdict

PRIVATE_PREFIX = "bascule-play-"
"""How the volatile directory of an attempt is named, on a file system in memory."""
POLL = 0.02
"""Seconds between two looks at a fence that another holds."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at the play."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def verdict(self) -> Verdict | None:
        """How it ended; None when it never did, or when the proof was taken back."""
        data = read_record(self.path / "verdict.json")
        return None if data is None or self.retired() else Verdict.from_json(data)

    def retired(self) -> bool:
        return (self.path / "retired.json").exists()

    def conclude(self, verdict: Verdict) -> None:
        write_record(self.path / "verdict.json", verdict.as_json())

    def retire(self) -> None:
        """Take the proof back: the next apply runs the play anew."""
        write_record(self.path / "retired.json", {})

    def last_task(self) -> str:
        """The task that was reported last; empty when none began."""
        try:
            lines = (self.path / "output.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return next((line.removeprefix("task ") for line in reversed(lines) if line.startswith("task ")), "")


class Attempts:
    """All attempts of one step. Reading creates nothing."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._directory = workspace / "attempts"

    def latest(self) -> Attempt | None:
        found = self._all()
        return found[-1] if found else None

    def named(self, name: str) -> Attempt | None:
        return next((attempt for attempt in self._all() if attempt.name == name), None)

    def start(self, private: Path) -> Attempt:
        """Begin a new attempt, durably, and clear what interrupted ones left in memory. Needs the fence."""
        for attempt in self._all():
            _sweep(attempt)
        latest = self.latest()
        path = self._directory / f"{int(latest.name) + 1 if latest else 1:04d}"
        path.mkdir(mode=0o700, parents=True)
        sync_directory(self._directory)
        sync_directory(self._workspace)
        write_record(path / "started.json", {"private": str(private)})
        return Attempt(path)

    @contextmanager
    def fence(self, patience: float) -> Iterator[int | None]:
        """The descriptor of the locked fence, or None when others held it for `patience` seconds.

        The lock belongs to every process that inherits the descriptor: it is free when the last one is gone.
        """
        self._workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._workspace / "fence", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield handle if _locked(handle, patience) else None
        finally:
            os.close(handle)

    def _all(self) -> list[Attempt]:
        if not self._directory.is_dir():
            return []
        return [Attempt(path) for path in sorted(self._directory.iterdir(), key=lambda path: int(path.name))]


def _locked(handle: int, patience: float) -> bool:
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(POLL)
        else:
            return True


def _sweep(attempt: Attempt) -> None:
    """Remove the secrets that an attempt left behind when it and the service were killed together."""
    started = read_record(attempt.path / "started.json")
    private = Path(started["private"]) if started else None
    if private and private.name.startswith(PRIVATE_PREFIX) and private.is_dir():
        shutil.rmtree(private, ignore_errors=True)
