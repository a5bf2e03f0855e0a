"""Who writes next, where there is one writer."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """One holder at a time; who is urgent goes before who is not, and each kind in the order of its coming.

    What is urgent must be bounded, or the others never have their turn: a
    worker's thread begins a step urgently, and must write that step's outcome
    before it begins another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = False
        self._urgent: deque[threading.Lock] = deque()
        self._others: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self, *, urgent: bool = False) -> Iterator[None]:
        """Wait for the turn, and hand it on at the end."""
        self._take(urgent)
        try:
            yield
        finally:
            self._hand_on()

    def _take(self, urgent: bool) -> None:
        with self._lock:
            if not self._held:
                self._held = True
                return
            gate = threading.Lock()
            gate.acquire()
            (self._urgent if urgent else self._others).append(gate)
        gate.acquire()

    def _hand_on(self) -> None:
        with self._lock:
            waiting = self._urgent or self._others
            if waiting:
                waiting.popleft().release()
            else:
                self._held = False
