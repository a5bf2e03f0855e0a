"""In which order the services of a plan go while clocks run, and why; in words for people."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from orchestrator.domain.estate import Service
from orchestrator.domain.plan import FirstClock, PlannedTurn
from orchestrator.domain.signals.clock import RunningClock

_CRITICALITY = {
    "critical": ("critique", "critical"),
    "high": ("criticité haute", "high criticality"),
    "normal": ("criticité normale", "normal criticality"),
}


def planned_turns(
    services: Mapping[str, Service],
    ordered: Sequence[str],
    clocks: Sequence[RunningClock],
    rescuing: frozenset[str],
) -> tuple[PlannedTurn, ...]:
    """One for each service, in their order. `rescuing`: those of which some steps go before everything else."""
    return tuple(_turn(name, services[name], ordered, first_clock(name, clocks), rescuing) for name in ordered)


def first_clock(service: str, clocks: Sequence[RunningClock]) -> RunningClock | None:
    """The clock of the service that runs out first."""
    return min((one for one in clocks if one.service == service), default=None)


def _turn(
    name: str, service: Service, ordered: Sequence[str], first: RunningClock | None, rescuing: frozenset[str]
) -> PlannedTurn:
    told = list(_reasons(name, service, ordered, first, rescuing))
    clock = first and FirstClock(
        clock=first.clock,
        vendor=first.vendor,
        through=first.through,
        at=first.at,
        title={"fr": first.title[0], "en": first.title[1]},
    )
    return PlannedTurn(
        service=name,
        rescue=name in rescuing,
        first_clock=clock,
        reason={"fr": " ; ".join(one[0] for one in told), "en": "; ".join(one[1] for one in told)},
    )


def _reasons(
    name: str, service: Service, ordered: Sequence[str], first: RunningClock | None, rescuing: frozenset[str]
) -> Iterator[tuple[str, str]]:
    if name in rescuing:
        yield "ce qui est encore là est d'abord mis à l'abri", "what is still there is fetched first"
    needed = ", ".join(need for need in service.needs if need in ordered)
    if needed:
        yield f"après {needed}, dont il a besoin", f"after {needed}, which it needs"
    yield _CRITICALITY[service.criticality]
    if first is not None:
        at = datetime.fromtimestamp(first.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        yield f"{first.title[0]} : jusqu'au {at}", f"{first.title[1]}: until {at}"
