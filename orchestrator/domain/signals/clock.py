"""What runs out by itself once a vendor is lost: when, for which service; and in which order to leave because of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Service
from orchestrator.domain.signals.observation import iso

RESCUING = frozenset({"storage.copy", "compute.snapshot"})
"""Kinds of step that fetch what is still there; they can't wait until the source is gone."""
_CRITICALITY = {"critical": 0, "high": 1, "normal": 2}
_NEVER = float("inf")


@dataclass(frozen=True, slots=True, order=True)
class RunningClock:
    """One clock of one service. `at` (seconds since the epoch, UTC): when it has run out, counted from `since`, the
    onset of the vendor's loss. `through`: the service needed by this one whose vendor it is; else the service."""

    at: float
    service: str
    through: str
    vendor: str
    clock: str
    since: float
    title: tuple[str, str]
    """French, English."""
    breaks: tuple[str, str] = ("", "")
    """What stops then, in French and English; empty where the catalogue does not say."""

    def left(self, now: float) -> float:
        """Seconds, never below zero."""
        return max(self.at - now, 0.0)

    def as_json(self) -> dict[str, Any]:
        return {
            "at": iso(self.at),
            "service": self.service,
            "through": self.through,
            "vendor": self.vendor,
            "clock": self.clock,
            "since": iso(self.since),
            "title": {"fr": self.title[0], "en": self.title[1]},
            "breaks": {"fr": self.breaks[0], "en": self.breaks[1]},
        }


@dataclass(frozen=True, slots=True)
class Turn:
    """A service's place in the order. `rescue`: only what fetches its data; it waits for nobody. `at`: when its first
    clock runs out, UTC seconds, None where none runs."""

    service: str
    rescue: bool
    at: float | None


def running_clocks(
    onsets: Mapping[str, float], services: Mapping[str, Service], catalogue: Catalogue
) -> tuple[RunningClock, ...]:
    """The clocks that run, the first to run out in front. `onsets`: of each vendor that erodes or is cut, since when.

    A service is hit by the clocks of its own vendor and by those of the services that it needs.
    """
    found = set[RunningClock]()
    for name in services:
        for through in _needed(name, services):
            found |= set(_clocks(name, through, services[through].vendor, onsets, catalogue))
    return tuple(sorted(found))


def crisis_order(
    services: Mapping[str, Service],
    wanted: Sequence[str],
    clocks: Sequence[RunningClock],
    rescuing: frozenset[str] = frozenset(),
) -> tuple[Turn, ...]:
    """Rescues first, by the clock that runs out first; then services by needs, criticality, and clock.

    `rescuing`: the services whose runbook has steps of `RESCUING`. What is needed and not `wanted` is left out, as is
    who is not in the estate. Services that need each other in a circle follow at the end, by the same order.
    """
    first: dict[str, float] = {}
    for one in clocks:
        first[one.service] = min(first.get(one.service, _NEVER), one.at)
    names = [name for name in dict.fromkeys(wanted) if name in services]

    def urgency(name: str) -> tuple[int, float, str]:
        return _CRITICALITY[services[name].criticality], first.get(name, _NEVER), name

    rescues = sorted(
        (name for name in names if name in rescuing),
        key=lambda name: (first.get(name, _NEVER), _CRITICALITY[services[name].criticality], name),
    )
    turns = [Turn(name, True, first.get(name)) for name in rescues]
    left = list(names)
    while left:
        free = [name for name in left if not any(need in left for need in _needed(name, services)[1:])]
        chosen = min(free or left, key=urgency)
        left.remove(chosen)
        turns.append(Turn(chosen, False, first.get(chosen)))
    return tuple(turns)


class Needing(Protocol):
    """A step, of a runbook or of a plan."""

    @property
    def uses(self) -> str: ...

    @property
    def needs(self) -> Sequence[str]: ...


def rescue_steps(steps: Mapping[str, Needing]) -> tuple[str, ...]:
    """Of these steps, those that fetch what is still there, and all of these that they need; in their order."""
    wanted: set[str] = set()
    todo = [name for name, step in steps.items() if step.uses in RESCUING]
    while todo:
        name = todo.pop()
        if name not in wanted and name in steps:
            wanted.add(name)
            todo.extend(steps[name].needs)
    return tuple(name for name in steps if name in wanted)


def _clocks(
    service: str, through: str, vendor: str, onsets: Mapping[str, float], catalogue: Catalogue
) -> Iterator[RunningClock]:
    known, since = catalogue.vendors.get(vendor), onsets.get(vendor)
    if known is None or since is None:
        return
    for one in known.clocks:
        breaks = (one.breaks.fr, one.breaks.en) if one.breaks else ("", "")
        title = (one.title.fr, one.title.en)
        yield RunningClock(since + one.lasts, service, through, vendor, one.name, since, title, breaks)


def _needed(name: str, services: Mapping[str, Service]) -> list[str]:
    """The service itself, then all that it needs, near and far."""
    found = [name]
    for one in found:
        found += [need for need in services[one].needs if need in services and need not in found]
    return found
