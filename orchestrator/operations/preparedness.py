"""How well each service is prepared to move: by the newest estate, the journal, verdicts and clocks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.estate import Service
from orchestrator.domain.model import Mode, RunState
from orchestrator.domain.preparedness import Lack, Readiness, Trial, lacks_of, readiness_of
from orchestrator.domain.proposals.subject import title_of
from orchestrator.domain.signals.clock import crisis_order
from orchestrator.domain.signals.clock_board import ClockLine, clock_board
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.words import Said
from orchestrator.operations.estate import Estates, Refusal
from orchestrator.operations.request import RequestError
from orchestrator.operations.verdicts import Standing, Verdicts
from orchestrator.store import proven
from orchestrator.store.database import Connection, Database
from orchestrator.store.estates import Accepted
from orchestrator.store.runs import Row

Trials = Mapping[Mode, Trial]
"""The last of each mode that ended."""
OLDER = 4
"""Commits that are tried, the newest included."""
_MOVED = (RunState.SUCCEEDED, RunState.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One service. `copied_at`: when its data was copied last, outside of rehearsals (UTC seconds). `standing`: what is
    said of its vendor, None where nothing is. `clocks`: those of its vendor and of what it needs, the first in front;
    `running` is false where they would run only after a loss."""

    name: str
    service: Service
    vendor: Said
    target: Said
    standing: Standing | None
    needed_by: tuple[str, ...]
    trials: Trials
    copied_at: float | None
    clocks: tuple[ClockLine, ...]
    running: bool
    lacks: tuple[Lack, ...]
    readiness: Readiness

    @property
    def verdict(self) -> Verdict:
        return self.standing.verdict if self.standing is not None else Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class Preparations:
    """All services, in the order in which they would move. `trouble`: why the newest accepted commit can't be read;
    then an older one stands here, or `services` is empty and `journal` has what is known of those that once ran.
    `refusal`: a newer commit of the branch, which was not accepted."""

    accepted: Accepted | None
    bundle: Bundle | None
    trouble: str
    refusal: Refusal | None
    services: tuple[Prepared, ...]
    journal: Mapping[str, Trials] = field(default_factory=dict)


class Preparedness:
    def __init__(self, database: Database, estates: Estates, verdicts: Verdicts, clock: Callable[[], float]) -> None:
        self._database = database
        self._estates = estates
        self._verdicts = verdicts
        self._clock = clock

    def board(self) -> Preparations:
        """Never raises for an estate that can't be read: what else is known is told all the same."""
        refusal = self._estates.refusal
        accepted, bundle, trouble = self._readable()
        with self._database.read() as conn:
            trials = last_trials(conn)
            copies = proven.last_copies(conn)
        if bundle is None:
            return Preparations(accepted, None, trouble, refusal, (), trials)
        return Preparations(accepted, bundle, trouble, refusal, tuple(self._prepared(bundle, trials, copies)))

    def runs_of(self, service: str, limit: int) -> Sequence[Row]:
        """The newest runs of a service, the latest in front."""
        with self._database.read() as conn:
            return proven.runs_of(conn, service, limit)

    def _readable(self) -> tuple[Accepted | None, Bundle | None, str]:
        """The newest commit that can be read, and why none after it can."""
        trouble, commit = "", ""
        for _ in range(OLDER):
            accepted = None
            try:
                accepted = self._estates.accepted(commit)
                return accepted, self._estates.bundle(accepted.commit), trouble
            except RequestError as error:
                trouble = trouble or str(error)
            if accepted is None or accepted.previous is None:
                break
            commit = accepted.previous
        return None, None, trouble

    def _prepared(
        self, bundle: Bundle, trials: Mapping[str, Trials], copies: Mapping[str, float]
    ) -> Iterable[Prepared]:
        services, catalogue, now = bundle.estate.services, bundle.catalogue, self._clock()
        standings = {one.subject: one for one in self._verdicts.listed()}
        board = clock_board(self._verdicts.onsets(), services, catalogue, now)
        supposed = clock_board({}, services, catalogue, now)
        for turn in crisis_order(services, list(services), ()):
            name = turn.service
            service = services[name]
            standing = standings.get(service.vendor)
            tried = trials.get(name, {})
            watched = standing is not None and standing.change is not None
            clocks = [line for line in board.lines if board.running and name in line.services]
            lacks = lacks_of(name, services, bundle.runbooks, tried.values(), copies.get(name), now, watched=watched)
            yield Prepared(
                name=name,
                service=service,
                vendor=title_of(service.vendor, catalogue),
                target=title_of(service.target, catalogue),
                standing=standing,
                needed_by=tuple(other for other, one in services.items() if name in one.needs),
                trials=tried,
                copied_at=copies.get(name),
                clocks=tuple(clocks or (line for line in supposed.lines if name in line.services)),
                running=bool(clocks),
                lacks=lacks,
                readiness=readiness_of(lacks),
            )


def last_trials(conn: Connection) -> dict[str, dict[Mode, Trial]]:
    """Service -> of each mode, the last failover that ended."""
    rows: dict[tuple[str, Mode], Row] = {}
    for row in proven.ended_failovers(conn):
        for service in row.services:
            rows.setdefault((str(service), Mode(row.mode)), row)
    ids = {row.id for row in rows.values()}
    undone = {row.id for row in rows.values() if RunState(row.state) not in _MOVED}
    firsts, moved = proven.first_ends(conn, undone), proven.moved_at(conn, ids - undone)
    found: dict[str, dict[Mode, Trial]] = {}
    for (service, mode), row in rows.items():
        found.setdefault(service, {})[mode] = _trial(row, mode, firsts.get(row.id), moved.get((row.id, service)))
    return found


def _trial(row: Row, mode: Mode, first: tuple[str, float] | None, moved_at: float | None) -> Trial:
    outcome, ended_at = RunState(row.state), float(row.ended_at)
    if outcome is RunState.SUCCEEDED and moved_at is None:
        moved_at = ended_at  # its part of the run had nothing to do
    if outcome is RunState.INCOMPLETE:
        moved_at = None
    if first is not None and first[0] == RunState.SUCCEEDED:
        moved_at = ended_at = first[1]
    began = row.started_at if row.started_at is not None else ended_at
    took = None if moved_at is None else max(moved_at - began, 0.0)
    return Trial(row.id, mode, outcome, ended_at, took, tuple(row.services))
