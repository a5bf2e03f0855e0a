"""Whether a service could fail over now, and what is missing for that. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.estate import Service
from orchestrator.domain.model import Mode, RunState
from orchestrator.domain.runbook import Runbook

FRESH_FOR = 90 * 86400.0
"""Seconds after which a failover that went well proves little any more: people, keys and vendors have changed."""


class Lack(StrEnum):
    """One thing that is missing."""

    FAILOVER = "failover"
    """No runbook moves it."""
    NEED = "need"
    """A service that it needs has no runbook that moves it."""
    UNTESTED = "untested"
    FAILED = "failed"
    """Its last failover ended without having moved it."""
    OLD = "old"
    SLOW = "slow"
    """Its last failover took longer than the RTO."""
    COPY = "copy"
    """Its data was never copied outside of rehearsals."""
    STALE = "stale"
    """Its last copy is older than the RPO."""
    UNWATCHED = "unwatched"
    """Nobody looks at its vendor, so that nothing would be noticed."""
    RTO = "rto"
    RPO = "rpo"
    FAILBACK = "failback"


class Readiness(StrEnum):
    READY = "ready"
    GAPS = "gaps"
    UNPROVEN = "unproven"
    UNPREPARED = "unprepared"


_UNPREPARED = frozenset({Lack.FAILOVER, Lack.NEED})
_UNPROVEN = frozenset({Lack.UNTESTED, Lack.FAILED})
ALLOWED = frozenset({Lack.FAILBACK, Lack.RPO})
"""What a service may lack and be ready: never to go back is a choice, and not everything has data of its own."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A failover of one service that ended. `took`: seconds from the run's start until the service had moved, None
    where it did not move. `ended_at`: of the failover itself, whatever was undone afterwards (UTC seconds).
    `services`: all that its run moved."""

    run_id: str
    mode: Mode
    outcome: RunState
    ended_at: float
    took: float | None
    services: tuple[str, ...]

    def within(self, rto: float | None) -> bool | None:
        """Whether it took no longer than that; None where nothing can be said."""
        return None if rto is None or self.took is None else self.took <= rto


def latest(trials: Iterable[Trial]) -> Trial | None:
    return max(trials, key=lambda one: one.ended_at, default=None)


def lacks_of(
    name: str,
    services: Mapping[str, Service],
    runbooks: Mapping[str, Runbook],
    trials: Iterable[Trial],
    copied_at: float | None,
    now: float,
    *,
    watched: bool,
) -> tuple[Lack, ...]:
    """What is missing, the worst in front. `watched`: something is observed of its vendor. `now`: UTC seconds."""
    service, trials = services[name], list(trials)
    found = {*_prepared(name, services), *_tried(trials, service.rto, now)}
    found |= {*_copied(service, runbooks, copied_at, now)}
    stated = {Lack.RTO: service.rto, Lack.RPO: service.rpo, Lack.FAILBACK: service.failback}
    found |= {lack for lack, said in stated.items() if said is None}
    found |= set() if watched else {Lack.UNWATCHED}
    return tuple(one for one in Lack if one in found)


def readiness_of(lacks: Iterable[Lack]) -> Readiness:
    found = set(lacks)
    if found & _UNPREPARED:
        return Readiness.UNPREPARED
    if found & _UNPROVEN:
        return Readiness.UNPROVEN
    return Readiness.GAPS if found - ALLOWED else Readiness.READY


def _prepared(name: str, services: Mapping[str, Service]) -> Iterator[Lack]:
    if services[name].failover is None:
        yield Lack.FAILOVER
    if any(services[need].failover is None for need in services[name].needs if need in services):
        yield Lack.NEED


def _tried(trials: list[Trial], rto: float | None, now: float) -> Iterator[Lack]:
    last, moved = latest(trials), latest(one for one in trials if one.took is not None)
    if last is not None and last.took is None:
        yield Lack.FAILED
    elif moved is None:
        yield Lack.UNTESTED
    if moved is not None and now - moved.ended_at > FRESH_FOR:
        yield Lack.OLD
    if moved is not None and moved.within(rto) is False:
        yield Lack.SLOW


def _copied(service: Service, runbooks: Mapping[str, Runbook], copied_at: float | None, now: float) -> Iterator[Lack]:
    runbook = runbooks.get(service.failover or "")
    if runbook is None or all(step.uses != "storage.copy" for step in runbook.steps.values()):
        return
    if copied_at is None:
        yield Lack.COPY
    elif service.rpo is not None and now - copied_at > service.rpo:
        yield Lack.STALE
