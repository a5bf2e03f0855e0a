"""The service's own probes, at real servers that play a vendor: it works, refuses, is down; and a control."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.app import Bascule, Settings
from orchestrator.domain.signals.lookout import Look, Lookout
from orchestrator.domain.signals.observation import Observation
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.operations.looking import Looking, Watched
from orchestrator.operations.probing import Probing
from orchestrator.store import observations
from orchestrator.store.database import Database, DatabaseAwayError
from providers.base import ProviderError, Secret
from providers.wants import Words
from tests.databases import new_postgres_database, put_tables
from tests.integration.service_fixture import ESTATE, commit, estate_files, until
from tests.vendor_site import BROKEN, REFUSES, WORKS, Site, indented, probes_block, sites, vendor_file

VENDOR = {"catalogue/vendors/oldcloud.yaml": vendor_file()}


@dataclass
class Clock:
    """The time of day, and what the test adds to it."""

    added: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.added


@dataclass
class Town:
    """A service whose probes look whenever the test lets a minute pass."""

    bascule: Bascule
    estate: Path
    vendor: Site
    control: Site
    clock: Clock
    workers: list[Probing] = field(default_factory=list)

    def minute(self, sensors: int = 4, steps: int = 1) -> dict[str, Observation]:
        """What the next look of each sensor saw, by sensor. No two turns of one minute lie more than 66 s apart."""
        before = len(self.seen())
        until(lambda: self.bascule.probing.looks_at or None, 10, lambda: "no probe is known")
        for _ in range(steps):
            self.clock.added += 66.0 / steps
            for one in (self.bascule.probing, *self.workers):
                one.hasten()
            if steps > 1:
                threading.Event().wait(0.3)
        until(lambda: len(self.seen()) >= before + sensors or None, 15, self._told)
        return {f"{one.vendor}/{one.sensor}": one for one in self.seen()[before:]}

    def passed_to(self, worker: Probing) -> bool:
        """Whether it is this worker that looks, after some more seconds."""
        self.clock.added += 5.0
        worker.hasten()
        return worker.mine

    def seen(self) -> list[Observation]:
        with self.bascule.database.read() as conn:
            rows = observations.newest(conn, 1000)
        return [Observation(*(getattr(row, name) for name in Observation._fields)) for row in reversed(rows)]

    def _told(self) -> str:
        return f"{len(self.seen())} observations: {[(one.sensor, one.outcome) for one in self.seen()]}"


def sheet(vendor: Site, control: Site) -> dict[str, str]:
    text = ESTATE + "signals:\n" + indented(probes_block(vendor, control))
    return {**VENDOR, "bascule.yaml": text}


@contextmanager
def town(directory: Path, database_url: str = "", *, configured: bool = True) -> Iterator[Town]:
    with sites(2) as (vendor, control), ExitStack() as stack:
        estate, clock = directory / "estate", Clock()
        files = {**estate_files(1), **(sheet(vendor, control) if configured else VENDOR)}
        commit(estate, files)
        data = directory / "data"
        (data / "secrets/live").mkdir(parents=True)
        put_tables(data)
        bascule = Bascule(Settings(data=data, estate_url=str(estate), database_url=database_url), clock=clock)
        bascule.start()
        stack.callback(bascule.stop)
        yield Town(bascule, estate, vendor, control, clock)


@pytest.fixture(params=["sqlite", "postgresql"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    url = "" if request.param == "sqlite" else new_postgres_database(request.getfixturevalue("postgres"))
    with town(tmp_path, url) as made:
        yield made


def outcomes(seen: dict[str, Observation]) -> dict[str, str]:
    return {name: one.outcome for name, one in seen.items()}


def test_a_vendor_that_works_then_refuses_then_is_down(at: Town) -> None:
    first = at.minute()
    assert outcomes(first) == {
        "oldcloud/auth": "ok",
        "oldcloud/tcp": "ok",
        "oldcloud/mayor-token": "unknown",  # its secret is not there: that says nothing of the vendor
        "control-near/site": "ok",
    }
    auth = first["oldcloud/auth"]
    assert (auth.vantage, auth.trust_domain, auth.aspect, auth.account) == ("valbourg", "own-probes", "auth", None)
    assert first["oldcloud/mayor-token"].account == "mayor"
    assert auth.at == pytest.approx(at.clock(), abs=120)
    at.bascule.secrets.set("live", "mayor", "s", "olga")
    at.vendor.status = REFUSES
    assert outcomes(at.minute()) == {
        "oldcloud/auth": "denied",
        "oldcloud/tcp": "ok",
        "oldcloud/mayor-token": "fail",  # this server knows no POST
        "control-near/site": "ok",
    }
    at.vendor.status, at.vendor.body = 402, b"there is no active subscription"
    assert outcomes(at.minute())["oldcloud/auth"] == "denied"
    at.vendor.status = BROKEN
    assert outcomes(at.minute())["oldcloud/auth"] == "fail"
    at.vendor.down()
    assert outcomes(at.minute()) == {
        "oldcloud/auth": "fail",
        "oldcloud/tcp": "fail",
        "oldcloud/mayor-token": "fail",
        "control-near/site": "ok",
    }
    at.vendor.status = WORKS
    at.vendor.up()
    assert outcomes(at.minute())["oldcloud/auth"] == "ok"
    with at.bascule.database.read() as conn:
        assert observations.sources_seen(conn) == [""]


def test_an_estate_without_probes_looks_at_nothing_and_a_new_commit_is_followed(tmp_path: Path) -> None:
    with town(tmp_path, configured=False) as at:
        at.clock.added += 600.0
        at.bascule.probing.hasten()
        commit(at.estate, sheet(at.vendor, at.control))
        at.bascule.hasten_sync()
        assert at.vendor.asked == at.control.asked == 0
        until(lambda: at.bascule.probing.looks_at or None, 10, lambda: "the new commit is not followed")
        assert at.seen() == []
        assert len(at.minute()) == 4


@pytest.mark.faults
def test_several_workers_do_not_all_look_and_another_goes_on_when_one_ends(tmp_path: Path, postgres: str) -> None:
    with town(tmp_path, new_postgres_database(postgres)) as at:
        at.minute()
        database = Database(at.bascule.settings.database)
        other = Probing(database, at.bascule.estates, at.bascule.workshop, at.clock)
        other.start()
        try:
            at.workers.append(other)
            for _ in range(2):
                at.minute(steps=3)
            times: dict[str, list[float]] = {}
            for one in at.seen():
                times.setdefault(f"{one.vendor}.{one.sensor}", []).append(one.at)
            gaps = [after - before for seen in times.values() for before, after in pairwise(sorted(seen))]
            assert len(gaps) >= 8
            assert min(gaps) > 20.0, "two workers looked in one turn"
            at.bascule.probing.stop()
            until(lambda: at.passed_to(other) or None, 20, lambda: "nobody took over")
            assert len(at.minute()) >= 4
            assert other.mine
        finally:
            other.stop()
            database.close()


def test_a_look_that_hangs_ends_by_its_deadline_and_stops_nothing_else(tmp_path: Path) -> None:
    with town(tmp_path) as at:
        at.minute()
        at.vendor.gate.clear()
        seen = at.minute(sensors=2)
        assert outcomes(seen) == {"oldcloud/tcp": "ok", "control-near/site": "ok"} or "oldcloud/mayor-token" in seen
        begun = time.monotonic()
        at.bascule.probing.stop()
        assert time.monotonic() - begun < 6.0, "the end of the service waits for a vendor that hangs"


def test_what_the_store_does_not_take_is_given_to_it_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    look = Look("oldcloud", "tcp", "tcp", Words(fr="x", en="x"), "probe.tcp", {"host": "127.0.0.1", "port": 1}, 60.0)
    clock, kept, given = Clock(), list[Observation](), list[int]()

    def keep(seen: Sequence[Observation]) -> None:
        given.append(len(seen))
        if len(given) < 3:
            raise DatabaseAwayError("x", None, OSError("away"))
        kept.extend(seen)

    scope = {"networks": ["127.0.0.0/8"]}
    workshop = EstateWorkshop(lambda *_: scope, lambda _: tmp_path, lambda _: fail_to_reveal, tmp_path)
    watched = Watched("c", Lookout("live", "here", "own", (look,)))
    looking = Looking(workshop, lambda: watched, keep, clock)

    def given_often(wanted: int) -> bool:
        return len(given) >= wanted

    looking.start()
    try:
        until(lambda: looking.follows or None, 5, lambda: "it does not begin")
        for wanted in (1, 2, 3):
            clock.added += 66.0
            looking.hasten()
            until(partial(given_often, wanted), 10, lambda: str(given))
        until(lambda: len(kept) >= 2 or None, 10, lambda: str(kept))
    finally:
        looking.stop()
    assert len({one.at for one in kept}) == len(kept), "each was kept once"
    assert {one.outcome for one in kept} == {"fail"}
    assert sum("not kept" in record.message for record in caplog.records) == 1, "it is said once, and not each time"


def fail_to_reveal(reference: str) -> Secret:
    raise ProviderError(f"{reference} is missing.", permanent=True)


def test_an_estate_that_becomes_invalid_leaves_the_probes_that_were_known(tmp_path: Path) -> None:
    with town(tmp_path) as at:
        at.minute()
        known = at.bascule.probing.looks_at
        commit(at.estate, {"bascule.yaml": "estate: [broken"})
        at.bascule.hasten_sync()
        assert len(at.minute()) == 4
        assert at.bascule.probing.looks_at == known
