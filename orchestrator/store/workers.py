"""Which workers are alive: a row each, and on PostgreSQL a session lock that a dead worker cannot hold."""

import os
import secrets
import time
import zlib
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from orchestrator.store.database import Database
from orchestrator.store.runs import Row
from orchestrator.store.tables import workers

FREE_FOR = 3.0
"""Seconds that a worker's lock must stay free before its work is taken: a cut-off worker has stopped by then."""


def listed(conn: sa.Connection) -> Sequence[Row]:
    """All that are known, the oldest first; those of earlier starts stay until their work is handed over."""
    return conn.execute(sa.select(workers).order_by(workers.c.started_at, workers.c.id)).all()


class LeaseLost(Exception):
    """The connection that held this worker's lock is gone; the worker must stop at once."""


class Lease:
    """This worker's sign of life, unique to each boot.

    On SQLite one process owns the data directory (by file lock), so every other
    worker in the table is dead. On PostgreSQL each worker holds a session
    advisory lock on a connection of its own; a free lock means a dead worker.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self.worker_id = f"w{os.getpid()}-{secrets.token_hex(6)}"
        self._lock_key = zlib.crc32(self.worker_id.encode()) | (0x6261 << 32)
        self._connection: sa.Connection | None = None
        self._free_since: dict[str, float] = {}

    def take(self) -> None:
        if not self._database.is_sqlite:
            self._connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.execute(sa.select(sa.func.set_config("application_name", self.worker_id, False)))
            self._connection.execute(sa.select(sa.func.pg_advisory_lock(self._lock_key)))
        now = self._clock()
        row = {"id": self.worker_id, "started_at": now, "seen_at": now, "lock_key": self._lock_key}
        with self._database.write() as conn:
            conn.execute(sa.insert(workers), row)

    def renew(self) -> None:
        """Prove that the lock's connection still lives. Raises LeaseLost."""
        if self._connection is None:
            return
        try:
            self._connection.execute(sa.select(1))
        except sa.exc.SQLAlchemyError as error:
            raise LeaseLost("the database connection that proves this worker alive is gone") from error
        with self._database.write() as conn:
            conn.execute(sa.update(workers).where(workers.c.id == self.worker_id).values(seen_at=self._clock()))

    def dead_workers(self) -> list[str]:
        """Workers whose lock is free. `forget` them once their work is handed over."""
        with self._database.read() as conn:
            others = conn.execute(sa.select(workers).where(workers.c.id != self.worker_id)).all()
        if self._database.is_sqlite:
            return [row.id for row in others]
        free = {row.id for row in others if self._is_free(row.lock_key)}
        now = time.monotonic()
        self._free_since = {worker: self._free_since.get(worker, now) for worker in free}
        return [worker for worker, since in self._free_since.items() if now - since >= FREE_FOR]

    def forget(self, worker_ids: list[str]) -> None:
        with self._database.write() as conn:
            conn.execute(sa.delete(workers).where(workers.c.id.in_(worker_ids)))

    def give_back(self) -> None:
        """Let the lock go. The row stays: work that was cut short is handed over by it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _is_free(self, lock_key: int) -> bool:
        with self._database.engine.connect() as conn:
            free = conn.execute(sa.select(sa.func.pg_try_advisory_xact_lock(lock_key))).scalar_one()
            conn.rollback()
        return bool(free)
