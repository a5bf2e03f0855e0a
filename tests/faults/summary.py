"""What came of every crash point, as one table at the end of the test run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults.cases import Point


@dataclass(slots=True)
class Told:
    """What came of one point."""

    point: Point
    seconds: float = 0.0
    unproven: list[str] = field(default_factory=list)
    failed: bool = True

    @property
    def outcome(self) -> str:
        if self.failed:
            return "FAILED"
        return "unknown" if self.unproven else "same"


class Summary:
    """Collects outcomes; `lines` shows them by kind."""

    def __init__(self) -> None:
        self._told: list[Told] = []

    @contextmanager
    def of(self, point: Point) -> Iterator[Told]:
        told = Told(point)
        self._told.append(told)
        began = time.monotonic()
        try:
            yield told
            told.failed = False
        finally:
            told.seconds = time.monotonic() - began

    def lines(self) -> Iterator[str]:
        """Kind by kind: each point with its outcome; then how many there were and how long they took."""
        kinds: dict[str, list[Told]] = {}
        for told in self._told:
            case = told.point.case
            kinds.setdefault(f"{case.kind} ({case.variant})" if case.variant else case.kind, []).append(told)
        for kind, found in kinds.items():
            yield kind
            for told in found:
                yield f"    {told.point.label:<40} {told.outcome:<8} {told.seconds:5.1f} s"
        if self._told:
            seconds = [told.seconds for told in self._told]
            counts = {word: sum(told.outcome == word for told in self._told) for word in ("same", "unknown", "FAILED")}
            yield (
                f"{len(seconds)} crash points in {sum(seconds):.0f} s, {max(seconds):.1f} s at most: "
                f"{counts['same']} as without a crash, {counts['unknown']} unknown, {counts['FAILED']} failed"
            )
