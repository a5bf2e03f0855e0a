"""What a step knows by itself of the post that it sent: that one is on its way, and which one arrived.

A server that keeps no Idempotency-Key would post twice when asked twice. So the sending is noted before it
goes; while a post without an answer may still appear, it is waited for and nothing is sent.
"""

from collections.abc import Callable
from pathlib import Path

from providers.step_note import read_note, write_note

IN_FLIGHT_SECONDS = 10.0
"""How long after a post without an answer it may still appear among the account's statuses."""


class SentOnce:
    """The notes of one step, in its workspace. `clock`: seconds since the epoch."""

    def __init__(self, workspace: Path, clock: Callable[[], float]) -> None:
        self._sent = workspace / "post-sent.json"
        self._receipt = workspace / "post-receipt.json"
        self._shown = workspace / "post-shown.json"
        self._clock = clock

    def begin(self) -> None:
        """A post goes out now."""
        write_note(self._sent, {"at": self._clock()})

    def refused(self) -> None:
        """It was surely not taken."""
        self._sent.unlink(missing_ok=True)

    def arrived(self, status: str) -> None:
        """The server gave it this id."""
        write_note(self._receipt, {"id": status})
        self._sent.unlink(missing_ok=True)

    def outlives(self) -> bool:
        """Whether it is still shown long after the server first said that it has none to delete.

        A list or a cache that lags behind shows for a moment what is gone.
        """
        first = read_note(self._shown).get("at")
        if not isinstance(first, int | float):
            write_note(self._shown, {"at": self._clock()})
            return False
        return self._clock() - first > IN_FLIGHT_SECONDS

    def forget(self) -> None:
        """It was taken back."""
        for note in (self._receipt, self._sent, self._shown):
            note.unlink(missing_ok=True)

    def status(self) -> str | None:
        """The id of the post that arrived."""
        found = read_note(self._receipt).get("id")
        return found if isinstance(found, str) else None

    def in_flight(self) -> float:
        """Seconds for which a post without an answer may still appear; zero when there is none."""
        at = read_note(self._sent).get("at")
        if not isinstance(at, int | float):
            return 0.0
        return min(IN_FLIGHT_SECONDS, max(0.0, at + IN_FLIGHT_SECONDS - self._clock()))
