"""The cases of `cases.yaml` and the crash points that follow from them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("cases.yaml")
LOOKS = frozenset({"settled", "verified"})
"""Boundaries of looks, which are repeated as long as it takes: the first one counts."""
MOST = 2
"""How often the same boundary is crashed at."""
RECOVERY = {
    "intent": "reclaimed",
    "effect": "reclaimed",
    "undo-intent": "undo-reclaimed",
    "undo-effect": "undo-reclaimed",
}
"""The boundary that the recovery from a crash passes, for the second crash of a pair."""
EFFECTFUL = frozenset(
    {"compute.server", "ansible.play", "dns.records", "dns.ttl", "storage.copy", "notify.send", "runbook.run"}
)


@dataclass(frozen=True, slots=True)
class Case:
    """One runbook, with one step under test."""

    name: str
    kind: str
    steps: Mapping[str, Any]
    variant: str = ""
    undo: bool = False
    restores: bool = True
    before: str = ""
    faults: tuple[Mapping[str, Any], ...] = ()
    passes: Mapping[str, str] = field(default_factory=dict)
    only: str = ""
    between: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    again: str = ""
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def boundaries(self) -> list[tuple[str, str]]:
        """(step, boundary) in the order that they are passed."""
        return [(step, boundary) for step, line in self.passes.items() for boundary in line.split()]

    def points(self) -> Iterator["Point"]:
        for step, boundary in self.boundaries:
            yield Point(self, boundary, ((step, boundary),))
            if self.kind in EFFECTFUL and boundary in RECOVERY:
                again = RECOVERY[boundary]
                yield Point(self, f"{boundary}+{again}", ((step, boundary), (step, again)))
        for label, trigger in self.between.items():
            yield Point(self, label, (), trigger)


@dataclass(frozen=True, slots=True)
class Point:
    """One or two crashes in the life of one run.

    `crashes`: at (step, boundary), one after the other. `trigger`: what the service
    is killed upon from outside.
    """

    case: Case
    label: str
    crashes: tuple[tuple[str, str], ...]
    trigger: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        return f"{self.case.name}: {self.label}"

    @property
    def unknown(self) -> str | None:
        """Why it may be unknown at this point whether the effect happened; None where it may not."""
        return self.case.unknown.get(self.label)


@cache
def cases() -> dict[str, Case]:
    loaded = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: Case(name=name, **body) for name, body in loaded.items()}


def all_points() -> list[Point]:
    """Every crash point; a case with `only` adds those alone."""
    return [
        point
        for case in cases().values()
        for point in case.points()
        if not case.only or point.trigger is not None or point.label in case.only.split()
    ]


def counted(passed: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What a run passed, in the words of `passes`: the second time is `#2`, looks and further times are left out."""
    found: list[tuple[str, str]] = []
    times: dict[tuple[str, str], int] = {}
    for step, boundary in passed:
        nth = times[step, boundary] = times.get((step, boundary), 0) + 1
        if nth <= (1 if boundary in LOOKS else MOST):
            found.append((step, boundary if nth == 1 else f"{boundary}#{nth}"))
    return found


def name_and_turn(boundary: str) -> tuple[str, int]:
    """`outcome#2` -> ("outcome", 2)."""
    name, _, turn = boundary.partition("#")
    return name, int(turn or 1)
