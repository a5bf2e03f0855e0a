"""What the service is killed upon from outside, between two boundaries."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from orchestrator.store import runs
from tests.faults.stand import Stand

GONE_SECONDS = 5.0
TAKEN_SECONDS = 0.3
"""What the simulator needs at most to act on a request."""


class Trigger(Protocol):
    """Watches for the moment to kill the service."""

    @property
    def rules(self) -> list[dict[str, Any]]:
        """Faults that must be in force for it."""
        ...

    def answering(self, stand: Stand, run_id: str) -> None:
        """A person is about to say yes at a hold point, or to undo the run."""
        ...

    def sprung(self, stand: Stand, mark: str, run_id: str) -> bool:
        """Whether the moment is there. Asked again and again."""
        ...

    def release(self, stand: Stand, mark: str, run_id: str) -> None:
        """The service is dead: let the next life pass."""
        ...

    def over(self) -> bool:
        """Whether nothing of the dead life can happen outside any more. Asked after `release`."""
        ...


class Plain:
    """Needs no faults and leaves nothing behind."""

    @property
    def rules(self) -> list[dict[str, Any]]:
        return []

    def answering(self, stand: Stand, run_id: str) -> None:
        return None

    def release(self, stand: Stand, mark: str, run_id: str) -> None:
        return None

    def over(self) -> bool:
        return True


class Request(Plain):
    """A request of the service hangs and is never done, or is on its way and done after the service's death."""

    def __init__(self, kind: str, rule: Mapping[str, Any]) -> None:
        self._rule = {**rule, "kind": kind}
        self._over_at = 0.0

    @property
    def rules(self) -> list[dict[str, Any]]:
        return [dict(self._rule)]

    def sprung(self, stand: Stand, mark: str, run_id: str) -> bool:
        return any(rule["kind"] == self._rule["kind"] and not rule["times"] for rule in stand.simulator.faults_left())

    def release(self, stand: Stand, mark: str, run_id: str) -> None:
        stand.simulator.faults()
        self._over_at = time.monotonic() + self._rule.get("seconds", 0.0) + TAKEN_SECONDS

    def over(self) -> bool:
        """A request on its way is taken by the simulator at its time, whoever sent it."""
        return time.monotonic() > self._over_at


class Given(Plain):
    """So many people have approved."""

    def __init__(self, count: int) -> None:
        self._count = count

    def sprung(self, stand: Stand, mark: str, run_id: str) -> bool:
        with stand.database.read() as conn:
            rows = runs.list_steps(conn, run_id)
        return any(len((row.waits_for or {}).get("given", [])) == self._count for row in rows)


class Halfway(Plain):
    """A play stands still between two of its tasks."""

    def sprung(self, stand: Stand, mark: str, run_id: str) -> bool:
        return "yes" in stand.on_node(f"test ! -e /srv/{mark}.halfway || echo yes")

    def release(self, stand: Stand, mark: str, run_id: str) -> None:
        """Nothing of the play may outlive the service on this machine."""
        for started in (stand.service.settings.data / "work" / run_id).glob("*/attempts/*/started.json"):
            _wait_until_gone(str(json.loads(started.read_text())["private"]))
        stand.on_node(f"touch /srv/{mark}.go")


def _wait_until_gone(private: str) -> None:
    """No process of this machine has the attempt's private directory in its command line any more."""
    end = time.monotonic() + GONE_SECONDS
    while any(private.encode() in command for command in _commands()):
        assert time.monotonic() < end, f"Ansible lives on without the service: {private}"
        time.sleep(0.05)


def _commands() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield path.read_bytes()


class Receipt(Plain):
    """A message was taken, and its receipt is not written: the file is a pipe that nobody reads."""

    def __init__(self, step: str) -> None:
        self._step = step

    def answering(self, stand: Stand, run_id: str) -> None:
        self._file(stand, run_id).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(self._file(stand, run_id))

    def sprung(self, stand: Stand, mark: str, run_id: str) -> bool:
        taken = stand.simulator.effects("message.accept")
        return any(run_id in effect["tag"] for effect in taken)

    def release(self, stand: Stand, mark: str, run_id: str) -> None:
        self._file(stand, run_id).unlink(missing_ok=True)

    def _file(self, stand: Stand, run_id: str) -> Path:
        return stand.service.settings.data / "work" / run_id / self._step.replace("/", "~") / "receipt.json.part"


def trigger_of(described: Mapping[str, Any]) -> Trigger:
    """The trigger that a case's `between` describes."""
    [(kind, value)] = described.items()
    if kind in ("hang", "delay"):
        return Request(kind, value)
    return {"given": Given, "receipt": Receipt}[kind](value) if kind != "halfway" else Halfway()
