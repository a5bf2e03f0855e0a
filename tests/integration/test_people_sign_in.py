"""Signing in, and what a session is worth, on a clock that the test moves."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain.people.actor import FRESH, Actor, Lack, Proof
from orchestrator.domain.people.role import Grant, Permission, Role
from orchestrator.operations.people.factors import WAIT_AT_MOST, Crowded, is_password, password_hash
from orchestrator.operations.people.sign_in import FREE_TRIES, GOES_PAST, IDLE, LASTS, TooSoon, Unproved
from orchestrator.operations.request import Denied, RequestError
from orchestrator.store import people
from tests.people_world import PASSWORD, Town, town


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def kept() -> str:
    return password_hash(PASSWORD)


@pytest.fixture
def anne(place: Town, kept: str) -> Actor:
    actor = place.enrolled("anne", Role.APPROVER)
    with place.database.write() as conn:
        people.change(conn, "anne", password=kept)
    return actor


def wrong(place: Town, name: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unproved):
            place.people.sign_in.with_password(name, "not this one", "")


def test_name_password_and_code_together_open_a_session_that_shows_its_person(place: Town, anne: Actor) -> None:
    made = place.people.sign_in.with_password("anne", PASSWORD, place.code())
    who = place.people.sign_in.who(made.secret)
    assert who is not None
    assert (who.name, who.proof, who.grants) == ("anne", Proof.TOTP, (Grant(Role.APPROVER),))
    assert anne.name == who.name


@pytest.mark.parametrize(("password", "later"), [(PASSWORD, None), ("not this one", 0.0), (PASSWORD, 90.0)])
def test_none_of_them_alone_opens_anything(place: Town, anne: Actor, password: str, later: float | None) -> None:
    with pytest.raises(Unproved):
        place.people.sign_in.with_password(anne.name, password, "" if later is None else place.code(later))


@pytest.mark.parametrize("drift", [-30.0, 30.0])
def test_a_code_drifts_by_one_interval_and_counts_once(place: Town, anne: Actor, drift: float) -> None:
    code = place.code(drift)
    place.people.sign_in.with_password(anne.name, PASSWORD, code)
    with pytest.raises(Unproved):
        place.people.sign_in.with_password(anne.name, PASSWORD, code)


def test_a_code_that_was_used_is_none_for_showing_it_again_either(place: Town, anne: Actor) -> None:
    code = place.code()
    place.people.sign_in.prove(anne, code)
    with pytest.raises(Unproved, match="used before"):
        place.people.sign_in.prove(anne, code)
    place.now += 30
    with pytest.raises(Unproved):
        place.people.sign_in.prove(anne, code)
    place.people.sign_in.prove(anne, place.code())


def test_after_five_wrong_tries_one_waits_ever_longer(place: Town, anne: Actor) -> None:
    wrong(place, anne.name, FREE_TRIES)
    with pytest.raises(TooSoon) as caught:
        place.people.sign_in.with_password(anne.name, PASSWORD, "")
    place.now += caught.value.wait - 0.1
    with pytest.raises(TooSoon):
        place.people.sign_in.with_password(anne.name, PASSWORD, "")
    place.now += 0.2
    wrong(place, anne.name, 1)
    with pytest.raises(TooSoon) as longer:
        place.people.sign_in.with_password(anne.name, PASSWORD, "")
    assert longer.value.wait > caught.value.wait


def test_who_guesses_keeps_nobody_out(place: Town, anne: Actor) -> None:
    """The right code goes past the wait that others' guesses made, once; and past it in one's own session."""
    wrong(place, anne.name, FREE_TRIES)
    place.now += 30
    place.people.sign_in.prove(anne, place.code())
    place.now += 30
    opened = place.people.sign_in.with_password(anne.name, PASSWORD, place.code())
    assert opened.actor.shows_second_factor
    with pytest.raises(Unproved):
        place.people.sign_in.with_password(anne.name, PASSWORD, place.code())


def test_a_right_code_with_a_wrong_password_opens_nothing(place: Town, anne: Actor) -> None:
    wrong(place, anne.name, FREE_TRIES)
    with pytest.raises(Unproved):
        place.people.sign_in.with_password(anne.name, "not this one", place.code())


def test_who_guesses_many_at_once_has_no_more_tries(place: Town, anne: Actor) -> None:
    """Each of them was looked at before any of them had failed."""
    said: list[type[Exception]] = []

    def guess() -> None:
        try:
            place.people.sign_in.prove(anne, "000000")
        except (Unproved, TooSoon) as error:
            said.append(type(error))

    threads = [threading.Thread(target=guess) for _ in range(4 * FREE_TRIES)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert said.count(Unproved) == FREE_TRIES
    assert said.count(TooSoon) == 3 * FREE_TRIES


def test_codes_tried_during_the_wait_are_counted_and_soon_none_goes_past_it(place: Town, anne: Actor) -> None:
    """Whoever knows the password would otherwise try one code after the other, as fast as they are answered."""
    wrong(place, anne.name, FREE_TRIES)
    for _ in range(GOES_PAST):
        with pytest.raises(TooSoon):
            place.people.sign_in.with_password(anne.name, PASSWORD, "000000")
    with pytest.raises(TooSoon):
        place.people.sign_in.with_password(anne.name, PASSWORD, place.code())
    place.now += 301
    place.people.sign_in.with_password(anne.name, PASSWORD, place.code())


def test_passwords_guessed_at_the_same_time_are_counted_before_any_of_them_counts(
    place: Town, anne: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five others fail while this one is still being hashed."""

    def slowly(kept: str | None, given: str) -> bool:
        with place.database.write() as conn:
            people.change(conn, anne.name, failures=FREE_TRIES, failed_at=place.now)
        return is_password(kept, given)

    monkeypatch.setattr("orchestrator.operations.people.sign_in.is_password", slowly)
    with pytest.raises(TooSoon):
        place.people.sign_in.with_password(anne.name, PASSWORD, "000000")


