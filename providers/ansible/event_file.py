"""Reads what Ansible left of one event. The play may have written it: it is read as any stranger's file.

No link is followed, nothing but a plain file of bounded size is opened, and only a
JSON object of the expected form counts. Each file is taken away once it is read.
"""

import json
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

EVENT_LIMIT = 16 * 1024 * 1024
"""Bytes of one event; a task's result is left out from a fraction of that on."""
LEFT_OUT = "event_too_large"
"""Key under which the size of an event is told that was left out."""
_ID = re.compile(r"[0-9a-f-]{36}\Z")


def take_event(directory: Path, uuid: object) -> dict[str, Any]:
    """The event's fields; empty when there is no such file, or none that can be right."""
    if not isinstance(uuid, str) or not _ID.match(uuid):
        return {}
    path = directory / f"{uuid}-partial.json"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}
    with os.fdopen(handle, "rb") as file, suppress(OSError):
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return {}
        path.unlink()
        if status.st_size > EVENT_LIMIT:
            return {LEFT_OUT: status.st_size}
        return _read(file.read(EVENT_LIMIT))
    return {}


def bytes_waiting(directory: Path) -> int:
    """The size of all that lies there unread."""
    total = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _read(raw: bytes) -> dict[str, Any]:
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(event, dict):
        return {}
    data = event.get("event_data")
    if not isinstance(data, dict):
        return {**event, "event_data": {}}
    if not isinstance(data.get("res", {}), dict):
        data["res"] = {}
    return event
