"""Is it us? Controls, and unrelated vendors that fail together, tell a vantage's own trouble from the vendor's."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from orchestrator.domain.signals.thresholds import Thresholds

_NEVER = float("-inf")


class Control:
    """One sensor at a site of our own choice, from one vantage. Anything but an answer is its failure."""

    __slots__ = ("at", "bad", "bad_at", "bad_before", "rhythm", "site")

    def __init__(self, site: str) -> None:
        self.site = site
        self.at = _NEVER
        self.bad = False
        self.rhythm = 0.0
        """Seconds between its last two readings."""
        self.bad_at = self.bad_before = _NEVER

    def read(self, at: float, outcome: str) -> None:
        self.rhythm = at - self.at if self.at > _NEVER else 0.0
        self.at = at
        self.bad = outcome != "ok"
        if self.bad:
            self.bad_before, self.bad_at = self.bad_at, at

    def silence(self, bars: Thresholds) -> float:
        """Seconds after which it is silent; by its own rhythm."""
        return bars.silent_after * min(max(self.rhythm, bars.interval), bars.slowest * bars.interval)

    def doubted(self, since: float) -> bool:
        """It fails now, or failed twice since then: once is chance."""
        return self.bad or self.bad_before > since


class Health(NamedTuple):
    """How the controls of a vantage are. `proven`: there are fresh ones."""

    proven: bool
    failing: bool
    spotless: bool
    """None has failed for a while: a fault that comes and goes would show."""

    @property
    def sound(self) -> bool:
        return self.proven and not self.failing


UNPROVEN = Health(False, False, False)


def health(controls: Sequence[Control], at: float, bars: Thresholds) -> Health:
    """Failing when more than half of the controls are doubted: one site has outages of its own."""
    fresh = [one for one in controls if at - one.at <= one.silence(bars)]
    if not fresh:
        return UNPROVEN
    since = at - bars.control_memory
    doubted = sum(one.doubted(since) for one in fresh)
    return Health(True, 2 * doubted > len(fresh), all(one.bad_at <= since for one in fresh))


def shared(healths: Sequence[Health]) -> Health:
    """One health of several places' own: it fails only where all of them do."""
    proven = [one for one in healths if one.proven]
    if len(proven) <= 1:
        return proven[0] if proven else UNPROVEN
    return Health(True, all(one.failing for one in proven), any(one.spotless for one in proven))


class Failing(NamedTuple):
    """A vendor that fails at a vantage, and since when."""

    owner: str
    country: str
    since: float


def our_side(failing: Iterable[Failing], bars: Thresholds) -> bool:
    """Whether vendors who have nothing in common, not even the law that binds them, began to fail together here."""
    known = sorted((one for one in failing if one.country), key=lambda one: one.since)
    for start in range(len(known)):
        near = [one for one in known[start:] if one.since - known[start].since <= bars.together]
        if len({one.owner for one in near}) >= 3 and len({one.country for one in near}) >= 2:
            return True
    return False
