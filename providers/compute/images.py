"""The ids of images, remembered: a wave of servers asks once for the one that they all begin as."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

KEPT_SECONDS = 600.0


class Images:
    """Ids by the scope's entry of a cloud and the image's name, for some minutes. Thread-safe.

    An id that the cloud no longer takes is refused with the creation, and is to be forgotten then.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, str]] = {}

    def id_of(self, block: Mapping[str, Any], name: str, ask: Callable[[str], str]) -> str:
        """Raises what `ask` raises; that is not remembered."""
        key = _key(block, name)
        with self._lock:
            until, known = self._known.get(key, (0.0, ""))
        if known and self._now() < until:
            return known
        # Asked without the lock: another cloud's image must not wait for this one's.
        found = ask(name)
        with self._lock:
            self._known[key] = (self._now() + KEPT_SECONDS, found)
        return found

    def forget(self, block: Mapping[str, Any], name: str) -> None:
        with self._lock:
            self._known.pop(_key(block, name), None)


def _key(block: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The entry as it is written, account and own images included; its secrets are references."""
    return json.dumps(block, sort_keys=True, default=str), name
