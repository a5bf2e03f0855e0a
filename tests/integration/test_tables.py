"""The migrations make exactly the tables that the code speaks of, on both databases."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from orchestrator.store import estates
from orchestrator.store.database import Database
from orchestrator.store.tables import metadata


def test_migrations_and_tables_agree_and_migrating_again_changes_nothing(database: Database) -> None:
    database.migrate()
    with database.engine.connect() as conn:
        made = set(sa.inspect(conn).get_table_names()) - {"alembic_version"}
        options = {"include_object": lambda _o, name, kind, _r, _c: kind != "table" or name in metadata.tables}
        assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []
    assert made == set(metadata.tables)


def test_accepted_commits_are_journalled_once_and_never_go_back(database: Database) -> None:
    with database.write() as conn:
        assert estates.accept(conn, "a" * 40, "timer", 1.0)
        assert not estates.accept(conn, "a" * 40, "timer", 2.0)
        assert estates.accept(conn, "b" * 40, "olga", 3.0)
        assert not estates.accept(conn, "a" * 40, "webhook", 4.0)
        newest = estates.newest(conn)
    assert newest is not None
    assert (newest.commit, newest.previous, newest.accepted_by) == ("b" * 40, "a" * 40, "olga")
