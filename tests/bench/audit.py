"""Verifying a long audit, beside plain SHA-256 over the same bytes in the same process.

    python -m tests.bench.audit            1,000,000 entries in 100 runs' chains, SQLite and an export
    python -m tests.bench.audit --quick    50,000

The entries are those of a real run's journal: a plan of steps that end well. "Took SHA-256" hashes the entries'
canonical bytes one after the other, already in memory, and does nothing else: no reading, no chain, no comparison.
"""

import argparse
import hashlib
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from orchestrator.domain.audit.chain import canonical, entry_text, genesis, link, run_chain
from orchestrator.operations.audit_check import Verified, verify
from orchestrator.store import runs
from orchestrator.store.audit_reading import FileSource, export_lines, open_database
from orchestrator.store.database import Database
from orchestrator.store.tables import CanonicalText, events
from orchestrator.store.tables import runs as runs_table

RUNS = 100
ENTRIES = 1_000_000
QUICK = 50_000


@dataclass(slots=True)
class Took:
    """What hashing or verifying took; `cpu`: seconds of a core, which a busy machine does not lengthen much."""

    entries: int = 0
    bytes: int = 0
    seconds: float = 0.0
    cpu: float = 0.0


def journal(run_id: str, count: int) -> Iterator[dict[str, Any]]:
    """As many events as a run with steps has, in their order."""
    said: list[tuple[str, dict[str, Any]]] = [
        ("step.ready", {}),
        ("step.intent", {"before": {"at": "absent"}, "fence": "worker-7f3a91c2:1", "wake_at": 1795600123.25}),
        ("step.succeeded", {"effect": {"id": "srv-0001"}, "message": "made it", "outputs": {"ipv4": "192.0.2.17"}}),
    ]
    head = genesis(run_chain(run_id))
    for seq in range(1, count + 1):
        kind, data = said[seq % 3]
        step, at, text = f"portal-failover/step-{seq // 3}", 1795600000.0 + seq / 7, canonical(data)
        entry = entry_text(seq, at, kind, "bascule", step, 1, text)
        head = link(head, entry)
        row = {"run_id": run_id, "seq": seq, "at": at, "kind": kind, "actor": "bascule", "step_id": step, "attempt": 1}
        yield {**row, "data": CanonicalText(text), "hash": head, "entry": entry.encode()}


def fill(database: Database, count: int, plain: Took) -> None:
    """Chains of equal length; each one's bytes are hashed plainly as well, and only that is timed."""
    each = count // RUNS
    for number in range(RUNS):
        run_id = f"bench-{number:03d}"
        rows = list(journal(run_id, each))
        entries = [row.pop("entry") for row in rows]
        hashed = hashlib.sha256()
        began, used = time.perf_counter(), time.process_time()
        for entry in entries:
            hashed.update(entry)
        hashed.digest()
        plain.seconds += time.perf_counter() - began
        plain.cpu += time.process_time() - used
        plain.entries += len(entries)
        plain.bytes += sum(map(len, entries))
        with database.write() as conn:
            runs.save_plan(conn, "d", "c", 0.0, {})
            values = {"id": run_id, "plan_digest": "d", "commit": "c", "scope": "live", "mode": "live"}
            more: dict[str, Any] = {"direction": "failover", "services": [], "requested_by": "olga", "reason": "bench"}
            runs.insert_run(conn, {**values, **more, "releases_needed": 2, "created_at": 1.0}, [])
            conn.execute(sa.insert(events), rows)
            where = sa.update(runs_table).where(runs_table.c.id == run_id)
            conn.execute(where.values(seq=each, head=rows[-1]["hash"]))


def whole(check: Callable[[], Verified], count: int) -> Took:
    """What an examination took that found everything, and nothing wrong."""
    used = time.process_time()
    found = check()
    assert found.whole, list(found.findings)[:3]
    assert found.entries >= count
    return Took(found.entries, found.bytes, found.seconds, time.process_time() - used)


def from_database(url: str) -> Verified:
    with open_database(url) as source:
        return verify(source, [], frozenset())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} entries")
    count = QUICK if parser.parse_args().quick else ENTRIES
    table = Table(title=f"Verifying {count:,} entries in {RUNS} chains")
    for column in ("what", "seconds", "of CPU", "entries a second", "MB a second", "share of plain"):
        table.add_column(column, justify="left" if column == "what" else "right")
    plain = Took()
    with tempfile.TemporaryDirectory(prefix="bascule-bench-") as name:
        url, export = f"sqlite:///{name}/bascule.db", Path(name) / "export.jsonl"
        database = Database(url)
        database.migrate()
        fill(database, count, plain)
        database.close()
        found = {"bascule audit verify, SQLite": whole(lambda: from_database(url), count)}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        with open_database(url) as source, export.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in export_lines(source, 0.0))
        found["bascule audit verify --file"] = whole(lambda: verify(FileSource(export), [], frozenset()), count)
    rate = plain.entries / plain.seconds
    for what, took in {"plain SHA-256, bytes in memory": plain, **found}.items():
        speed, size = took.entries / took.seconds, took.bytes / took.seconds / 1e6
        share = f"{100 * speed / rate:.0f} %"
        table.add_row(what, f"{took.seconds:.2f}", f"{took.cpu:.2f}", f"{speed:,.0f}", f"{size:.0f}", share)
    console = Console()
    console.print(table)
    console.print(f"{plain.bytes / plain.entries:.0f} bytes an entry; {peak:.0f} MB of memory at most, set-up included")


if __name__ == "__main__":
    main()
