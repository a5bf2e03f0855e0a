"""What a webhook said holds until it says otherwise: an open alert is observed again at each interval.

A monitoring system speaks when things change, and the watch weighs readings. So
the newest outcome of each of its states, `ok` as well, is read again on the grid
of the intervals, for as long as the source is alive. Our own probes look by
themselves, and hold nothing.

Each of these readings counts in full in Wald's test, which takes readings for
independent of each other. They are, as far as the monitoring looked again in
between and would have said that it passed: what is open for three intervals was
looked at and failed three times. That holds for checks made at least once an
interval. A check made more seldom is counted more than once, and a resolution
that never arrived goes on failing until its source is silent; both are bounded
where all that one credential vouches for is: it makes suspect and no more.

Invariant: what comes out depends on what was given and when it was received, and
not on when time was told in between.
"""

from bisect import insort
from collections.abc import Mapping

from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.thresholds import DEFAULT, HOUR

SILENT_AFTER = 12 * HOUR
"""Seconds without any delivery until a source is silent. Alertmanager repeats what is open every four hours; and it is
half of what makes failures without refusals a cut, so that a source that went away never makes one."""
OUR_OWN = ""
"""The source of our own probes' observations."""

_State = tuple[str, str, str, str, str]
"""Source, vendor, aspect, sensor, account."""


class Holding:
    """Takes observations in the order in which they came, and answers those that the watch is to take, in order.

    `silent_after`: by source, seconds without any delivery until nothing that it said holds; `interval`: seconds. The
    times of `received` and `now` are our own clock's, UTC seconds since the epoch.
    """

    def __init__(self, silent_after: Mapping[str, float] | None = None, interval: float = DEFAULT.interval) -> None:
        self._silent_after = dict(silent_after or {})
        self._interval = interval
        self._newest: dict[_State, Observation] = {}
        self._order: list[_State] = []
        self._heard: dict[str, float] = {}
        """By source, when it delivered last."""
        self._done = float("-inf")
        """Up to here on the grid, all has been read again."""

    def take(self, source: str, one: Observation, received: float) -> list[Observation]:
        """One observation of that source: what was due before it, and itself. What is older than the newest of its
        state is handed on, shows that the source is alive, and changes nothing else."""
        found = self.heard(source, received)
        if source != OUR_OWN:
            self._keep(source, one, received)
        found.append(one)
        return found

    def heard(self, source: str, received: float) -> list[Observation]:
        """A delivery of that source in which nothing is new, such as an open alert that it repeats."""
        found = self.tick(received)
        if source != OUR_OWN:
            self._heard[source] = received
        return found

    def tick(self, now: float) -> list[Observation]:
        """Time passes. A clock that went back by more than an interval is believed: what was said stays as it is."""
        last = now // self._interval * self._interval
        if last < self._done - self._interval:
            self._go_back(now)
        elif not self._order:
            self._done = last
        found: list[Observation] = []
        at = self._done + self._interval
        while at <= last and at <= max(map(self._ends, self._heard), default=last):
            found += [self._newest[state]._replace(at=at) for state in self._order if self._holds(state, at)]
            at += self._interval
        self._done = max(self._done, last)
        return found

    def _go_back(self, now: float) -> None:
        self._done = now // self._interval * self._interval
        self._heard = {source: min(at, now) for source, at in self._heard.items()}
        self._newest = {state: one._replace(at=min(one.at, now)) for state, one in self._newest.items()}

    def _keep(self, source: str, one: Observation, received: float) -> None:
        state = (source, one.vendor, one.aspect, one.sensor, one.account or "")
        known = self._newest.get(state)
        at = min(one.at, received)
        if known is None:
            insort(self._order, state)
        elif at < known.at:
            return
        self._newest[state] = one._replace(at=at)

    def _holds(self, state: _State, at: float) -> bool:
        newest = self._newest[state]
        return newest.outcome != "unknown" and newest.at + self._interval <= at <= self._ends(state[0])

    def _ends(self, source: str) -> float:
        return self._heard[source] + self._silent_after.get(source, SILENT_AFTER)
