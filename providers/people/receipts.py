"""What a step knows of each channel that it tells: nothing was sent, something was and had no answer, or it was taken.

The sending is noted before it goes. So a channel without a note was surely not told, and one with a note and
without a receipt is in doubt: nobody tells it again but a person.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

from providers.step_note import read_note, write_note


class Told(StrEnum):
    NOT_YET = "not yet"
    IN_DOUBT = "in doubt"
    TAKEN = "taken"


class Receipts:
    """The notes of one notice, in the step's workspace. `clock`: seconds since the epoch."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._clock = clock

    def told(self, channel: str) -> Told:
        if self.identity(channel) is not None:
            return Told.TAKEN
        return Told.IN_DOUBT if self._sent(channel).exists() else Told.NOT_YET

    def identity(self, channel: str) -> str | None:
        """By what the channel knows the notice: a Message-ID, a status, a path."""
        identity = read_note(self._taken(channel)).get("id")
        return identity if isinstance(identity, str) else None

    def those(self, channels: Iterable[str], told: Told) -> list[str]:
        return [channel for channel in channels if self.told(channel) is told]

    def begin(self, channel: str) -> None:
        """It goes out now."""
        write_note(self._sent(channel), {"at": self._clock()})

    def refused(self, channel: str) -> None:
        """It was surely not taken."""
        self._sent(channel).unlink(missing_ok=True)

    def taken(self, channel: str, identity: str) -> None:
        write_note(self._taken(channel), {"id": identity, "at": self._clock()})

    def _sent(self, channel: str) -> Path:
        return self._folder / f"{channel.replace(':', '~')}.sent.json"

    def _taken(self, channel: str) -> Path:
        return self._folder / f"{channel.replace(':', '~')}.taken.json"
