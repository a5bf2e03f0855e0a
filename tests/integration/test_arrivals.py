"""What came in is read once, in order and to its end, however much there is and whatever clocks said."""

from orchestrator.domain.signals.observation import Observation
from orchestrator.store import arrivals, observations
from orchestrator.store.database import Database
from tests.unit.signals_readings import HOUR, START


def reading(number: int) -> Observation:
    return Observation(START + number, "control-eu", "semantic", "page", "paris", "own", "ok", float(number))


def values(found: list[arrivals.Arrived]) -> list[float | None]:
    return [one.observation.value for one in found if one.observation is not None]


def test_more_than_a_page_that_is_not_settled_is_read_once(database: Database) -> None:
    database.migrate()
    feed = arrivals.Arrivals(database, START)
    with database.write() as conn:
        for number in range(arrivals.AT_ONCE + 200):
            observations.add(conn, reading(number), START + 10)
    assert values(list(feed.read(START + 11))) == [float(number) for number in range(arrivals.AT_ONCE + 200)]
    assert list(feed.read(START + 12)) == []
    with database.write() as conn:
        observations.add(conn, reading(9999), START + 13)
    assert values(list(feed.read(START + 14))) == [9999.0]
    assert list(feed.read(START + 500)) == []
    assert not feed._seen, "what is settled is not remembered"


def test_a_clock_that_was_ahead_stops_nothing(database: Database) -> None:
    database.migrate()
    feed = arrivals.Arrivals(database, START)
    with database.write() as conn:
        observations.add(conn, reading(0), START + 24 * HOUR)
        for number in range(1, 4):
            observations.add(conn, reading(number), START + number)
    assert len(values(list(feed.read(START + 10)))) == 4
    assert list(feed.read(START + 11)) == []
    assert list(feed.read(START + 200)) == []
