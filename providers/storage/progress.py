"""How far a copy or comparison is, told to the people who watch: seldom, in objects and bytes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from providers.base import Report

EVERY = 1.0
"""Seconds between two lines."""
_STEP = 1000.0
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


@dataclass(slots=True)
class Progress:
    """Counts what is done; `verb` as in "Copied". `now` is monotonic, in seconds."""

    verb: str
    objects: int
    bytes: int
    report: Report
    now: Callable[[], float]
    done_objects: int = 0
    done_bytes: int = 0
    parts: int = 0
    _said: float = field(default=float("-inf"))

    def moved(self, size: int) -> None:
        """A part of an object is done."""
        self.done_bytes += size
        self.parts += 1
        self._say()

    def found(self, size: int) -> None:
        """A part that an earlier attempt did."""
        self.done_bytes += size

    def done(self, size: int = 0) -> None:
        """An object is done; `size`: its bytes, unless they were counted part by part."""
        self.done_objects += 1
        self.done_bytes += size
        self._say()

    @property
    def advanced(self) -> bool:
        return bool(self.done_objects or self.parts)

    @property
    def line(self) -> str:
        size = f"{amount(self.done_bytes)} of {amount(self.bytes)}"
        return f"{self.verb} {self.done_objects} of {self.objects} objects, {size}"

    def _say(self) -> None:
        if self.done_objects == self.objects or self.now() - self._said >= EVERY:
            self._said = self.now()
            self.report(self.line)


def amount(size: float) -> str:
    """Bytes as people read them, in decimal units."""
    for unit in _UNITS[:-1]:
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} {_UNITS[-1]}"