def test_how_long_one_waits_tells_nobody_who_exists(place: Town, anne: Actor) -> None:
    waits = []
    for name in (anne.name, "nobody"):
        wrong(place, name, FREE_TRIES)
        with pytest.raises(TooSoon) as caught:
            place.people.sign_in.with_password(name, "not this one", "")
        waits.append(str(caught.value))
    assert waits[0] == waits[1]


def test_asking_a_key_tells_nobody_who_exists_and_keeps_nothing_for_who_has_none(place: Town, anne: Actor) -> None:
    options = [place.people.keys.ask_to_sign_in(name).options["publicKey"] for name in (anne.name, "nobody") * 2]
    assert {len(one["allowCredentials"]) for one in options} == {1}
    assert options[0]["allowCredentials"] == options[2]["allowCredentials"]
    with place.database.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM challenges").scalar_one() == 0


def test_a_session_ends_when_it_is_not_used_and_at_last_in_any_case(place: Town, anne: Actor) -> None:
    made = place.people.sign_in.with_password(anne.name, PASSWORD, place.code())
    ends = made.expires_at
    assert ends == place.now + LASTS
    while place.now + IDLE - 1 < ends:
        place.now += IDLE - 1
        assert place.people.sign_in.who(made.secret) is not None
    place.now = ends - 1
    assert place.people.sign_in.who(made.secret) is not None
    place.now = ends
    assert place.people.sign_in.who(made.secret) is None
    idle = place.people.sign_in.with_password(anne.name, PASSWORD, place.code())
    place.now += IDLE
    assert place.people.sign_in.who(idle.secret) is None


def test_a_clock_that_was_set_back_makes_nothing_fresh(place: Town, anne: Actor) -> None:
    made = place.people.sign_in.with_password(anne.name, PASSWORD, place.code())
    place.now -= 30
    who = place.people.sign_in.who(made.secret)
    assert who is not None
    assert who.lacks(Permission.APPROVE, None, None, place.now) is Lack.STALE
    place.now -= 3600
    assert place.people.sign_in.who(made.secret) is None


