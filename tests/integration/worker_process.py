"""A worker of its own process on a shared database: `python -m tests.integration.worker_process URL DIRECTORY`.

Its world is a directory: an effect is a file that counts how often it was
written. A step whose name begins with `slow` waits, after its effect, for the file `go`.
"""

import sys
import threading
import time
from pathlib import Path
from typing import Any

from orchestrator.engine.worker import Worker
from orchestrator.engine.workshop import Action
from orchestrator.store.database import Database
from providers.base import Finding, Halted, JsonMap, Presence, Report, Tag, never

PATIENCE = 60.0
"""Seconds after which a slow step and the whole process give up."""


class FileProvider:
    """One file per effect."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def observe(self, want: Any, tag: Tag, before: JsonMap | None) -> Finding:
        there = (self._directory / f"{tag.run}.{tag.step}").exists()
        return Finding(Presence.OURS if there else Presence.ABSENT, {"there": there}, effect={"made": there})

    def apply(self, want: Any, tag: Tag, before: JsonMap, report: Report) -> Finding:
        with (self._directory / f"{tag.run}.{tag.step}").open("a", encoding="utf-8") as file:
            file.write("written\n")
        until = time.monotonic() + PATIENCE
        while tag.step.startswith("slow") and not (self._directory / "go").exists():
            if time.monotonic() > until:
                raise SystemExit("nobody said go")
            threading.Event().wait(0.05)
        return Finding(Presence.OURS, {"there": True}, effect={"made": True})

    def undo(self, want: Any, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        (self._directory / f"{tag.run}.{tag.step}").unlink(missing_ok=True)
        return Finding(Presence.ABSENT)


class FileWorkshop:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def action(
        self, run: Any, step_id: str, spec: Any, outputs: Any, deadline: float, halted: Halted = never
    ) -> Action:
        return Action(FileProvider(self._directory), spec.with_)

    def wish(self, run: Any, spec: Any) -> Any:
        return spec.with_


def main(url: str, directory: Path) -> None:
    worker = Worker(Database(url), FileWorkshop(directory), time.time)
    worker.start()
    (directory / f"worker-{worker.lease.worker_id}").touch()
    until = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < until and not (directory / "stop").exists():
        threading.Event().wait(0.1)
    worker.stop()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
