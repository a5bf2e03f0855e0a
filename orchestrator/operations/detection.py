"""The standing watch: what arrives is weighed, and every change of a verdict is recorded.

One worker does it. A worker that begins reads what was observed in the last
fortnight once more, and so comes to where the one before it was; what is recorded
already is not recorded again.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.proposals.subject import title_of
from orchestrator.domain.signals.board import Board, Said, Situation
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.feed import Feed
from orchestrator.domain.signals.outlook import Sighting
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.reason import Reason
from orchestrator.domain.signals.thresholds import DAY
from orchestrator.domain.signals.words import sentence
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import RequestError
from orchestrator.store import leases, verdicts
from orchestrator.store.arrivals import Arrivals, Arrived
from orchestrator.store.database import Database

log = logging.getLogger("bascule.detection")

LOOK_EVERY = 2.0
"""Seconds between two looks at what has arrived."""
AFTER_A_FAULT = 30.0
"""Seconds until all is read anew after a fault."""
FORTNIGHT = 15 * DAY
"""So far back is read when a worker begins: by then a usual value is learned."""
STOPS_WITHIN = 30.0
"""Seconds: a plan that is being made looks around for that long."""
LONGEST = 60 * DAY
"""Seconds that are read again at most."""
RENEW_EVERY = 2000
"""Of what is read again, after so many the lease is asked for once more."""
LEASE_FOR = 30.0
LEASE = "detection"


class LeaseLost(Exception):
    """Another worker watches by now; what this one found is that one's to record."""


