"""What a verdict is about to become: the standing's own rules, asked of the moments at which something may change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.domain.signals.quorum import Evidence, Verdict
from orchestrator.domain.signals.standing import Standing, weighed
from orchestrator.domain.signals.thresholds import Thresholds

_JUST_AFTER = 0.001
"""Seconds: a sum of two times is not exactly their sum."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the observations say at this moment by themselves (`evidence`), and what follows if they go on saying it.

    `becomes`: the next verdict, None where it stays; `at`: when, UTC seconds. `well`: so many trust domains see nothing
    wrong. `unseen`: it was cut or eroded, and stays suspect until a person acknowledges that, or a day has passed.
    """

    evidence: Verdict
    well: int
    becomes: Verdict | None
    at: float | None
    unseen: bool


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the watch saw at its last look. `at`: UTC seconds; `evidence` and `outlooks` by subject."""

    at: float
    evidence: Mapping[str, Verdict]
    outlooks: Mapping[str, Outlook]


def next_verdict(
    standing: Standing, evidence: Evidence, now: float, bars: Thresholds
) -> tuple[Verdict, float] | tuple[None, None]:
    """The verdict that comes next and when, in steady seconds, if the evidence stays what it is."""
    moved = weighed(standing, evidence, now, bars)
    for at in sorted(one + _JUST_AFTER for one in _moments(moved, bars) if one >= now):
        later = weighed(moved, evidence, at, bars).verdict
        if later is not moved.verdict:
            return later, at
    return None, None


def _moments(standing: Standing, bars: Thresholds) -> Iterator[float]:
    """All that `weighed` waits for."""
    for since, wait in zip(standing.held, (0.0, bars.hold_eroding, bars.hold_cut), strict=True):
        if since is not None:
            yield from (since + wait, since + 2 * wait)
    if standing.better_since is not None:
        yield from (standing.better_since + wait for wait in (bars.release, bars.release_eroding, bars.release_cut))
    if standing.unseen_since is not None:
        yield standing.unseen_since + bars.hold_unknown
    if standing.cooling_until is not None and standing.cooling_until < float("inf"):
        yield standing.cooling_until
