"""The list of plans, on both databases: its fields are picked out of documents by the database itself."""

from orchestrator.store import plans, runs
from orchestrator.store.database import Database
from tests.rich_plan import keep, rich_plan


def test_plans_are_listed_newest_first_with_the_runs_made_of_them(database: Database) -> None:
    first = rich_plan("a" * 40, 1_000.0)
    second = rich_plan("b" * 40, 1_000.0, scope="drill", mode="drill")
    keep(database, first, 1_000.0)
    keep(database, second, 2_000.0)
    values = {
        "commit": first.commit, "scope": "live", "mode": "live", "direction": "failover", "services": ["desk"],
        "requested_by": "olga", "reason": "", "releases_needed": 2, "plan_digest": first.digest,
    }  # fmt: skip
    with database.write() as conn:
        for number in (1, 2):
            runs.insert_run(conn, {**values, "id": f"r{number}", "created_at": float(number)}, [])
    with database.read() as conn:
        newer, older = plans.listed(conn, 10)
        assert [plans.listed(conn, 1, 1), plans.listed(conn, 1, 2)] == [[older], []]
        made = plans.runs_made(conn, [newer.digest, older.digest])
        assert (plans.made_at(conn, first.digest), plans.made_at(conn, "sha256:0")) == (1_000.0, None)
    assert (newer.digest, newer.commit, newer.made_at) == (second.digest, "b" * 40, 2_000.0)
    assert (newer.scope, newer.mode, newer.direction, newer.services) == (
        "drill",
        "drill",
        "failover",
        ("desk", "phone"),
    )
    assert newer.expected_seconds == second.expected_seconds
    assert [run.id for run in made[first.digest]] == ["r2", "r1"]
    assert second.digest not in made
