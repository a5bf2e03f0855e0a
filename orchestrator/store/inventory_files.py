"""Inventories as they were read: one file a reading, in the data directory, never changed afterwards.

Files and not rows: they can be read while another process owns the database,
and when nothing else works any more. The newest are kept, so a source that is
eroding cannot wipe out what it once said.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KEPT = 100
"""Readings that are kept for each source."""


def save_inventory(root: Path, scope: str, source: str, at: float, values: Mapping[str, Any]) -> Path:
    """Keep one reading; `at` is seconds since the epoch, UTC. Raises OSError."""
    folder = root / scope / source
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = folder / f".{os.getpid()}.part"
    with part.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(values, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    kept = _kept_as(part, folder, datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H%M%S.%fZ"))
    for old in _files(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return kept


def sources_in(root: Path, scope: str) -> list[str]:
    """The sources of a scope that were ever read."""
    return sorted(path.name for path in (root / scope).glob("*") if path.is_dir())


def load_inventories(root: Path, scope: str, source: str) -> Iterator[dict[str, Any]]:
    """All readings that are kept, the newest first; one that cannot be read is passed over."""
    for path in _files(root / scope / source):
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                yield found


def _kept_as(part: Path, folder: Path, name: str) -> Path:
    """The file under its name; a second reading of the same instant gets a name of its own."""
    number = 1
    while True:
        path = folder / (f"{name}.json" if number == 1 else f"{name}-{number}.json")
        try:
            path.hardlink_to(part)
        except FileExistsError:
            number += 1
            continue
        part.unlink()
        return path


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.json"), reverse=True)
