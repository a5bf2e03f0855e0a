"""What came in, in the order in which it came: observations, signs of life of sources, acknowledgements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa

from orchestrator.domain.signals.observation import Observation
from orchestrator.store import deliveries, observations, verdicts
from orchestrator.store.database import Database

AT_ONCE = 5000
SETTLED = 60.0
"""Seconds after which no transaction is open any more that was given an earlier id: on PostgreSQL they may commit out
of their order."""
UNSETTLED = 1000
"""Ids below the first that may still be given to observations of open transactions."""


class Arrived(NamedTuple):
    """Exactly one of: an observation (`source` is who posted it), a sign of life of `source`, or an acknowledgement of
    `subject`. `at`: when it came in, UTC seconds."""

    at: float
    source: str = ""
    observation: Observation | None = None
    subject: str = ""


@dataclass(slots=True)
class Arrivals:
    """Where the reading of all three is. `since`: what came in before is left out, UTC seconds."""

    database: Database
    since: float
    _low: int = -1
    """Every observation up to this id has been read."""
    _seen: set[int] = field(default_factory=set)
    """Those beyond it that have been read as well."""
    _beat: int = -1
    _beaten: set[tuple[str, int]] = field(default_factory=set)
    """The newest slot of signs of life, and those read of it and of the slot before."""
    _acknowledged: int = 0

    def read(self, now: float) -> Iterator[Arrived]:
        """All that is new, page by page, and within a page in the order of time."""
        while True:
            page, full = self._page(now)
            yield from page
            if not full:
                return

    def _page(self, now: float) -> tuple[list[Arrived], bool]:
        """Each page has up to AT_ONCE observations that were not read before, so that reading comes to an end."""
        most = AT_ONCE + len(self._seen)
        with self.database.read() as conn:
            if self._low < 0:
                self._begin(conn)
            rows = observations.arrived_after(conn, self._low, most)
            full = len(rows) == most
            found = [_observed(row) for row in rows if row.id not in self._seen and row.received_at >= self.since]
            until = max((row.received_at for row in rows), default=now) if full else now
            found += self._beats(conn, min(until, now))
            found += self._acknowledgements(conn, until)
        self._go_on(rows, now)
        return sorted(found, key=lambda one: one.at), full

    def _begin(self, conn: sa.Connection) -> None:
        first = observations.first_since(conn, self.since)
        self._low = first if self.database.is_sqlite else max(first - UNSETTLED, 0)
        self._beat = int(self.since // deliveries.BEAT)

    def _beats(self, conn: sa.Connection, until: float) -> list[Arrived]:
        """Of the newest slot and the one before again: another source may have been heard in them since."""
        rows = [row for row in deliveries.beats(conn, self._beat - 2) if row[1] * deliveries.BEAT <= until]
        new = [row for row in rows if row not in self._beaten]
        self._beat = max((slot for _, slot in rows), default=self._beat)
        self._beaten = {row for row in rows if row[1] >= self._beat - 1}
        return [Arrived(slot * deliveries.BEAT, source) for source, slot in new]

    def _acknowledgements(self, conn: sa.Connection, until: float) -> list[Arrived]:
        rows = [row for row in verdicts.acknowledged(conn, self._acknowledged) if row.at <= until]
        self._acknowledged = max((row.id for row in rows), default=self._acknowledged)
        return [Arrived(row.at, subject=row.subject) for row in rows if row.at >= self.since]

    def _go_on(self, rows: Sequence[sa.Row[Any]], now: float) -> None:
        """Up to where no earlier id can appear any more. What lies beyond now is of a clock that was ahead."""
        for row in rows:
            if not self.database.is_sqlite and now - SETTLED < row.received_at <= now + SETTLED:
                break
            self._low = row.id
        self._seen = {row.id for row in rows if row.id > self._low}


def _observed(row: sa.Row[Any]) -> Arrived:
    one = Observation(*(getattr(row, name) for name in Observation._fields))
    return Arrived(row.received_at, row.source, one)
