"""The pace of requests: never more than the rate, held when asked, and nobody waits beyond their time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from providers.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.floats(1, 50), st.lists(st.floats(0, 0.2), min_size=2, max_size=60))
def test_no_second_has_more_than_the_rate(rate: float, gaps: list[float]) -> None:
    clock = Clock()
    pace = Pace(rate, clock)
    sent = []
    for gap in gaps:
        clock.now += gap
        wait = pace.turn(1000)
        assert wait is not None
        sent.append(clock.now + wait)
    assert all(later - earlier >= 1 / rate - 1e-9 for earlier, later in pairwise(sent))


def test_a_turn_beyond_ones_time_is_not_taken() -> None:
    clock = Clock()
    pace = Pace(1.0, clock)
    assert pace.turn(0.5) == 0
    assert pace.turn(0.5) is None
    assert pace.turn(2.0) == 1.0, "the refused turn was not used up"


def test_everybody_waits_when_asked_to() -> None:
    clock = Clock()
    pace = Pace(None, clock)
    assert pace.turn(0) == 0
    pace.hold(3.0)
    assert pace.turn(1.0) is None
    clock.now += 2.5
    assert pace.turn(1.0) == 0.5
