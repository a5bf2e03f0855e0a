"""Sealed codes: so many of them, once, for an hour, and everybody is told."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.domain.people.actor import FRESH
from orchestrator.domain.people.role import Grant, Permission, Role
from orchestrator.operations.people.break_glass import NAME, OPEN_FOR
from orchestrator.operations.people.sign_in import Opened, Unproved
from orchestrator.operations.request import RequestError
from tests.people_world import Town, town

ADMIN = [Grant(Role.ADMIN)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


def test_any_three_of_five_open_however_they_are_typed_and_everybody_is_told(place: Town) -> None:
    codes = place.people.break_glass.seal(5, 3, ADMIN, 30, "local")
    typed = [codes[4].lower(), codes[0].replace("-", " "), f"  {codes[2]} "]
    opened = place.people.break_glass.open(typed, "a fire")
    assert opened.actor.name.startswith(f"{NAME}-")
    assert opened.actor.grants == tuple(ADMIN)
    assert [said[1:] for said in place.told] == [([1, 3, 5], "a fire")]
    (line,) = place.audited("break_glass.opened")
    assert line.data["reason"] == "a fire"


@pytest.mark.parametrize("picked", [[0, 1], [0, 0, 0], [0, 1, 1], []])
def test_too_few_open_nothing(place: Town, picked: list[int]) -> None:
    codes = place.people.break_glass.seal(5, 3, ADMIN, 30, "local")
    with pytest.raises(Unproved):
        place.people.break_glass.open([codes[one] for one in picked] + ["AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"], "a fire")
    assert place.told == []
    place.people.break_glass.open(codes[:3], "the others still do")


def test_they_open_once_also_at_the_same_moment(place: Town) -> None:
    codes = place.people.break_glass.seal(4, 2, ADMIN, 30, "local")
    opened: list[Opened] = []

    def open_them(first: int) -> None:
        with suppress(Unproved):
            opened.append(place.people.break_glass.open(codes[first : first + 2], "a fire"))

    threads = [threading.Thread(target=open_them, args=(number % 3,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(opened) == 1
    assert place.people.break_glass.sealed() == []


def test_they_open_until_their_end_and_need_a_reason(place: Town) -> None:
    codes = place.people.break_glass.seal(2, 2, ADMIN, 30, "local")
    with pytest.raises(RequestError, match="why"):
        place.people.break_glass.open(codes, " ")
    place.now += 30 * 86400
    with pytest.raises(Unproved):
        place.people.break_glass.open(codes, "a fire")


def test_the_session_manages_for_its_hour_and_no_longer(place: Town) -> None:
    """Sealed codes can't be shown again: they are as fresh as their session."""
    codes = place.people.break_glass.seal(2, 2, ADMIN, 30, "local")
    opened = place.people.break_glass.open(codes, "a fire")
    place.now += OPEN_FOR - 1
    who = place.people.sign_in.who(opened.secret)
    assert place.now - opened.actor.proved_at > FRESH
    assert who is not None
    assert who.lacks(Permission.MANAGE, None, None, place.now) is None
    place.now += 1
    assert place.people.sign_in.who(opened.secret) is None


def test_new_codes_replace_the_former(place: Town) -> None:
    former = place.people.break_glass.seal(2, 2, ADMIN, 30, "local")
    codes = place.people.break_glass.seal(2, 2, ADMIN, 30, "local")
    with pytest.raises(Unproved):
        place.people.break_glass.open(former, "a fire")
    place.people.break_glass.open(codes, "a fire")


@pytest.mark.parametrize(("shares", "needed", "days"), [(1, 1, 30), (5, 1, 30), (2, 3, 30), (21, 2, 30), (3, 2, 400)])
def test_what_one_person_alone_could_open_is_not_sealed(place: Town, shares: int, needed: int, days: float) -> None:
    with pytest.raises(RequestError):
        place.people.break_glass.seal(shares, needed, ADMIN, days, "local")


def test_who_guesses_fills_no_audit_and_who_has_one_code_is_in_it(place: Town) -> None:
    codes = place.people.break_glass.seal(3, 2, ADMIN, 30, "local")
    for _ in range(5):
        with pytest.raises(Unproved):
            place.people.break_glass.open(["AAAAA", "BBBBB"], "guessing")
    assert place.audited("break_glass.refused") == []
    with pytest.raises(Unproved):
        place.people.break_glass.open([codes[0], "BBBBB"], "guessing")
    assert len(place.audited("break_glass.refused")) == 1
