"""Security keys, by a key in software: enrolled, signed in with, asked to approve; and every way to fake it refused."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fido2.utils import websafe_decode, websafe_encode

from orchestrator.domain.authority import Refused
from orchestrator.domain.model import Mode
from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.domain.people.role import Role
from orchestrator.operations.people.approvals import Signed
from orchestrator.operations.people.security_key import ANSWERED_WITHIN, Asked
from orchestrator.operations.people.sign_in import Unproved
from orchestrator.operations.request import Conflict, Denied, RequestError
from orchestrator.store import people, sessions
from tests.people_world import Town, town
from tests.software_key import PRESENT, SoftwareKey, signed

SUBJECT = f"sha256:{'0' * 64} 20261126-052027-abcdef {'a-long-runbook-name/' * 9}a-step"
"""What is approved at a hold point may be longer than a digest."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


@pytest.fixture
def anne(place: Town) -> Actor:
    return place.enrolled("anne", Role.APPROVER)


@pytest.fixture
def key(place: Town, anne: Actor) -> SoftwareKey:
    return place.with_key(anne)


def approve(place: Town, name: str, asked: Asked, answer: dict[str, Any], subject: str = SUBJECT) -> dict[str, Any]:
    with place.database.write() as conn:
        given = Signed(asked.challenge, answer)
        return place.people.approvals.given(conn, Mode.DRILL, name, ["desk"], subject, given)


def test_a_key_is_enrolled_and_signs_in_and_is_a_second_factor_by_itself(
    place: Town, anne: Actor, key: SoftwareKey
) -> None:
    asked = place.people.keys.ask_to_sign_in("anne")
    made = place.people.sign_in.with_key("anne", asked.challenge, key.get(asked.options))
    who = place.people.sign_in.who(made.secret)
    assert who is not None
    assert (who.proof, who.keyed, who.shows_second_factor) == (Proof.KEY, True, True)
    assert "key" in place.people.register.get(anne.name).factors


def test_an_approval_by_key_is_proved_by_what_is_kept_of_it_alone(place: Town, key: SoftwareKey) -> None:
    asked = place.people.keys.ask_to_approve("anne", SUBJECT)
    kept = approve(place, "anne", asked, key.get(asked.options))["signature"]
    assert signed(kept, SUBJECT)
    assert not signed(kept, SUBJECT + "x")
    assert not signed({**kept, "nonce": "0" * 32}, SUBJECT)
    broken = bytearray(websafe_decode(kept["signature"]))
    broken[-1] ^= 1
    assert not signed({**kept, "signature": websafe_encode(bytes(broken))}, SUBJECT)
    assert not signed({**kept, "authenticator_data": websafe_encode(bytes(37))}, SUBJECT)


def test_who_has_a_key_approves_with_it_and_not_without(place: Town, key: SoftwareKey) -> None:
    del key
    with place.database.write() as conn, pytest.raises(Refused, match="has a security key"):
        place.people.approvals.given(conn, Mode.DRILL, "anne", ["desk"], SUBJECT)


FORGERIES: dict[str, Callable[[SoftwareKey, Asked], dict[str, Any]]] = {
    "another origin": lambda key, asked: replace(key, origin="https://localhost.evil.example").get(asked.options),
    "http of another name": lambda key, asked: replace(key, origin="http://evil.example").get(asked.options),
    "another relying party": lambda key, asked: replace(key, party="evil.example").get(asked.options),
    "another challenge": lambda key, asked: key.get(asked.options, challenge=websafe_encode(b"0" * 32)),
    "nobody verified": lambda key, asked: key.get(asked.options, PRESENT),
    "nobody present": lambda key, asked: key.get(asked.options, 0),
    "another key": lambda key, asked: replace(SoftwareKey(), id=key.id).get(asked.options),
    "a key that was never enrolled": lambda _key, asked: SoftwareKey().get(asked.options),
    "nothing": lambda _key, _asked: {},
    "rubbish": lambda _key, _asked: {"id": 1, "rawId": None, "response": [], "type": "x"},
}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_answer_signs_nobody_in_and_approves_nothing(place: Town, key: SoftwareKey, how: str) -> None:
    asked = place.people.keys.ask_to_sign_in("anne")
    with pytest.raises(Unproved):
        place.people.sign_in.with_key("anne", asked.challenge, FORGERIES[how](key, asked))
    asked = place.people.keys.ask_to_approve("anne", SUBJECT)
    with pytest.raises(Denied):
        approve(place, "anne", asked, FORGERIES[how](key, asked))


