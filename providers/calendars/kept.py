"""The meetings as they were before this step changed them, and whose attendees were told, in the step's workspace."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path


class Kept:
    """One file a meeting. What is kept is written before the meeting is changed."""

    def __init__(self, workspace: Path) -> None:
        self._folder = workspace / "meetings"

    def keep(self, url: str, text: str) -> None:
        _write(self._path(url, "before"), {"url": url, "text": text})

    def text(self, url: str) -> str | None:
        """How it was; None when this step never changed it, or did so elsewhere."""
        found = _read(self._path(url, "before")).get("text")
        return found if isinstance(found, str) else None

    def urls(self) -> Iterator[str]:
        for path in sorted(self._folder.glob("*.before.json")):
            url = _read(path).get("url")
            if isinstance(url, str):
                yield url

    def told(self, url: str, notice: str) -> bool:
        """Whether attendees were told of `new` or of `old`."""
        return self._path(url, notice).exists()

    def tell(self, url: str, notice: str) -> None:
        _write(self._path(url, notice), {"url": url})

    def _path(self, url: str, what: str) -> Path:
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.{what}.json"


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, note: dict[str, object]) -> None:
    """Whole or not at all: a crash in the middle leaves what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(note))
    partial.replace(path)
