"""Runs migrations on the connection it is given; DBOS's own tables are left alone."""

from typing import Any

from alembic import context

from orchestrator.store import people_tables, standing_tables
from orchestrator.store.tables import metadata

assert people_tables.people.metadata is standing_tables.standing_approvals.metadata is metadata  # all are loaded


def ours(_object: Any, name: str | None, kind: str, _reflected: bool, compare_to: Any) -> bool:
    """Only tables of our own metadata take part in comparisons."""
    if kind == "table":
        return name in metadata.tables
    return True


connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Migrations run by themselves when Bascule starts; `bascule serve` is the command.")
context.configure(
    connection=connection,
    target_metadata=metadata,
    include_object=ours,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
