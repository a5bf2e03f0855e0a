"""Row 51: the audit edited, cut short and forked by SQL: a thousand times, and each time it is found (I10)."""

import json
import random
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.domain.audit.chain import canonical, entry_text, genesis, link, run_chain
from orchestrator.domain.audit.checkpoint import Checkpoint, Signed
from orchestrator.domain.journal import RunEvent, StepEvent
from orchestrator.operations.audit_check import Verified, verify
from orchestrator.store import audit, checkpoints, halts, identities, runs
from orchestrator.store.audit_key import SigningKey, signing_key
from orchestrator.store.audit_reading import DatabaseSource, FileSource, export_lines, open_database
from orchestrator.store.database import Database
from orchestrator.store.journal import RunJournal
from tests.integration.engine_world import step

TAMPERINGS = 1000
RUNS = ("r1", "r2")
STEPS = 4


def populate(database: Database) -> None:
    """Two ended runs, and something in the administration's chain, by the product's own writers."""
    for number, run_id in enumerate(RUNS):
        with database.write() as conn:
            runs.save_plan(conn, f"d-{run_id}", "c", 0.0, {})
            values = {"id": run_id, "plan_digest": f"d-{run_id}", "commit": "c", "scope": "test", "mode": "rehearsal"}
            more: dict[str, Any] = {"direction": "failover", "services": ["s"], "requested_by": "olga", "reason": "why"}
            runs.insert_run(
                conn,
                {**values, **more, "releases_needed": 0, "created_at": 1.0},
                [step(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(STEPS)],
            )
            _live(RunJournal(conn, run_id, 100.0 + number))
        with database.write() as conn:
            halts.engage(conn, 200.0 + number, "olga", f"why {number}")
            halts.lift(conn, number + 1, 201.5 + number, "paul", "quiet again")


def _live(journal: RunJournal) -> None:
    journal.run_event(RunEvent.CREATED, "olga", {"steps": STEPS, "share": 0.1, "note": "é", "n": {"z": 1, "a": [1e16]}})
    journal.run_event(RunEvent.STARTED)
    journal.start_steps()
    for n in range(STEPS):
        view = journal.view(f"s{n}")
        view = journal.step_event(f"s{n}", view, StepEvent.INTENT, {"fence": "w:1"})
        journal.step_event(f"s{n}", view, StepEvent.SUCCEEDED, {"outputs": {"id": n}, "message": "done"})
    journal.run_event(RunEvent.FINISHED, data={"outcome": "succeeded"})
    journal.flush()


def checkpoint(database: Database, key: SigningKey, number: int = 1, previous: str | None = None) -> Signed:
    with database.read() as conn:
        point = Checkpoint(number, 300.0 + number, previous, key.public, checkpoints.heads(conn))
    return Signed(point, key.sign(point.text.encode()))


def verified(url: str, *signed: Signed, keys: frozenset[str] = frozenset()) -> Verified:
    with open_database(url) as source:
        return verify(source, [("kept", one) for one in signed], keys)


def pseudonym_of(path: Path, name: str) -> str:
    with sqlite3.connect(path) as sql:
        (found,) = sql.execute("SELECT pseudonym FROM identities WHERE name = ?", (name,)).fetchone()
    sql.close()
    return str(found)


class Vandal:
    """Somebody with write access to the file and knowledge of the form, without the key."""

    def __init__(self, path: Path, rng: random.Random) -> None:
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.sql.execute("PRAGMA synchronous=OFF")
        self._rng = rng

    @contextmanager
    def looked_at(self) -> Iterator[DatabaseSource]:
        """The auditor on this very connection: what is not committed yet can be taken back after the look."""
        engine = sa.create_engine("sqlite://", creator=lambda: self.sql, poolclass=sa.StaticPool)
        with engine.connect() as conn:
            yield DatabaseSource(conn)

    def choose(self) -> tuple[str, str, str]:
        """A table, the column that names the chain, and the chain."""
        if self._rng.random() < 0.3:
            return "audit_entries", "chain", "administration"
        return "events", "run_id", self._rng.choice(RUNS)

    def length(self, table: str, column: str, chain: str) -> int:
        return int(self.sql.execute(f"SELECT max(seq) FROM {table} WHERE {column} = ?", (chain,)).fetchone()[0])

    def edit(self, table: str, column: str, chain: str) -> None:
        seq = self._rng.randint(1, self.length(table, column, chain))
        names = {"at": 7.25, "kind": "run.quiet", "actor": "mallory", "data": '{"steps":3}', "hash": "0" * 64}
        if table == "events":
            names |= {"step_id": "other", "attempt": 77}
        name, value = self._rng.choice(list(names.items()))
        self.sql.execute(f"UPDATE {table} SET {name} = ? WHERE {column} = ? AND seq = ?", (value, chain, seq))

    def delete(self, table: str, column: str, chain: str) -> None:
        seq = self._rng.randint(1, self.length(table, column, chain))
        self.sql.execute(f"DELETE FROM {table} WHERE {column} = ? AND seq = ?", (chain, seq))

    def reorder(self, table: str, column: str, chain: str) -> None:
        one, other = self._rng.sample(range(1, self.length(table, column, chain) + 1), 2)
        for old, new in ((one, -1), (other, one), (-1, other)):
            self.sql.execute(f"UPDATE {table} SET seq = ? WHERE {column} = ? AND seq = ?", (new, chain, old))

    def cut(self, table: str, column: str, chain: str) -> None:
        """With everything that the database itself says of the chain's end put right."""
        last = self._rng.randint(0, self.length(table, column, chain) - 1)
        self.sql.execute(f"DELETE FROM {table} WHERE {column} = ? AND seq > ?", (chain, last))
        self._put_right(table, column, chain)

    def fork(self, table: str, column: str, chain: str) -> None:
        """An entry is rewritten, and every hash after it."""
        seq = self._rng.randint(1, self.length(table, column, chain))
        self.sql.execute(f"UPDATE {table} SET actor = 'mallory' WHERE {column} = ? AND seq = ?", (chain, seq))
        self._put_right(table, column, chain)

    def _put_right(self, table: str, column: str, chain: str) -> None:
        where = "step_id, attempt" if table == "events" else "NULL, 0"
        name = run_chain(chain) if table == "events" else chain
        head, length = genesis(name), 0
        query = f"SELECT seq, at, kind, actor, {where}, data FROM {table} WHERE {column} = ? ORDER BY seq"
        for seq, at, kind, actor, step_id, attempt, data in self.sql.execute(query, (chain,)).fetchall():
            head = link(head, entry_text(seq, at, kind, actor, step_id, attempt, canonical(json.loads(data))))
            self.sql.execute(f"UPDATE {table} SET hash = ? WHERE {column} = ? AND seq = ?", (head, chain, seq))
            length = seq
        if table == "events":
            self.sql.execute("UPDATE runs SET seq = ?, head = ? WHERE id = ?", (length, head, chain))
        else:
            self.sql.execute("UPDATE audit_heads SET length = ?, head = ? WHERE chain = ?", (length, head, chain))


@pytest.fixture
def written(tmp_path: Path) -> tuple[str, Path, Signed]:
    path = tmp_path / "bascule.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    populate(database)
    signed = checkpoint(database, signing_key(tmp_path / "audit"))
    database.close()
    return f"sqlite:///{path}", path, signed


def test_a_thousand_tamperings_are_all_found(written: tuple[str, Path, Signed]) -> None:
    url, path, signed = written
    rng = random.Random(51)
    vandal = Vandal(path, rng)
    ways: dict[str, Callable[[str, str, str], None]] = {
        way.__name__: way for way in (vandal.edit, vandal.delete, vandal.reorder, vandal.cut, vandal.fork)
    }
    done, found = Counter[str](), Counter[str]()
    with vandal.looked_at() as source:
        for number in range(TAMPERINGS):
            way = list(ways)[number % len(ways)]
            where = vandal.choose()
            vandal.sql.execute("BEGIN")
            ways[way](*where)
            report = verify(source, [("kept", signed)], frozenset())
            vandal.sql.execute("ROLLBACK")
            done[way] += 1
            found[way] += not report.whole
            chain = run_chain(where[2]) if where[0] == "events" else where[2]
            assert chain in {one.chain for one in report.findings}, (number, way, where, list(report.findings))
    vandal.sql.close()
    assert found == done == dict.fromkeys(ways, TAMPERINGS // len(ways))
    assert verified(url, signed).whole


@pytest.mark.parametrize("way", ["edit", "delete", "reorder", "cut", "fork"])
def test_what_was_tampered_with_and_committed_is_found(written: tuple[str, Path, Signed], way: str) -> None:
    url, path, signed = written
    vandal = Vandal(path, random.Random(way))
    where = vandal.choose()
    getattr(vandal, way)(*where)
    vandal.sql.close()
    report = verified(url, signed)
    assert not report.whole
    assert all(one.message and one.seq >= 0 for one in report.findings)


def test_what_nobody_touched_is_whole_on_both_databases(database: Database, database_url: str, tmp_path: Path) -> None:
    populate(database)
    signed = checkpoint(database, signing_key(tmp_path / "audit"))
    report = verified(database_url, signed)
    assert report.whole, list(report.findings)
    assert report.chains == 3
    assert report.marks >= 3 + 4  # the checkpoint's, and what the administration says of each run's begin and end


def test_an_export_is_verified_alone_and_a_changed_one_is_found(
    written: tuple[str, Path, Signed], tmp_path: Path
) -> None:
    url, path, signed = written
    with open_database(url) as source:
        lines = [*export_lines(source, 400.0), signed.line]
    export = tmp_path / "export.jsonl"
    export.write_text("\n".join(lines) + "\n", encoding="utf-8")
    report = verify(FileSource(export), [], frozenset())
    assert report.whole, list(report.findings)
    assert len(report.witnessed.genuine) == 1
    paul = pseudonym_of(path, "paul")
    changed = [line.replace(f'"actor":"{paul}"', '"actor":"mallory"') for line in lines]
    export.write_text("\n".join(changed) + "\n", encoding="utf-8")
    assert [one.fault for one in verify(FileSource(export), [], frozenset()).findings] == ["edited", "edited"]


def test_the_shell_of_the_documentation_verifies_an_export(written: tuple[str, Path, Signed], tmp_path: Path) -> None:
    url, path, _ = written
    script = (
        (Path(__file__).parents[2] / "docs/audit.md").read_text(encoding="utf-8").split("```sh\n")[1].split("```")[0]
    )
    export = tmp_path / "audit.jsonl"
    with open_database(url) as source:
        export.write_text("\n".join(export_lines(source, 400.0)) + "\n", encoding="utf-8")
        heads = source.heads()
    script = f"chain=$1 escaped=$2\n{script}"

    def run(chain: str) -> str:
        command = ["sh", "-c", script, "sh", chain, chain.replace("/", "\\/")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    for chain in ("run/r1", "administration"):
        assert run(chain) == heads[chain].head
    export.write_text(export.read_text(encoding="utf-8").replace(pseudonym_of(path, "paul"), "mallory"))
    assert "not what its hash says" in run("administration")


def test_a_run_that_is_gone_is_missed_without_any_checkpoint(written: tuple[str, Path, Signed]) -> None:
    url, path, _ = written
    with sqlite3.connect(path) as sql:
        for table, column in (("events", "run_id"), ("runs", "id"), ("steps", "run_id"), ("edges", "run_id")):
            sql.execute(f"DELETE FROM {table} WHERE {column} = 'r1'")
    sql.close()
    (one,) = verified(url).findings
    assert (one.chain, one.fault) == ("run/r1", "lost")


def test_a_chain_that_was_cut_contradicts_its_own_row_without_any_checkpoint(
    written: tuple[str, Path, Signed],
) -> None:
    url, path, _ = written
    sql = sqlite3.connect(path, isolation_level=None)
    sql.execute("DELETE FROM audit_entries WHERE seq = (SELECT max(seq) FROM audit_entries)")
    sql.close()
    with open_database(url) as source:
        report = verify(source, [], frozenset())
    assert "The chain's row says" in " ".join(one.message for one in report.findings)


def test_values_of_a_wrong_kind_are_found_and_stop_nothing(written: tuple[str, Path, Signed]) -> None:
    url, path, _ = written
    with sqlite3.connect(path) as sql:
        sql.execute("UPDATE events SET actor = x'ff00' WHERE run_id = 'r1' AND seq = 2")
        sql.execute("UPDATE events SET actor = CAST(x'ff41' AS TEXT) WHERE run_id = 'r1' AND seq = 3")
        sql.execute("UPDATE events SET at = 'noon' WHERE run_id = 'r1' AND seq = 4")
        sql.execute("UPDATE events SET seq = 'six' WHERE run_id = 'r1' AND seq = 6")
        sql.execute("UPDATE runs SET seq = 'many' WHERE id = 'r2'")
    sql.close()
    chains = Counter(one.chain for one in verified(url).findings)
    assert chains["run/r1"] >= 4
    assert chains["run/r2"] == 1


def test_checkpoints_are_checked_themselves(written: tuple[str, Path, Signed], tmp_path: Path) -> None:
    url, _, signed = written
    stranger = signing_key(tmp_path / "other")
    ours = frozenset({signed.checkpoint.key})
    point = replace(signed.checkpoint, key=stranger.public)
    foreign = Signed(point, stranger.sign(point.text.encode()))
    assert "not trusted" in verified(url, signed, foreign, keys=ours).flaws[0].message
    altered = replace(signed, checkpoint=replace(signed.checkpoint, at=1.0))
    assert "not genuine" in verified(url, altered, keys=ours).flaws[0].message
    key = signing_key(tmp_path / "audit")
    second = replace(signed.checkpoint, number=2, previous="0" * 64)
    broken = Signed(second, key.sign(second.text.encode()))
    assert "does not follow" in verified(url, signed, broken, keys=ours).flaws[0].message
    twin = replace(signed.checkpoint, at=9.0)
    both = verified(url, signed, Signed(twin, key.sign(twin.text.encode())), keys=ours)
    assert "forked" in both.flaws[0].message


def test_nothing_is_recorded_outside_of_a_transaction_of_the_store(database: Database) -> None:
    with database.engine.begin() as conn, pytest.raises(audit.NotAudited):
        audit.record(conn, "halt.engaged", "olga", {}, 1.0)


def test_what_is_rolled_back_leaves_no_entry(database: Database, database_url: str) -> None:
    def broken_off() -> None:
        with database.write() as conn:
            audit.record(conn, "sign-in", "olga", {}, 1.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    with database.write() as conn:
        audit.record(conn, "sign-in", "paul", {}, 2.0)
    with database.read() as conn:
        told = conn.execute(sa.text("SELECT kind, actor FROM audit_entries ORDER BY seq")).all()
        known = identities.names(conn)
    assert [(row.kind, known.get(row.actor, row.actor)) for row in told] == [
        ("audit.begun", "bascule"),
        ("sign-in", "paul"),
    ]
    assert list(known.values()) == ["paul"]
    assert verified(database_url).whole