class Detection:
    """`start` begins to watch, `stop` ends it. `after` is told the situation after each look, and raises nothing."""

    def __init__(
        self,
        database: Database,
        estates: Estates,
        clock: Callable[[], float],
        worker: str,
        after: Callable[[Situation], None],
    ) -> None:
        self._database = database
        self._estates = estates
        self._clock = clock
        self._worker = worker
        self._after = after
        self._watching: _Watching | None = None
        self._sighting: Sighting | None = None
        self._held = False
        self._asked = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_watch, name="detection", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOPS_WITHIN)
            self._give_back()

    def look(self) -> Situation | None:
        """Weigh what has arrived; None where another worker does that."""
        now = self._clock()
        if not self._is_mine(now):
            self._watching = self._sighting = None
            return None
        watching = self._watching
        if watching is None or self._is_outdated(watching):
            watching = self._begin(now)
        changes = [change for one in watching.arrivals.read(now) for change in _taken(watching.feed, one)]
        self._record(watching, [*changes, *watching.feed.pass_time(now)], now)
        self._watching = watching
        watch = watching.feed.watch
        evidence = watch.evidence()
        self._sighting = Sighting(now, evidence, watch.outlooks())
        return Situation(now, watching.board, evidence)

    def sighting(self) -> Sighting | None:
        """What this worker saw at its last look; None where another one watches, or none has looked yet."""
        return self._sighting

    def _keep_watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            try:
                situation = self.look()
            except LeaseLost:
                log.info("another worker has taken over the watch")
                self._watching = self._sighting = None
                continue
            except Exception:
                log.exception("what arrived could not be weighed once; the next look comes by itself")
                self._watching = self._sighting = None
                self._stopping.wait(AFTER_A_FAULT)
                continue
            if situation is not None:
                self._after(situation)

    def _is_mine(self, now: float) -> bool:
        if self._database.is_sqlite:
            return True
        if not (self._held and 0.0 <= now - self._asked < LEASE_FOR / 2):
            with self._database.write() as conn:
                self._held = leases.take(conn, LEASE, self._worker, now, LEASE_FOR)
            self._asked = now
        return self._held

    def _give_back(self) -> None:
        if self._database.is_sqlite:
            return
        try:
            with self._database.write() as conn:
                leases.give_back(conn, LEASE, self._worker)
        except Exception:
            log.exception("the lease of the watch was not given back; it runs out by itself")

    def _is_outdated(self, watching: "_Watching") -> bool:
        """The estate has moved on, and can be read."""
        try:
            newest = self._estates.newest()
            return newest != watching.commit and self._estates.bundle(newest) is not None
        except RequestError:
            return False

    def _begin(self, now: float) -> "_Watching":
        """Read the last fortnight again, under the catalogue and the sources of the newest estate."""
        commit, catalogue, silent_after = self._known()
        with self._database.read() as conn:
            board = verdicts.board(conn)
            since = _since(board, now)
            cuts = verdicts.last_cut(conn, since)
            seen = {row.subject: row.at for row in verdicts.acknowledged(conn)}
        feed, arrivals = Feed(catalogue, silent_after), Arrivals(self._database, since)
        for subject, at in cuts.items():
            if at > seen.get(subject, float("-inf")) and subject in catalogue.vendors:
                feed.watch.remember_cut(subject)
        last: dict[str, Change] = {}
        for number, one in enumerate(arrivals.read(now)):
            if number % RENEW_EVERY == 0 and not self._is_mine(self._clock()):
                raise LeaseLost
            last |= {change.subject: change for change in _taken(feed, one)}
        last |= {change.subject: change for change in feed.pass_time(now)}
        watching = _Watching(feed, arrivals, board, commit)
        moved = [one for one in last.values() if one.verdict is not board.verdict(one.subject)]
        silent = [one for one in board.subjects() if one not in last and board.verdict(one) is not Verdict.UNKNOWN]
        self._record(watching, [*moved, *(_silence(one, board, catalogue, now) for one in silent)], now)
        return watching

    def _known(self) -> tuple[str, Catalogue, dict[str, float]]:
        """The newest commit, its catalogue, and when its sources are silent."""
        try:
            commit = self._estates.newest()
            bundle = self._estates.bundle(commit)
        except RequestError as error:
            log.info("verdicts go by the catalogue that Bascule ships: %s", error)
            return "", self._estates.shipped, {}
        sources = bundle.estate.signals.sources.items()
        return commit, bundle.catalogue, {name: one.silent_after for name, one in sources if one.holds}

    def _record(self, watching: "_Watching", changes: Sequence[Change], now: float) -> None:
        if not changes:
            return
        with self._database.write() as conn:
            if not self._database.is_sqlite and not leases.take(conn, LEASE, self._worker, self._clock(), LEASE_FOR):
                self._held = False
                raise LeaseLost
            for one in changes:
                verdicts.record(conn, one, now)
        for one in changes:
            watching.board.note(Said(one.subject, one.verdict, one.at, one.since))
            level = logging.WARNING if one.verdict.rank >= Verdict.SUSPECT.rank else logging.INFO
            log.log(level, "%s", one.words["en"])


def _since(board: Board, now: float) -> float:
    """A fortnight, or one before the oldest of what is not well: what was usual before it must be learned again."""
    earliest = board.earliest(now - LONGEST)
    since = now - FORTNIGHT if earliest is None else min(now, earliest) - FORTNIGHT
    return max(since, now - LONGEST)


def _silence(subject: str, board: Board, catalogue: Catalogue, now: float) -> Change:
    """What was said of a subject of which nothing is known any more."""
    before = board.verdict(subject)
    reasons = (Reason("silent"),)
    words = sentence(title_of(subject, catalogue), Verdict.UNKNOWN, now, now, reasons)
    return Change(now, subject, Verdict.UNKNOWN, before, now, reasons, words)


@dataclass(slots=True)
class _Watching:
    """Where this worker's watch is. `commit`: the estate whose catalogue and sources it goes by."""

    feed: Feed
    arrivals: Arrivals
    board: Board
    commit: str


def _taken(feed: Feed, one: Arrived) -> Sequence[Change]:
    if one.observation is not None:
        return feed.observe(one.source, one.observation, one.at)
    return feed.hear(one.source, one.at) if one.source else feed.acknowledge(one.subject, one.at)
