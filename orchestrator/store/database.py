"""One database for the journal and the engine: a SQLite file by default, PostgreSQL by URL."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.pool import QueuePool

from orchestrator.store import audit
from orchestrator.store.turns import Turns

_CHECKOUT = Path(__file__).resolve().parents[2] / "alembic"
MIGRATIONS = _CHECKOUT if _CHECKOUT.exists() else Path(sys.prefix) / "share" / "bascule" / "alembic"
"""A checkout has its own; an installed wheel keeps them in the environment's share folder."""


Connection = sa.Connection
"""A connection within a transaction; other floors hand it on and never speak SQL on it."""


DatabaseAwayError = sa.exc.OperationalError
"""The database does not answer, is locked for long, or has no room: nothing was written, and it may pass."""


DatabaseFault = sa.exc.SQLAlchemyError
"""Anything that a database does wrong, its absence and missing tables included."""


class Database:
    """Writers and readers of one database.

    On SQLite all writers share one connection and take turns in this process
    instead of polling the file's lock; readers have their own connections and
    never wait for a writer (WAL). On PostgreSQL both use one pool.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            self._turns = Turns()
            self.engine = _sqlite_engine(url, pool_size=1, read_only=False)
            self.reader = _sqlite_engine(url, pool_size=8, read_only=True)
        else:
            self.engine = sa.create_engine(url, pool_size=24, max_overflow=8, pool_pre_ping=True, hide_parameters=True)
            self.reader = self.engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def write(self, *, urgent: bool = False) -> Iterator[sa.Connection]:
        """A transaction: committed at the end, rolled back on any exception.

        `urgent` ones go first where writers take turns. What was recorded for the audit is written last: its lock
        is then held shortly, and after every other.
        """
        with self._turns.turn(urgent=urgent) if self.is_sqlite else nullcontext(), self.engine.begin() as conn:
            audit.begin(conn)
            yield conn
            audit.settle(conn)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One moment of the database: everything read inside belongs together."""
        with self.reader.connect() as conn:
            if self.is_sqlite:
                conn.exec_driver_sql("BEGIN")
            yield conn

    def migrate(self) -> None:
        """Bring the tables to this version's form."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.begin() as conn:
            config.attributes["connection"] = conn
            command.upgrade(config, "head")

    def close(self) -> None:
        self.engine.dispose()
        self.reader.dispose()


def _sqlite_engine(url: str, *, pool_size: int, read_only: bool) -> sa.Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=120,
        pool_reset_on_return=None,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": 30},
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA wal_autocheckpoint=4000")
        connection.execute("PRAGMA cache_size=-32000")
        if read_only:
            connection.execute("PRAGMA query_only=ON")

    return engine