def test_an_answer_counts_once_for_one_purpose_one_person_and_one_subject(place: Town, key: SoftwareKey) -> None:
    key.counts = False  # so that nothing but the challenge tells the first answer from the second
    asked = place.people.keys.ask_to_approve("anne", SUBJECT)
    answer = key.get(asked.options)
    for name, subject in (("anne", "another digest"), ("bruno", SUBJECT)):
        if name != "anne":
            place.enrolled(name, Role.APPROVER)
            place.with_key(place.enrolled(name))
        with pytest.raises(Denied):
            approve(place, name, asked, answer, subject)
    with pytest.raises(Unproved):
        place.people.sign_in.with_key("anne", asked.challenge, answer)
    asked = place.people.keys.ask_to_approve("anne", SUBJECT)
    answer = key.get(asked.options)
    approve(place, "anne", asked, answer)
    with pytest.raises(Denied):
        approve(place, "anne", asked, answer)


def test_a_sign_in_is_no_approval(place: Town, key: SoftwareKey) -> None:
    asked = place.people.keys.ask_to_sign_in("anne")
    with pytest.raises(Denied):
        approve(place, "anne", asked, key.get(asked.options))


def test_a_question_of_an_enrolment_signs_nobody_in(place: Town, anne: Actor, key: SoftwareKey) -> None:
    asked = place.people.enrolment.begin_key(anne)
    with pytest.raises(Unproved):
        place.people.sign_in.with_key("anne", asked.challenge, key.get(asked.options))


def test_an_answer_that_comes_late_counts_no_more(place: Town, key: SoftwareKey) -> None:
    asked = place.people.keys.ask_to_sign_in("anne")
    place.now += ANSWERED_WITHIN + 1
    with pytest.raises(Unproved):
        place.people.sign_in.with_key("anne", asked.challenge, key.get(asked.options))


@pytest.mark.parametrize("counter", [-1, 0, 4])
def test_a_key_that_counts_backwards_is_a_copy(place: Town, key: SoftwareKey, counter: int) -> None:
    """-1: it then counts nothing at all, which a key that counted before never does (WebAuthn §7.2)."""
    key.counter = 4
    asked = place.people.keys.ask_to_sign_in("anne")
    place.people.sign_in.with_key("anne", asked.challenge, key.get(asked.options))
    copy = replace(key, counter=counter)
    asked = place.people.keys.ask_to_sign_in("anne")
    with pytest.raises(Unproved, match="backwards"):
        place.people.sign_in.with_key("anne", asked.challenge, copy.get(asked.options))


def test_a_key_of_another_place_or_another_challenge_is_not_enrolled(place: Town, anne: Actor) -> None:
    for wrong in (SoftwareKey(party="evil.example"), SoftwareKey(origin="https://evil.example")):
        asked = place.people.enrolment.begin_key(anne)
        with pytest.raises(Denied):
            place.people.enrolment.add_key(anne, asked.challenge, wrong.create(asked.options), "wrong")
    first, second = place.people.enrolment.begin_key(anne), place.people.enrolment.begin_key(anne)
    with pytest.raises(Denied):
        place.people.enrolment.add_key(anne, second.challenge, SoftwareKey().create(first.options), "mixed")
    assert place.people.enrolment.keys_of(anne) == []


def test_the_last_factor_stays(place: Town, anne: Actor, key: SoftwareKey) -> None:
    with place.database.write() as conn:
        people.change(conn, "anne", totp=None)
    with pytest.raises(Conflict, match="only second factor"):
        place.people.enrolment.remove_key(anne, websafe_encode(key.id))


def test_a_key_that_was_removed_opens_nothing_and_voids_what_was_approved(
    place: Town, anne: Actor, key: SoftwareKey
) -> None:
    with place.database.read() as conn:
        before = people.standings(conn, ["anne"])["anne"].revision
    asked = place.people.keys.ask_to_sign_in("anne")
    place.people.enrolment.remove_key(anne, websafe_encode(key.id))
    with pytest.raises(Unproved):
        place.people.sign_in.with_key("anne", asked.challenge, key.get(asked.options))
    with place.database.read() as conn:
        assert people.standings(conn, ["anne"])["anne"].revision > before


def test_a_crowd_of_questions_fills_no_table(place: Town, key: SoftwareKey, monkeypatch: pytest.MonkeyPatch) -> None:
    del key
    monkeypatch.setattr(sessions, "ASKED_AT_MOST", 5)
    for _ in range(20):
        place.people.keys.ask_to_sign_in("anne")
    with place.database.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM challenges").scalar_one() == 5
    place.now += ANSWERED_WITHIN + 1
    place.people.keys.ask_to_sign_in("anne")
    with place.database.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM challenges").scalar_one() == 1


def test_a_session_of_a_token_or_of_sealed_codes_enrols_nothing(place: Town) -> None:
    for proof in (Proof.TOKEN, Proof.BREAK_GLASS, Proof.MACHINE):
        with pytest.raises(RequestError):
            place.people.enrolment.begin_key(Actor("anne", proof, place.now))
