"""The migrations make exactly the tables that the code speaks of, on both databases."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from orchestrator.domain.trust import Signature, Voucher
from orchestrator.store import estates, people_tables, standing_tables
from orchestrator.store.database import MIGRATIONS, Database
from orchestrator.store.tables import metadata

pytestmark = pytest.mark.both_databases


def test_migrations_and_tables_agree_and_migrating_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    if database.is_sqlite:  # what tests are given has DBOS's tables besides
        database = Database(f"sqlite:///{tmp_path / 'new.db'}")
        database.migrate()
    database.migrate()
    with database.engine.connect() as conn:
        assert people_tables.people.metadata is standing_tables.standing_approvals.metadata is metadata
        made = set(sa.inspect(conn).get_table_names()) - {"alembic_version"}
        options = {"include_object": lambda _o, name, kind, _r, _c: kind != "table" or name in metadata.tables}
        assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []
    assert made == set(metadata.tables)


def test_accepted_commits_are_one_line_each_of_one_history(database: Database) -> None:
    alice, bob = Signature(("alice@town.example",), "SHA256:a"), Signature(("bob@town.example",), "SHA256:b")
    with database.write() as conn:
        assert estates.accept(conn, "a" * 40, "timer", 1.0, after=None)
        assert not estates.accept(conn, "a" * 40, "timer", 2.0, after=None)
        first = estates.newest(conn)
        assert first is not None
        assert first.voucher is None
        assert estates.newest_trusted(conn) is None
        assert estates.accept(conn, "b" * 40, "olga", 3.0, after=first, voucher=Voucher(alice, (alice, bob)))
        assert not estates.accept(conn, "c" * 40, "webhook", 4.0, after=first)
        second = estates.newest(conn)
        assert second is not None
        assert estates.accept(conn, "a" * 40, "olga", 5.0, after=second, reason="back again")
        newest = estates.newest(conn)
        assert newest is not None
        assert estates.newest_trusted(conn) == second
        estates.vouch(conn, newest, Voucher(bob))
        assert estates.newest_trusted(conn) == estates.at(conn, "a" * 40)
    assert (second.commit, second.previous, second.accepted_by) == ("b" * 40, "a" * 40, "olga")
    assert second.voucher == Voucher(alice, (alice, bob))
    assert (newest.commit, newest.previous, newest.reason) == ("a" * 40, "b" * 40, "back again")


def test_what_was_accepted_before_there_were_signatures_stays_in_order(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as conn:
        config.attributes["connection"] = conn
        command.downgrade(config, "0005")
        for commit in ("a", "b", "c"):
            row = {"commit": commit * 40, "at": 1.0}
            conn.execute(
                sa.text("INSERT INTO estate_commits (\"commit\", accepted_at, accepted_by) VALUES (:commit, :at, 'x')"),
                row,
            )
    database.migrate()
    with database.write() as conn:
        newest = estates.newest(conn)
        assert newest is not None
        assert (newest.commit, newest.reason, newest.voucher) == ("c" * 40, "", None)
        assert not estates.accept(conn, "d" * 40, "timer", 2.0, after=None)
        assert estates.accept(conn, "d" * 40, "timer", 2.0, after=newest)
