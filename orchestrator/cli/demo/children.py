"""Programs that the demo starts: each ends when the demo closes its pipe, even when the demo is killed."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.cli.exits import CommandError

STOP_WITHIN = 30.0
"""Seconds that a program has to end once it was asked to."""

_GUARD = """
trap '' INT
exec 3<&0
"$@" </dev/null 3<&- & child=$!
{ cat <&3 >/dev/null; kill -TERM $child 2>/dev/null; } & watch=$!
wait $child; code=$?
kill $watch 2>/dev/null
exit $code
"""
"""Runs a program until standard input ends, then asks it to stop. It needs no right to signal what sudo started."""


class ChildError(CommandError):
    """A program of the demo did not start or ended too early."""


class Child:
    """One program, its output in a file. Leaving the context stops it and waits for its end."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        before: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`before` stands before the guard, such as sudo."""
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [*before, "sh", "-c", _GUARD, "guard", *command],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                env=dict(environment) if environment is not None else None,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def ended(self) -> int | None:
        """Its exit code, once it has one."""
        return self._process.poll()

    def last_line(self) -> str:
        """The last thing it said."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def wait_until(self, ready: Callable[[], bool], seconds: float, every: Callable[[], None]) -> None:
        """Wait for a condition, bounded; `every` is called between two looks. Raises ChildError."""
        end = time.monotonic() + seconds
        while not ready():
            if self.ended is not None:
                raise ChildError(self.last_line() or f"It ended with code {self.ended} and said nothing.")
            if time.monotonic() > end:
                raise ChildError(f"It was not ready within {seconds:g} s; its last words: {self.last_line()}")
            every()

    def stop(self) -> None:
        """Ask it to stop and wait. What does not end within its time is left and named."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired as error:
            raise ChildError(
                f"Process {self._process.pid} does not end; end it by hand. Its log is {self.log}."
            ) from error


def python_path() -> dict[str, str]:
    """The environment for `python -m` of this project's packages, from wherever it is called."""
    root = str(Path(__file__).resolve().parents[3])
    known = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, known])), "PYTHONUNBUFFERED": "1"}
