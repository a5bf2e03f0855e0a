"""DNS steps in the engine, at a real server: zones that moved, retry and undo; the wait for caches over a restart."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.domain.model import RunState, StepState
from orchestrator.engine.spec import ActionSpec
from orchestrator.engine.worker import Worker
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.operations.decisions import Decisions
from orchestrator.store import runs
from orchestrator.store.database import Database
from providers.base import Secret, Tag
from tests.dns_servers import API_KEY, Server, powerdns
from tests.integration.engine_world import Engine, World, step

ZONES = ["a.example", "b.example", "c.example"]
SWAP = {
    "zones": ZONES,
    "records": [
        {"name": "@", "type": "MX", "ttl": 60, "values": ["10 mx.mailo.com."]},
        {"name": "autodiscover", "type": "CNAME", "ttl": 60, "values": ["autodiscover.mailo.com."]},
    ],
}
FOREIGN_MX = ("delete @ MX", "add @ 60 MX 5 mx.third.example.")
OLD_MX = ("delete @ MX", "add @ 3600 MX 10 mx.old.example.")


class DnsEngine(Engine):
    """An engine whose steps act at a real server."""

    def __init__(self, database: Database, server: Server, tmp_path: Path) -> None:
        super().__init__(database, World())
        url = f"http://127.0.0.1:{server.api}"
        zone = {"driver": "powerdns", "url": url, "api_key": "secret://api", "servers": [server.address]}
        scope = {"networks": ["127.0.0.0/8"], "dns": {"zones": dict.fromkeys(ZONES, zone)}}
        work = tmp_path / "work"
        self.workshop = EstateWorkshop(lambda *_: scope, lambda _: tmp_path, lambda _: lambda _: Secret(API_KEY), work)
        self.worker = Worker(database, self.workshop, time.time)
        self.progress = self.worker.progress
        self.decisions = Decisions(self.progress)

    def planned(self, uses: str, with_: dict[str, Any]) -> dict[str, Any]:
        """What the plan sees."""
        spec = ActionSpec.model_validate({"uses": uses, "with": with_})
        run = SimpleNamespace(id="plan", commit="c", scope="test")
        action = self.workshop.action(run, "s", spec, {}, 20.0)
        return dict(action.provider.observe(action.want, Tag("plan", "s"), None).values)

    def row(self, run_id: str, step_id: str) -> Any:
        with self.database.read() as conn:
            return runs.get_step(conn, run_id, step_id)


@contextmanager
def engine_on(database: Database, server: Server, tmp_path: Path) -> Iterator[DnsEngine]:
    engine = DnsEngine(database, server, tmp_path)
    engine.worker.start()
    try:
        yield engine
    finally:
        engine.worker.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (at := tmp_path / "powerdns").mkdir()
    with powerdns(at, ZONES) as made:
        yield made


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'bascule.db'}")
    made.migrate()
    yield made
    made.close()


def records(server: Server) -> dict[str, list[str]]:
    return {zone: server.records(zone) for zone in ZONES}


def test_moved_zones_are_left_alone_retried_and_undone_zone_by_zone(
    own_database: Database, server: Server, tmp_path: Path
) -> None:
    original = records(server)
    with engine_on(own_database, server, tmp_path) as engine:
        before = engine.planned("dns.records", SWAP)
        server.change(*FOREIGN_MX, zone="b.example")
        server.change("add proof 300 TXT owner=c", zone="c.example")
        moved = records(server)
        engine.start_run("r", step("cut", uses="dns.records", before=before, **{"with": SWAP}))
        engine.wait("r", StepState.FAILED, "cut")
        row = engine.row("r", "cut")
        assert row.message.startswith("Done in 2 of 3 zones, not in b.example: Nothing was changed: b.example. MX was")
        assert list(row.effect["zones"]) == ["a.example", "c.example"]
        assert records(server)["b.example"] == moved["b.example"]
        said = engine.output_of("r", "cut")
        assert "a.example: a.example has what is wanted." in said
        assert any(line.startswith("! b.example: Nothing was changed") for line in said)

        server.change(*OLD_MX, zone="b.example")
        serials = {zone: server.serial(zone) for zone in ZONES}
        engine.decisions.retry("r", "cut", "olga")
        engine.wait("r", RunState.SUCCEEDED)
        assert list(engine.row("r", "cut").effect["zones"]) == ZONES
        assert [server.serial(zone) - serials[zone] for zone in ZONES] == [0, 1, 0]

        engine.decisions.undo("r", "olga", "back again")
        engine.wait("r", RunState.UNDONE)
        back = records(server)
        assert {**back, "c.example": [one for one in back["c.example"] if not one.startswith("proof")]} == original
        engine.check_fold("r")


def test_a_step_of_which_every_zone_moved_is_held(own_database: Database, server: Server, tmp_path: Path) -> None:
    with engine_on(own_database, server, tmp_path) as engine:
        before = engine.planned("dns.records", SWAP)
        for zone in ZONES:
            server.change(*FOREIGN_MX, zone=zone)
        moved = records(server)
        engine.start_run("r", step("cut", uses="dns.records", before=before, **{"with": SWAP}))
        engine.wait("r", StepState.HELD, "cut")
        assert records(server) == moved
        engine.decisions.retry("r", "cut", "olga", accept_drift=True)
        engine.wait("r", RunState.SUCCEEDED)


@pytest.mark.faults
def test_the_wait_for_caches_goes_on_over_a_restart(own_database: Database, server: Server, tmp_path: Path) -> None:
    old = 6  # longer than an attempt waits by itself
    for zone in ZONES:
        server.change("delete www A", f"add www {old} A 192.0.2.10", zone=zone)
    wish = {"zones": ZONES, "ttl": 1, "records": [{"name": "www", "type": "A"}]}
    began = time.time()
    with engine_on(own_database, server, tmp_path) as engine:
        engine.start_run("r", step("ttl", uses="dns.ttl", before=engine.planned("dns.ttl", wish), **{"with": wish}))
        engine.wait("r", StepState.SETTLING, "ttl")
    written = time.time()
    with engine_on(own_database, server, tmp_path) as engine:
        engine.wait("r", RunState.SUCCEEDED)
        row = engine.row("r", "ttl")
        assert row.ended_at >= began + old
        assert row.outputs["old_ttl"] == old
        effective = time.mktime(time.strptime(row.outputs["effective_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        assert began + old <= effective <= written + old + 1
        assert all("www 1 A 192.0.2.10" in server.records(zone) for zone in ZONES)
        engine.decisions.undo("r", "olga", "as it was")
        engine.wait("r", RunState.UNDONE)
        assert all(f"www {old} A 192.0.2.10" in server.records(zone) for zone in ZONES)
        engine.check_fold("r")
