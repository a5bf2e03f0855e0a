"""A step's small notes in its workspace, each a JSON object in a file that outlives the process."""

import json
from pathlib import Path

from providers.base import JsonMap


def read_note(path: Path) -> JsonMap:
    """Empty where there is no note, or none that can be read."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_note(path: Path, note: JsonMap) -> None:
    """Whole or not at all: a crash in the middle leaves what was there. Only this user can read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(note))
    partial.replace(path)
