"""What this installation is made of, as it sees itself at this moment: nothing is asked of anybody else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.operations.own_certificate import OwnCertificate
from orchestrator.operations.readiness import Readiness
from orchestrator.store import workers
from orchestrator.store.database import Database
from orchestrator.store.sealing import Keyring

SEEN_WITHIN = 30.0
"""Seconds within which a worker shows that it is alive."""


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """`own`: the one of this process. `alive`: it showed so lately. Times are UTC seconds."""

    id: str
    started_at: float
    seen_at: float
    own: bool
    alive: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """`database`: `sqlite` or `postgresql`. `certificate_ends` None: there is none, or it can't be read.

    `keys`: how many keys of the secrets are here. `uncontained`: why plays can't be contained; empty where they can.
    """

    ready: bool
    database: str
    workers: Sequence[WorkerSeen]
    certificate: str
    certificate_ends: float | None
    keys: int
    keys_from: str
    uncontained: str


class Itself:
    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        certificate: OwnCertificate,
        readiness: Readiness,
        worker_id: str,
        uncontained: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._certificate = certificate
        self._readiness = readiness
        self._worker_id = worker_id
        self._uncontained = uncontained
        self._clock = clock

    def facts(self) -> Facts:
        file = self._certificate.file
        return Facts(
            ready=self._readiness.ready(),
            database="sqlite" if self._database.is_sqlite else "postgresql",
            workers=self._workers(),
            certificate=str(file) if file is not None else "",
            certificate_ends=self._certificate.ends(),
            keys=len(self._keyring.ids),
            keys_from=self._keyring.source.where,
            uncontained=self._uncontained(),
        )

    def _workers(self) -> list[WorkerSeen]:
        """On SQLite one process owns the data directory: what other workers left there is of earlier starts."""
        now = self._clock()
        with self._database.read() as conn:
            rows = workers.listed(conn)
        found = []
        for row in rows:
            own = row.id == self._worker_id
            if own or not self._database.is_sqlite:
                alive = own or now - row.seen_at <= SEEN_WITHIN
                found.append(WorkerSeen(row.id, row.started_at, now if own else row.seen_at, own, alive))
        return found
