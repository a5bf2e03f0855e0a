"""What the list of people says besides roles: when somebody was seen, whose link waits, and who may agree to what."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.register import INVITED_FOR
from tests.people_world import Town, town


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


def test_somebody_was_seen_when_their_session_or_token_was_used(place: Town) -> None:
    anne = place.enrolled("anne", Role.VIEWER)
    register = place.people.register
    register.add("robot", "", [Grant(Role.VIEWER)], "anne", program=True)
    made = place.people.tokens.make("robot", "x", [Grant(Role.VIEWER)], 1, anne)
    assert register.get("anne").seen_at == place.now
    assert register.get("robot").seen_at is None
    place.now += 600
    assert place.people.sign_in.who(made.secret) is not None
    assert register.get("robot").seen_at == place.now
    place.people.sign_in.sign_out_everywhere(anne)
    assert register.get("anne").seen_at is None


def test_a_link_is_told_of_while_it_opens_something(place: Town) -> None:
    place.people.register.add("zoe", "", [], "local")
    assert place.people.register.get("zoe").invited_until == place.now + INVITED_FOR
    place.now += INVITED_FOR
    assert place.people.register.listed()[0].invited_until is None


def test_who_neither_gave_a_role_nor_gets_it_is_told_that_it_waits(place: Town) -> None:
    for name, role in (("ada", Role.ADMIN), ("bruno", Role.APPROVER), ("victor", Role.VIEWER)):
        place.enrolled(name, role)
    register = place.people.register
    register.add("zoe", "", [Grant(Role.APPROVER), Grant(Role.VIEWER)], "ada")
    told = {name: [(who, held.grant.role) for who, held in register.unconfirmed(name)] for name in ("ada", "bruno")}
    assert told == {"ada": [], "bruno": [("zoe", Role.APPROVER)]}
    assert register.unconfirmed("victor") == register.unconfirmed("nobody") == []
    assert [register.confirms(name) for name in ("bruno", "victor", "zoe")] == [True, False, False]
    register.confirm("zoe", Grant(Role.APPROVER), "bruno")
    assert register.unconfirmed("bruno") == []
