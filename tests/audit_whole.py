"""Invariant I10, to be asserted after whatever a test did: every chain of the audit verifies."""

from orchestrator.operations.audit_check import verify
from orchestrator.store.audit_reading import DatabaseSource
from orchestrator.store.database import Database


def assert_audit_whole(database: Database) -> None:
    with database.read() as conn:
        found = verify(DatabaseSource(conn), [], frozenset())
    assert found.whole, list(found.findings)
