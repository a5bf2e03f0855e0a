"""What Ansible writes to its terminal, held within bounds before ansible-runner keeps it until the next event.

Events are marked in that text (`\\x1b[K`, base64, `\\x1b[K`); marks pass always, what
stands between them passes up to a limit for each event and one for the whole play.
"""

import re
from typing import Protocol

EVENT_TEXT = 256 * 1024
"""Characters between two events."""
PLAY_TEXT = 16 * 1024 * 1024
"""Characters of a whole play."""
MARK_LIMIT = 8192
"""Characters of one mark: it holds an id only."""

_CHUNK = r"[A-Za-z0-9+/=]{1,128}\x1b\[\d{1,4}D"
_MARK = re.compile(rf"\x1b\[K(?:{_CHUNK}){{1,64}}\x1b\[K")
_BEGINNING = re.compile(
    rf"\x1b(?:\[(?:K(?:{_CHUNK}){{0,64}}(?:[A-Za-z0-9+/=]{{0,128}}(?:\x1b(?:\[(?:\d{{0,4}}|K)?)?)?))?)?\Z"
)
"""What may become a mark when more comes."""


class Sink(Protocol):
    """What takes the text in the end."""

    def write(self, data: str) -> object: ...


class Bounded:
    """A sink that lets no more pass to another than is allowed."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._console = Console()

    def write(self, data: str) -> None:
        if passed := self._console(data):
            self._sink.write(passed)

    def flush(self) -> None:
        """All is passed on at once."""


class Console:
    """A filter of that text, piece by piece."""

    def __init__(self, event_text: int = EVENT_TEXT, play_text: int = PLAY_TEXT) -> None:
        self._event_text = self._left = event_text
        self._play_left = play_text
        self._held = ""

    def __call__(self, piece: str) -> str:
        """What of this piece, and of what was held back before it, goes on now."""
        text, passed, at = self._held + piece, [], 0
        for mark in _MARK.finditer(text):
            passed += [self._within(text[at : mark.start()]), mark.group()]
            at, self._left = mark.end(), self._event_text
        begun = _BEGINNING.search(text, max(at, len(text) - MARK_LIMIT))
        end = begun.start() if begun else len(text)
        self._held = text[end:]
        return "".join([*passed, self._within(text[at:end])])

    def _within(self, text: str) -> str:
        allowed = text[: max(min(self._left, self._play_left), 0)]
        self._left -= len(allowed)
        self._play_left -= len(allowed)
        return allowed
