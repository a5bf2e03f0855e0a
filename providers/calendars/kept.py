"""The meetings as they were before this step changed them, and whose attendees were told, in the step's workspace."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from providers.step_note import read_note, write_note


class Kept:
    """One file a meeting. What is kept is written before the meeting is changed."""

    def __init__(self, workspace: Path) -> None:
        self._folder = workspace / "meetings"

    def keep(self, url: str, text: str) -> None:
        write_note(self._path(url, "before"), {"url": url, "text": text})

    def text(self, url: str) -> str | None:
        """How it was; None when this step never changed it, or did so elsewhere."""
        found = read_note(self._path(url, "before")).get("text")
        return found if isinstance(found, str) else None

    def urls(self) -> Iterator[str]:
        for path in sorted(self._folder.glob("*.before.json")):
            url = read_note(path).get("url")
            if isinstance(url, str):
                yield url

    def told(self, url: str, notice: str) -> bool:
        """Whether attendees were told of `new` or of `old`."""
        return self._path(url, notice).exists()

    def tell(self, url: str, notice: str) -> None:
        write_note(self._path(url, notice), {"url": url})

    def _path(self, url: str, what: str) -> Path:
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.{what}.json"
