"""Several workers on one PostgreSQL: one of them watches, another takes over, and nothing is said or proposed twice."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.app import Bascule, Settings
from orchestrator.domain.signals.observation import Observation
from orchestrator.operations.detection import LEASE_FOR
from orchestrator.store import arrivals, notices, observations, proposals, verdicts
from orchestrator.store.database import Database
from tests.databases import new_postgres_database
from tests.integration.service_fixture import ESTATE, commit, estate_files, open_port
from tests.integration.test_proposals import POLICY, Clock
from tests.unit.signals_readings import HOUR, MINUTE, START, as_it_is, refused, rounds

_TELLS = re.compile(r"^ +(?:notify: |warnings: ).*\n", re.M)
"""Lines of the policy that name a channel."""


@pytest.fixture
def workers(tmp_path: Path, postgres: str) -> Iterator[tuple[list[Bascule], Clock]]:
    """Two whole services with data directories of their own, on one database and one clock."""
    clock, url = Clock(), new_postgres_database(postgres)
    sheet = ESTATE + _TELLS.sub("", POLICY)
    with open_port() as port, ExitStack() as stack:
        commit(tmp_path / "estate", {**estate_files(port), "bascule.yaml": sheet})
        made = list[Bascule]()
        for name in ("one", "two"):
            settings = Settings(data=tmp_path / name, estate_url=str(tmp_path / "estate"), database_url=url)
            made.append(Bascule(settings, clock=clock))
            stack.callback(made[-1].stop)
            made[-1].estates.sync("test")
        yield made, clock


def test_one_watches_and_another_takes_over(workers: tuple[list[Bascule], Clock]) -> None:
    (one, two), clock = workers
    readings = [*rounds(1, as_it_is), *rounds(1, refused, start=START + HOUR)]
    middle = len(readings) // 2 + 40
    watch(one, clock, readings[:middle])
    assert two.detection.look() is None, "the other one watches"
    before = said(one)
    clock.now += LEASE_FOR + 1
    watch(two, clock, readings[middle:])
    assert one.detection.look() is None
    assert said(two)[: len(before)] == before
    assert [verdict for _, verdict in said(two)] == ["nominal", "suspect", "cut"]
    clock.now += 10 * MINUTE
    situation = two.detection.look()
    assert situation is not None
    one.proposals.consider(situation)
    two.proposals.consider(situation)
    with two.database.read() as conn:
        states = [row.state for row in proposals.listed(conn, 10)]
    assert states == ["armed"], "both considered, and one rule proposes once"


def watch(worker: Bascule, clock: Clock, readings: Sequence[Observation]) -> None:
    """Readings come in, and are looked at every five minutes."""
    for number in range(0, len(readings), 16):
        some = readings[number : number + 16]
        with worker.database.write() as conn:
            for one in some:
                observations.add(conn, one, one.at)
        clock.now = max(clock.now, some[-1].at)
        assert worker.detection.look() is not None


def said(worker: Bascule) -> list[tuple[str, str]]:
    with worker.database.read() as conn:
        return [(row.subject, row.verdict) for row in reversed(verdicts.changes(conn))]


def test_a_transaction_that_commits_late_is_not_passed_over(postgres: str) -> None:
    database = Database(new_postgres_database(postgres))
    database.migrate()
    feed = arrivals.Arrivals(database, START)
    first, second, third = list(rounds(0.1, as_it_is))[:3]
    slow = database.engine.connect()
    transaction = slow.begin()
    observations.add(slow, first, START)
    with database.write() as conn:
        observations.add(conn, second, START)
    assert [one.observation for one in feed.read(START + 1)] == [second]
    transaction.commit()
    slow.close()
    assert [one.observation for one in feed.read(START + 2)] == [first]
    assert list(feed.read(START + 100)) == []
    with database.write() as conn:
        observations.add(conn, third, START + 200)
    assert [one.observation for one in feed.read(START + 300)] == [third]
    database.close()


def test_a_message_is_sent_by_one_of_them(postgres: str) -> None:
    database = Database(new_postgres_database(postgres))
    database.migrate()
    words = {"fr": "x", "en": "x"}
    with database.write() as conn:
        for _ in range(2):
            notices.add(conn, "p:armed", "c", "live", ["duty", "town"], words, words, START)
    with database.engine.connect() as one, database.engine.connect() as two:
        mine = notices.claim(one, START, 60)
        other = notices.claim(two, START, 60)
        assert mine is not None
        assert other is not None
        assert {mine.channel, other.channel} == {"duty", "town"}
        assert notices.claim(two, START, 60) is None
    database.close()
