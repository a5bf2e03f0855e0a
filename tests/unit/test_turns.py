"""The turns of the one writer: urgent ones first, each kind in the order of its coming, never two at once."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store.turns import Turns


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_urgent_ones_go_first_and_nobody_is_left(wishes: list[bool]) -> None:
    turns, served, threads = Turns(), list[int](), list[threading.Thread]()

    def wait_for_turn(number: int) -> None:
        with turns.turn(urgent=wishes[number]):
            served.append(number)

    with turns.turn():
        for number, urgent in enumerate(wishes):
            threads.append(threading.Thread(target=wait_for_turn, args=(number,)))
            threads[-1].start()
            line = turns._urgent if urgent else turns._others
            while len(line) < sum(1 for wish in wishes[: number + 1] if wish is urgent):
                threading.Event().wait(0.001)
        assert served == []
    for thread in threads:
        thread.join(timeout=5)
    urgent_ones = [number for number, urgent in enumerate(wishes) if urgent]
    others = [number for number, urgent in enumerate(wishes) if not urgent]
    assert served == urgent_ones + others


def test_the_turn_is_handed_on_after_a_failure() -> None:
    turns = Turns()
    for _ in range(2):
        try:
            with turns.turn():
                raise ValueError
        except ValueError:
            continue
