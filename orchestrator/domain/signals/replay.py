"""A recording run through the watch: what would have been said of it, and when."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.thresholds import DEFAULT, Thresholds
from orchestrator.domain.signals.watch import Watch


class Span(NamedTuple):
    """A subject's verdict from one time to another, seconds since the epoch, UTC."""

    start: float
    end: float
    verdict: Verdict
    words: dict[str, str]


@dataclass(slots=True)
class Replay:
    """`late` came after its time was over, `misdated` from a clock that nobody believed, for `crowded` there was no
    room; none of them count. `resets`: so often all clocks jumped."""

    changes: list[Change] = field(default_factory=list)
    count: int = 0
    first: float = float("inf")
    last: float = float("-inf")
    late: int = 0
    misdated: int = 0
    crowded: int = 0
    resets: int = 0

    def spans(self) -> dict[str, list[Span]]:
        """By subject, vendors first, in the order of time."""
        found: dict[str, list[Span]] = {}
        for one in self.changes:
            spans = found.setdefault(one.subject, [])
            if spans:
                spans[-1] = spans[-1]._replace(end=max(one.at, spans[-1].start))
            spans.append(Span(one.at, max(self.last, one.at), one.verdict, one.words))
        return {subject: found[subject] for subject in sorted(found, key=lambda name: (":" in name, name))}


Look = Callable[[Watch, Replay, float], None]
"""Called after each observation with what was found so far, and the time that it is then (UTC seconds)."""


def replay(
    observations: Iterable[Observation], catalogue: Catalogue, bars: Thresholds = DEFAULT, look: Look | None = None
) -> Replay:
    """All of it, to the end."""
    watch, found = Watch(catalogue, bars), Replay()
    for one in observations:
        found.count += 1
        found.first, found.last = min(found.first, one.at), max(found.last, one.at)
        found.changes += watch.take(one)
        if look is not None:
            look(watch, found, watch.arrivals.told(watch.arrivals.now))
    found.changes += watch.finish()
    arrivals = watch.arrivals
    found.late, found.misdated, found.resets = arrivals.late, arrivals.misdated, arrivals.resets
    found.crowded = watch.crowded
    return found
