"""The append-only log of every write the outside world did here: what tests count."""

import threading
import time
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Effect:
    """One accepted write.

    `at`: seconds since the epoch. `tag`: what the writer left to prove itself
    (server tags, object metadata, Message-ID), or empty.
    """

    at: float
    service: str
    action: str
    target: str
    tag: str


class EffectLog:
    """Effects in the order they happened. Thread-safe."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self._lock = threading.Lock()

    def add(self, service: str, action: str, target: str, tag: str = "") -> None:
        with self._lock:
            self._effects.append(Effect(time.time(), service, action, target, tag))

    def listed(self) -> list[dict[str, object]]:
        with self._lock:
            return [asdict(effect) for effect in self._effects]

    def clear(self) -> None:
        with self._lock:
            self._effects.clear()
