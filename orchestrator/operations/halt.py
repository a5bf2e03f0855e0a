"""The kill switch: engaged by one person, at once, for everything; lifted by one, with a reason.

While a halt is in force nothing begins a new effect: every claim asks for it in its own transaction
(`RunJournal.may_begin`), and what is in the middle of several effects is told before the next (`engine.halting`).
Every run is paused besides, so that lifting the halt makes none of them go on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.domain import halt as domain
from orchestrator.domain.halt import HOW_TO_LIFT, Halted
from orchestrator.engine.progress import Progress
from orchestrator.operations.request import Conflict, Denied, RequestError
from orchestrator.store import halts, runs
from orchestrator.store.database import Connection, Database

LISTED = 20


class IsHalted(Denied):
    """A halt is in force; the text names who engaged it, when, and how it is lifted."""

    code = "halted"

    def __init__(self, halted: Halted) -> None:
        since = datetime.fromtimestamp(halted.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        super().__init__(
            f"Everything is halted since {since} by {halted.by} ({halted.reason}): nothing new may begin. "
            f"Once it is safe, lift it with `{HOW_TO_LIFT}`, then resume what should go on."
        )
        self.halted = halted


@dataclass(frozen=True, slots=True)
class Engaged:
    """`created` is false when a halt was in force already, which stays as it is. `paused`: runs that went on."""

    halted: Halted
    created: bool
    paused: tuple[str, ...]


def require_free(conn: Connection) -> None:
    """To be asked in the transaction that makes something begin. Raises IsHalted."""
    halts.exclude(conn)
    found = halts.in_force(conn)
    if found is not None:
        raise IsHalted(found)


class Halt:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._database = progress.database

    @classmethod
    def without_engine(cls, database: Database, clock: Callable[[], float]) -> "Halt":
        """On the database alone, for when no service answers; whatever works on it obeys all the same."""
        return cls(Progress(database, lambda _conn, _dispatch: None, clock))

    def in_force(self) -> Halted | None:
        with self._database.read() as conn:
            return halts.in_force(conn)

    def require_free(self) -> None:
        """Raises IsHalted."""
        found = self.in_force()
        if found is not None:
            raise IsHalted(found)

    def history(self, limit: int = LISTED) -> list[domain.Halt]:
        """The newest first."""
        with self._database.read() as conn:
            return halts.listed(conn, limit)

    def engage(self, by: str, reason: str) -> Engaged:
        """Halt everything. Asked for again it changes nothing. Raises RequestError without a reason.

        The halt holds from its own short transaction on; runs are paused after it, one by one.
        """
        _need(reason, "why everything is halted")
        with self._database.write(urgent=True) as conn:
            halts.exclude_all(conn)
            found = halts.in_force(conn)
            halted = found or halts.engage(conn, self._progress.clock(), by, reason.strip())
            active = runs.going_on(conn)
        self.enforce()
        return Engaged(halted, found is None, tuple(active))

    def lift(self, by: str, reason: str) -> Halted:
        """Let runs be started and resumed again; none goes on by that alone. Raises Conflict, RequestError."""
        _need(reason, "why it is safe to go on")
        self.enforce()
        with self._database.write() as conn:
            halts.exclude_all(conn)
            halted = halts.in_force(conn)
            if halted is None:
                raise Conflict("No halt is in force: there is nothing to lift.")
            halts.lift(conn, halted.id, self._progress.clock(), by, reason.strip())
        self._progress.announce()
        return halted

    def enforce(self) -> None:
        """Pause what goes on while a halt is in force. Safe to repeat."""
        with self._database.read() as conn:
            active = runs.going_on(conn) if halts.in_force(conn) is not None else []
        for run_id in active:
            with self._progress.journal(run_id) as journal:
                journal.halted()


def _need(reason: str, what: str) -> None:
    if not reason.strip():
        raise RequestError(f"Give a reason, {what}: it is kept.")
