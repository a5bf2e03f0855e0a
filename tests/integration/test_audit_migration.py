"""A database of an older version: its journals are hashed as they are found, and verify from then on."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from orchestrator.domain.journal import RunEvent
from orchestrator.operations.audit_check import verify
from orchestrator.store.audit_reading import open_database
from orchestrator.store.database import MIGRATIONS, Database
from orchestrator.store.journal import RunJournal

pytestmark = pytest.mark.both_databases

EVENTS = 2500
"""More than are hashed at a time."""


def test_older_journals_are_hashed_and_go_on(database_url: str) -> None:
    database = Database(database_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0005")
        _old_run(conn)
    database.migrate()
    with database.write() as conn:
        journal = RunJournal(conn, "old", 9.0)
        journal.run_event(RunEvent.FINISHED, data={"outcome": "succeeded"})
        journal.flush()
    with open_database(database_url) as source:
        found = verify(source, [], frozenset())
        told = {chain: [entry.kind for entry in entries] for chain, entries in source.chains()}
    database.close()
    assert found.whole, list(found.findings)
    assert told["administration"] == ["audit.begun", "run.adopted", "run.finished"]
    assert found.heads["run/old"].length == EVENTS + 1


def _old_run(conn: sa.Connection) -> None:
    """As a version without the audit wrote it: the spaces and the order of its JSON are Python's."""
    columns = sa.MetaData()
    columns.reflect(conn, only=["plans", "runs", "events"])
    plan = {"digest": "d", "commit": "c", "created_at": 1.0, "document": {}}
    conn.execute(sa.insert(columns.tables["plans"]), plan)
    run: dict[str, Any] = {
        "id": "old",
        "plan_digest": "d",
        "commit": "c",
        "scope": "live",
        "mode": "live",
        "direction": "failover",
    }
    run |= {"services": ["s"], "requested_by": "olga", "reason": "é", "state": "running", "releases": [], "message": ""}
    counts = {"releases_needed": 0, "created_at": 1.5, "seq": EVENTS, "remaining": 0, "undo_remaining": 0}
    conn.execute(sa.insert(columns.tables["runs"]), {**run, **counts, "paused": False})
    data = {"z": 1, "a": {"wake_at": 0.1, "big": 1e300, "text": 'é\u2028"\\'}, "n": [None, True, -0.0]}
    assert json.dumps(data) != json.dumps(data, sort_keys=True)
    event = {"run_id": "old", "at": 1795600000.123456, "kind": "step.ready", "actor": "olga", "step_id": "s/1"}
    rows = [{**event, "seq": seq, "attempt": 1, "data": data} for seq in range(1, EVENTS + 1)]
    conn.execute(sa.insert(columns.tables["events"]), rows)
