"""What pages of the history read from the database: page by page, bounded, on both databases' SQL."""

from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.domain.trust import Signature, Voucher
from orchestrator.store import administration, audit, checkpoints, estates, notices, run_history, runs
from orchestrator.store.database import Database
from orchestrator.store.run_history import ACTIVE, Wanted
from orchestrator.store.tables import audit_deliveries
from tests.people_world import NOON


def put_run(conn: sa.Connection, run_id: str, at: float, services: list[str], **more: Any) -> None:
    row = {
        "id": run_id, "plan_digest": "d", "commit": "c", "scope": "live", "mode": "live", "direction": "failover",
        "services": services, "requested_by": "Olga", "reason": "", "releases_needed": 0, "created_at": at,
    }  # fmt: skip
    runs.insert_run(conn, {**row, **more}, [])


def test_runs_come_page_by_page_and_by_what_is_asked_for(database: Database) -> None:
    with database.write() as conn:
        runs.save_plan(conn, "d", "c", NOON, {"expected_seconds": 61.5, "steps": []})
        for number in range(5):
            put_run(conn, f"r{number}", NOON + number // 2, ["mail"] if number % 2 else ["mail-box", "desk"])
        put_run(conn, "drilled", NOON - 5, ["desk"], mode="drill", state="succeeded", requested_by="100%_sure")
    with database.read() as conn:

        def ids(wanted: Wanted | None = None, before: str = "", limit: int = 10) -> list[str]:
            return [row.id for row in run_history.page(conn, wanted or Wanted(), before, limit)]

        assert ids() == ["r4", "r3", "r2", "r1", "r0", "drilled"]
        assert ids(limit=2) == ["r4", "r3"]
        assert ids(before="r3", limit=2) == ["r2", "r1"]
        assert ids(before="drilled") == ids(before="unknown") == []
        assert ids(Wanted(service="mail")) == ["r3", "r1"]
        assert ids(Wanted(service="desk", mode="drill")) == ["drilled"]
        assert ids(Wanted(state=ACTIVE)) == ["r4", "r3", "r2", "r1", "r0"]
        assert ids(Wanted(state="succeeded")) == ids(Wanted(who="0%_S")) == ["drilled"]
        assert ids(Wanted(who="_lga")) == []
        assert ids(Wanted(scope="nowhere")) == ids(Wanted(direction="failback")) == []
        assert run_history.expected(conn, ["d", "none"]) == {"d": 61.5}


def test_entries_are_looked_for_so_far_and_no_further(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.write() as conn:
        audit.record(conn, "halt.engaged", "anne", {}, NOON)
        for number in range(20):
            audit.record(conn, "session.opened", "bruno", {"number": number}, NOON + number)
    monkeypatch.setattr(administration, "LOOKED_AT", 8)
    with database.read() as conn:
        newest = administration.page(conn, None, 3)
        assert [row.data["number"] for row in newest.rows] == [19, 18, 17]
        assert newest.before == newest.rows[-1].seq
        rare = administration.page(conn, None, 3, "halt.engaged")
        assert (list(rare.rows), rare.before is not None) == ([], True)
        looks = 0
        while not rare.rows:
            assert rare.before is not None
            rare = administration.page(conn, rare.before, 3, "halt.")
            looks += 1
        assert looks == 2
        assert administration.page(conn, 1, 3).before is None
        assert administration.kinds(conn) == ["session.opened"]
        bruno = newest.rows[0].actor
        assert administration.page(conn, None, 3, actors=[bruno]).rows == newest.rows
        assert not administration.page(conn, None, 3, actors=["anne"]).rows, "the chain has no names"
        assert administration.newest(conn, "halt.engaged") is None


def test_witnesses_are_told_by_how_far_they_have_come(database: Database) -> None:
    rows = [(1, "a", "sent"), (2, "a", "sent"), (3, "a", "waiting"), (1, "b", "given_up"), (3, "b", "waiting")]
    with database.write() as conn:
        for number, witness, state in rows:
            said = {"number": number, "witness": witness, "state": state, "message": f"{witness}{number}"}
            conn.execute(sa.insert(audit_deliveries), {**said, "tries": 1, "next_at": NOON})
    with database.read() as conn:
        told = [
            (one.witness, one.number, one.waiting, one.given_up, one.message) for one in checkpoints.witnesses(conn)
        ]
        assert told == [("a", 2, 1, 0, "a3"), ("b", None, 1, 1, "b3")]
        assert checkpoints.latest(conn, 5) == []


def test_notices_and_accepted_commits_come_page_by_page(database: Database) -> None:
    with database.write() as conn:
        for number in range(3):
            words = {"fr": "x", "en": "x"}
            notices.add(conn, f"k{number}", "c", "live", ["duty"], words, words, NOON)
            last = estates.newest(conn)
            voucher = Voucher(Signature(("alice",), "SHA256:x")) if number else None
            estates.accept(conn, f"{number}" * 40, "anne", NOON + number, after=last, voucher=voucher)
        first = notices.page(conn, None, 1)[0]
        notices.sent(conn, first.id, "told")
    with database.read() as conn:
        assert [row.key for row in notices.page(conn, first.id, 5)] == ["k1:duty", "k0:duty"]
        assert [row.key for row in notices.page(conn, None, 5, "sent")] == ["k2:duty"]
        history = estates.history(conn, 2)
        assert [one.commit[0] for one in history] == ["2", "1"]
        assert [one.commit[0] for one in estates.history(conn, 2, history[-1].seq)] == ["0"]
