"""One of several workers on PostgreSQL holds a lease. On SQLite there is one process: whoever held it is gone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.store import leases
from orchestrator.store.database import Database
from tests.databases import new_postgres_database

NOON = 1_795_608_000.0


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    made = Database(new_postgres_database(postgres))
    made.migrate()
    yield made
    made.close()


def take(database: Database, holder: str, now: float = NOON, name: str = "probes") -> bool:
    with database.write() as conn:
        return leases.take(conn, name, holder, now, 60.0)


def test_one_holds_it_until_it_runs_out_or_is_given_back(database: Database) -> None:
    assert take(database, "a")
    assert not take(database, "b")
    assert take(database, "b", name="other")
    assert take(database, "a", NOON + 50.0), "it is prolonged"
    assert not take(database, "b", NOON + 100.0)
    assert take(database, "b", NOON + 111.0)
    assert not take(database, "a", NOON + 112.0)
    with database.write() as conn:
        leases.give_back(conn, "probes", "a")
    assert not take(database, "a", NOON + 112.0), "only its holder gives it back"
    with database.write() as conn:
        leases.give_back(conn, "probes", "b")
    assert take(database, "a", NOON + 112.0)


def test_a_lease_that_a_wrong_clock_took_holds_nobody_up(database: Database) -> None:
    assert take(database, "ahead", NOON + 365 * 86400.0)
    assert take(database, "right", NOON)
    assert not take(database, "ahead", NOON + 1.0)


def test_of_many_at_once_one_gets_it(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        for moment in range(5):
            now = NOON + 1000.0 * moment
            taken = list(pool.map(lambda holder, at=now: take(database, f"w{holder}", at), range(8)))
            assert sum(taken) == 1


def test_on_sqlite_nobody_waits_for_a_process_that_is_gone(tmp_path: Path) -> None:
    made = Database(f"sqlite:///{tmp_path / 'bascule.db'}")
    made.migrate()
    assert take(made, "killed")
    assert take(made, "begun anew", NOON + 1.0)
    made.close()
