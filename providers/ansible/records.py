"""Small JSON records that survive a crash: written whole, or not at all."""

import json
import os
from pathlib import Path
from typing import Any


def write_record(path: Path, data: dict[str, Any]) -> None:
    """Write, flush to the disk, then give it its name: a reader finds the old record or the new one."""
    draft = path.with_name(path.name + ".draft")
    draft.touch(mode=0o600)
    with draft.open("w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def read_record(path: Path) -> dict[str, Any] | None:
    """The record, or None when there is none."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return data


def sync_directory(path: Path) -> None:
    """Make new names in a directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
