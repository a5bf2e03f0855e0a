"""The writer of deliveries: many in one transaction, each with its own end, and none lost when it stops."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.signals.mapping import Meaning, Seen
from orchestrator.domain.signals.observation import Observation
from orchestrator.store import deliveries, observations
from orchestrator.store.database import Database
from orchestrator.store.deliveries import Delivery
from orchestrator.store.delivery_writer import DeliveryWriter, NoRoom

NO_TIME: Any = None


def delivery(number: int, received: float = 100.0) -> Delivery:
    seen = Observation(float(number), "aws", "tcp", "s", "v", "t", "fail", float(number))
    return Delivery("a", f"{number}", received, "", b"x" * 10, Meaning([Seen(seen, f"key-{number}")], [], 0))


def test_one_that_cannot_be_written_takes_no_other_with_it(database: Database) -> None:
    writer = DeliveryWriter(database)
    writer._open = True
    futures = [writer.submit(delivery(number)) for number in range(5)]
    futures.insert(2, writer.submit(delivery(99, received=NO_TIME)))
    writer.start()
    with pytest.raises(Exception, match="received_at"):
        futures.pop(2).result(30)
    assert [one.result(30).observed for one in futures] == [1] * 5
    writer.stop()
    with database.read() as conn:
        assert deliveries.count_by_source(conn) == {"a": (5, 0, 0)}
        assert [one.value for one in observations.between(conn, 0, 1000)] == [0, 1, 2, 3, 4]


def test_what_waits_is_written_before_it_stops_and_nothing_is_taken_after(database: Database) -> None:
    writer = DeliveryWriter(database)
    with pytest.raises(NoRoom):
        writer.submit(delivery(0))
    writer.start()
    futures = [writer.submit(delivery(number)) for number in range(300)]
    writer.stop()
    assert all(one.done() and not one.result().repeated for one in futures)
    with pytest.raises(NoRoom):
        writer.submit(delivery(301))
    with database.read() as conn:
        assert sum(1 for _ in observations.between(conn, 0, 1000)) == 300
        assert [row.value for row in observations.newest(conn, 2)] == [299, 298]
        assert observations.sources_seen(conn) == ["a"]


def test_room_is_counted_in_deliveries_and_in_bytes(database: Database) -> None:
    writer = DeliveryWriter(database, room=3, room_bytes=25)
    writer._open = True
    futures = [writer.submit(delivery(0)), writer.submit(delivery(1))]
    with pytest.raises(NoRoom):
        writer.submit(delivery(2))
    futures.append(writer.submit(replace(delivery(3), body=b"")))
    with pytest.raises(NoRoom):
        writer.submit(replace(delivery(4), body=b""))
    assert futures[0].cancel()
    writer.start()
    assert futures[1].result(30).observed == 1
    writer.stop()
    with database.read() as conn:
        assert deliveries.count_by_source(conn) == {"a": (2, 0, 0)}


def test_a_late_observation_is_in_its_place(database: Database) -> None:
    with database.write() as conn:
        for number in (5, 1, 3):
            deliveries.keep(conn, delivery(number))
        assert not observations.add(conn, delivery(7).meaning.seen[0].observation, 0.0, key="key-5")
        assert observations.add(conn, delivery(7).meaning.seen[0].observation, 0.0)
    with database.read() as conn:
        assert [one.at for one in observations.between(conn, 0, 6, "aws")] == [1, 3, 5]
        assert [one.at for one in observations.between(conn, 5, 8)] == [5, 7]
        assert not list(observations.between(conn, 0, 10, "gcp"))
