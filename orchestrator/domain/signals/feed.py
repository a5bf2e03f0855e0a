"""All that the watch is told, in the order in which it came: readings, signs of life, acknowledgements, time.

Invariant: what comes of it depends on the order and the times of what is given,
and not on how often it is asked: a service that starts again and takes the same
from its store comes to the same verdicts.
"""

from collections.abc import Iterable, Mapping

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.holding import OUR_OWN, Holding
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.thresholds import DAY, DEFAULT, MINUTE, Thresholds
from orchestrator.domain.signals.watch import Watch

INTERVAL = 5 * MINUTE
LONGEST_GAP = 61 * DAY
"""Seconds without a word for which time is counted out minute by minute; what is older is forgotten by then."""


class Feed:
    """Its times are our own clock's, UTC seconds.

    `silent_after`: the sources of webhooks whose word holds, see Holding; what anybody else says is a reading, and no
    more than that.
    """

    def __init__(
        self, catalogue: Catalogue, silent_after: Mapping[str, float] | None = None, bars: Thresholds = DEFAULT
    ) -> None:
        self.watch = Watch(catalogue, bars)
        self._speakers = frozenset(silent_after or ())
        self._holding = Holding(silent_after, bars.interval)
        self._heard: dict[str, float] = {}
        self._minute: float | None = None

    def observe(self, source: str, one: Observation, received: float) -> list[Change]:
        """`source`: who spoke; empty for our own probes."""
        speaker = source if source in self._speakers else OUR_OWN
        self._heard[source] = received
        return [*self.pass_time(received), *self._taken(self._holding.take(speaker, one, received))]

    def hear(self, source: str, at: float) -> list[Change]:
        """A source delivered something, whatever it was. Signs of life count in steps of minutes, and never make a
        source older than its last word, unless the clock went back."""
        if source not in self._speakers:
            return []
        last = self._heard.get(source, at)
        at = last if at < last < at + 2 * INTERVAL else at
        self._heard[source] = at
        return [*self.pass_time(at), *self._taken(self._holding.heard(source, at))]

    def acknowledge(self, vendor: str, at: float) -> list[Change]:
        changes = self.pass_time(at)
        self.watch.acknowledge(vendor)
        return changes

    def pass_time(self, now: float) -> list[Change]:
        """Every whole minute up to now."""
        last = now // MINUTE * MINUTE
        if self._minute is None or last < self._minute:
            self._minute = last
        changes: list[Change] = []
        at = max(self._minute + MINUTE, last - LONGEST_GAP)
        while at <= last:
            changes += self._taken(self._holding.tick(at))
            changes += self.watch.tick(at)
            self._minute = at
            at += MINUTE
        return changes

    def _taken(self, found: Iterable[Observation]) -> list[Change]:
        return [change for one in found for change in self.watch.take(one)]
