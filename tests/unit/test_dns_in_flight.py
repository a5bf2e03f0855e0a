"""What is known of messages without an answer, as time passes and the process ends."""

from collections.abc import Callable
from pathlib import Path

import pytest

from providers.base import ProviderError
from providers.dns.in_flight import IN_FLIGHT_SECONDS, AnswerLostError, InFlight
from providers.dns.record_sets import RecordSet

NEW = (RecordSet("www", "A", 60, ("198.51.100.8",)),)
OTHER = RecordSet("@", "MX", 60, ("10 mx.mailo.com.",))
LOST = AnswerLostError("No answer came.", permanent=False, effect_possible=True)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flight(tmp_path: Path, clock: Clock) -> InFlight:
    made = InFlight(tmp_path / "zone" / "in-flight.json", clock)
    made.leads_to = NEW
    return made


def lose(flight: InFlight, seconds: float | None = None, wait: Callable[[], None] = lambda: None) -> None:
    """A message whose answer is given up once `wait` is over."""

    def given_up() -> None:
        wait()
        raise LOST

    with pytest.raises(AnswerLostError), flight.message(seconds):
        given_up()


def test_an_answer_ends_it(flight: InFlight) -> None:
    with flight.message():
        assert flight.left() == IN_FLIGHT_SECONDS
    assert flight.left() == 0


def test_a_refusal_is_an_answer(flight: InFlight) -> None:
    with pytest.raises(ProviderError), flight.message():
        raise ProviderError("Refused.", permanent=True)
    assert flight.left() == 0


def test_a_lost_answer_is_waited_for_from_when_it_was_given_up(flight: InFlight, clock: Clock) -> None:
    lose(flight, wait=lambda: clock.go_on(4))
    assert flight.left() == IN_FLIGHT_SECONDS
    clock.now += IN_FLIGHT_SECONDS
    assert flight.left() == 0


def test_a_signature_counts_from_when_it_was_made(flight: InFlight, clock: Clock) -> None:
    lose(flight, 20.0, lambda: clock.go_on(4))
    assert flight.left() == 16.0


def test_a_process_that_ends_leaves_the_note(tmp_path: Path, flight: InFlight, clock: Clock) -> None:
    with pytest.raises(KeyboardInterrupt), flight.message():
        raise KeyboardInterrupt
    assert InFlight(tmp_path / "zone" / "in-flight.json", clock).left() == IN_FLIGHT_SECONDS


def test_the_only_message_is_over_once_its_effect_is_seen(flight: InFlight) -> None:
    lose(flight)
    flight.seen((OTHER,))
    assert flight.left() > 0
    flight.seen((*NEW, OTHER))
    assert flight.left() == 0


def test_the_effect_of_a_second_message_says_nothing_of_the_first(flight: InFlight) -> None:
    lose(flight)
    with flight.message():
        pass
    flight.seen(NEW)
    assert flight.left() == IN_FLIGHT_SECONDS


def test_a_second_message_that_did_nothing_leaves_the_first_as_it_was(flight: InFlight) -> None:
    lose(flight)
    with pytest.raises(ProviderError), flight.message():
        raise ProviderError("Not now.", permanent=False)
    flight.seen(NEW)
    assert flight.left() == 0


def test_a_clock_that_was_set_back_makes_the_wait_no_longer_than_it_was(flight: InFlight, clock: Clock) -> None:
    lose(flight)
    clock.now -= 365 * 86_400
    assert flight.left() == IN_FLIGHT_SECONDS
    clock.now += IN_FLIGHT_SECONDS
    assert flight.left() == 0
