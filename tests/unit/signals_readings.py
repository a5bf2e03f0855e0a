"""Readings for the tests of detection: rounds of probes from two trust domains, with controls beside them."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from orchestrator.catalogue_files import shipped
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.watch import Watch

START = 1767225600.0
"""2026-01-01, a Thursday."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
ROUND = 5 * MINUTE
PLACES = (("own", "paris"), ("peer", "lyon"))
SENSORS = (("tls", "certificate"), ("auth", "token-refresh"), ("semantic", "api"))

Spoil = Callable[[Observation], str | Observation]
"""What a reading is instead: its outcome, or the whole of it."""


def as_it_is(one: Observation) -> str:
    return "ok"


def rounds(
    hours: float,
    spoil: Spoil = as_it_is,
    vendors: Sequence[str] = ("microsoft-365",),
    controls: Sequence[str] = ("control-eu", "control-us"),
    places: Sequence[tuple[str, str]] = PLACES,
    start: float = START,
) -> Iterator[Observation]:
    """Probes every five minutes; every sensor has a second of its own."""
    for number in range(round(hours * HOUR / ROUND)):
        at = start + number * ROUND
        for which, (domain, vantage) in enumerate(places):
            for control in controls:
                at += 1
                yield spoiled(spoil, Observation(at, control, "semantic", "page", vantage, domain, "ok"))
            for vendor in vendors:
                for aspect, sensor in SENSORS:
                    at += 1
                    yield spoiled(spoil, Observation(at + which, vendor, aspect, sensor, vantage, domain, "ok"))


def spoiled(spoil: Spoil, one: Observation) -> Observation:
    said = spoil(one)
    return said if isinstance(said, Observation) else one._replace(outcome=said)


def after(hours: float, spoil: Spoil, start: float = START) -> Spoil:
    """Nothing before that hour."""
    return lambda one: spoil(one) if one.at >= start + hours * HOUR else "ok"


def refused(one: Observation) -> str:
    """A tenant that was switched off: the network is there, and nothing that needs a sign-in."""
    return "denied" if one.vendor == "microsoft-365" and one.aspect in ("auth", "semantic") else "ok"


def watched(observations: Iterable[Observation]) -> tuple[Watch, list[Change]]:
    watch = Watch(shipped())
    changes = [change for one in observations for change in watch.take(one)]
    return watch, changes + watch.finish()


def verdicts(changes: Iterable[Change], subject: str = "microsoft-365") -> list[Verdict]:
    return [one.verdict for one in changes if one.subject == subject]