def test_what_only_people_do_asks_for_a_factor_shown_just_now(place: Town, anne: Actor) -> None:
    assert anne.lacks(Permission.APPROVE, None, None, place.now + FRESH) is None
    assert anne.lacks(Permission.APPROVE, None, None, place.now + FRESH + 1) is Lack.STALE
    assert anne.lacks(Permission.PAUSE, None, None, place.now + FRESH + 1) is None


def test_an_old_session_gets_no_new_factor_and_so_is_not_made_fresh(place: Town, anne: Actor) -> None:
    """Whoever takes over a session that lies about would otherwise enrol an app of their own, and approve."""
    enrolment = place.people.enrolment
    place.now += FRESH + 1
    for asks in (enrolment.begin_totp, enrolment.begin_key):
        with pytest.raises(Denied, match="again"):
            asks(anne)
    with pytest.raises(Denied, match="again"):
        enrolment.confirm_totp(anne, place.totp_secret, place.code())


def test_signing_out_everywhere_ends_all_sessions_and_a_token_ends_none(place: Town, anne: Actor) -> None:
    signing = place.people.sign_in
    first = signing.with_password(anne.name, PASSWORD, place.code())
    place.now += 30
    second = signing.with_password(anne.name, PASSWORD, place.code())
    with pytest.raises(Denied):
        signing.sign_out_everywhere(Actor(anne.name, Proof.TOKEN))
    assert len(signing.sessions_of(anne)) == 3
    signing.sign_out_everywhere(second.actor)
    assert [signing.who(one.secret) for one in (first, second)] == [None, None]


def test_another_password_ends_the_other_sessions_and_the_present_one_is_guessed_slowly(
    place: Town, anne: Actor
) -> None:
    signing, enrolment = place.people.sign_in, place.people.enrolment
    other = signing.with_password(anne.name, PASSWORD, place.code())
    for _ in range(FREE_TRIES):
        with pytest.raises(Unproved):
            enrolment.change_password(anne, "not this one", "violet quarry ember lantern")
    with pytest.raises(TooSoon):
        enrolment.change_password(anne, PASSWORD, "violet quarry ember lantern")
    place.now += 600
    with pytest.raises(Denied):
        enrolment.change_password(Actor(anne.name, Proof.TOKEN), PASSWORD, "violet quarry ember lantern")
    enrolment.change_password(anne, PASSWORD, "violet quarry ember lantern")
    assert signing.who(other.secret) is None
    signing.with_password(anne.name, "violet quarry ember lantern", place.code())


@pytest.mark.parametrize(
    "weak", ["short", "x" * 129, "password1234", "aaaaaaaaaaaaaaaa", "bascule-bascule", "anne-martinez", "qwertyuiop12"]
)
def test_passwords_that_can_be_guessed_are_refused(weak: str) -> None:
    with pytest.raises(RequestError):
        password_hash(weak, "anne-martinez")


def test_who_is_shut_out_is_out_at_once_and_letting_them_in_revives_nothing(place: Town, anne: Actor) -> None:
    with place.database.write() as conn:
        people.give(conn, anne.name, Grant(Role.VIEWER), "test", place.now, confirmed=True)
    made = place.people.sign_in.with_password(anne.name, PASSWORD, place.code())
    token = place.people.tokens.make(anne.name, "script", [Grant(Role.VIEWER)], 1, made.actor)
    place.people.register.disable(anne.name, "local", "left")
    assert place.people.sign_in.who(made.secret) is None
    assert place.people.sign_in.who(token.secret) is None
    place.now += 30
    with pytest.raises(Unproved):
        place.people.sign_in.with_password(anne.name, PASSWORD, place.code())
    place.people.register.enable(anne.name, "local", "came back")
    assert place.people.sign_in.who(made.secret) is None
    assert place.people.sign_in.who(token.secret) is None


def test_a_crowd_that_signs_in_is_sent_away_before_it_takes_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kill switch needs a thread as well."""
    places = threading.BoundedSemaphore(WAIT_AT_MOST)
    monkeypatch.setattr("orchestrator.operations.people.factors._PLACES", places)
    for _ in range(WAIT_AT_MOST):
        places.acquire()
    with pytest.raises(Crowded):
        is_password(None, "any")
    places.release()
    assert not is_password(None, "any")
