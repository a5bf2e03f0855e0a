"""Create requests without an answer: each is noted before it goes, so that nothing is asked for twice."""

import time
from pathlib import Path

IN_FLIGHT_SECONDS = 10.0
"""How long after a create request without an answer its server may still appear in a list."""


def sent_file(workspace: Path, provider: str) -> Path:
    """Exists while a create request to this cloud has no answer; its age says since when."""
    return workspace / f"create-sent-{provider}"


def in_flight(sent: Path) -> bool:
    try:
        return time.time() - sent.stat().st_mtime < IN_FLIGHT_SECONDS
    except FileNotFoundError:
        return False


def begun_file(workspace: Path, provider: str) -> Path:
    """Exists from the first create request to this cloud until it is sure that nothing of the step is there."""
    return workspace / f"begun-{provider}"
