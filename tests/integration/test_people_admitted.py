"""Invitations, the first admin, tokens, and forgetting a person: who comes in, once, and goes without a trace."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.domain.proposals.standing_approval import Covered, StandingEvent
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.forgetting import forget
from orchestrator.operations.people.register import INVITED_FOR
from orchestrator.operations.people.sign_in import Opened, Unproved
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.store import people_tables, sessions, standing_approvals
from orchestrator.store.tables import metadata
from tests.people_world import PASSWORD, Town, town

VIEWER, OPERATOR = Grant(Role.VIEWER), Grant(Role.OPERATOR)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


@pytest.fixture
def either(database_url: str, tmp_path: Path) -> Iterator[Town]:
    """On SQLite, and on PostgreSQL with the tables as its migrations make them."""
    with town(tmp_path, database_url) as made:
        yield made


def test_the_first_admin_comes_in_once_enrols_and_whoever_has_a_second_link_does_not(either: Town) -> None:
    register, enrolment = either.people.register, either.people.enrolment
    former = register.first_invitation()
    link = register.first_invitation()
    assert former is not None
    assert link is not None
    with pytest.raises(Unproved):
        enrolment.accept(former, "mallory", PASSWORD)
    made = enrolment.accept(link, "ada", PASSWORD)
    assert made.actor.proof is Proof.PASSWORD
    with pytest.raises(Unproved):
        enrolment.accept(link, "mallory", PASSWORD)
    assert register.first_invitation() is None
    new = enrolment.begin_totp(made.actor)
    either.totp_secret = new.secret
    with pytest.raises(Unproved):
        enrolment.confirm_totp(made.actor, new.secret, either.code(300.0))
    enrolment.confirm_totp(made.actor, new.secret, either.code())
    who = either.people.sign_in.who(made.secret)
    assert who is not None
    assert (who.proof, who.grants) == (Proof.TOTP, (Grant(Role.ADMIN),))
    with pytest.raises(Unproved):
        either.people.sign_in.with_password("ada", PASSWORD, either.code())  # the code that enrolled it was used
    either.now += 30
    assert either.people.sign_in.with_password("ada", PASSWORD, either.code()).actor.proof is Proof.TOTP


@pytest.mark.every_day("policy:x", "Ada", "bascule")
@pytest.mark.parametrize(
    "name", ["", "local", "bascule", "policy:x", "break-glass-0", "person-1", "Ada", "a b", "é", "a" * 64]
)
def test_the_first_admin_is_called_as_a_person_can_be(place: Town, name: str) -> None:
    link = place.people.register.first_invitation()
    assert link is not None
    with pytest.raises(RequestError):
        place.people.enrolment.accept(link, name, PASSWORD)
    assert place.people.register.is_empty()
    place.people.enrolment.accept(link, "ada", PASSWORD)


def test_two_who_use_one_link_at_the_same_moment_are_one(either: Town) -> None:
    either.enrolled("ada", Role.ADMIN)
    link = either.people.register.add("bob", "", [VIEWER], "ada")
    assert link is not None
    opened: list[Opened] = []

    def use() -> None:
        with suppress(Unproved):
            opened.append(either.people.enrolment.accept(link, "", PASSWORD))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(opened) == 1


def test_a_link_lasts_a_day_and_a_newer_one_voids_it(place: Town) -> None:
    place.enrolled("ada", Role.ADMIN)
    former = place.people.register.add("bob", "", [VIEWER], "ada")
    link = place.people.register.invite("bob", "ada")
    assert former is not None
    place.now += INVITED_FOR
    for one in (former, link):
        with pytest.raises(Unproved):
            place.people.enrolment.accept(one, "", PASSWORD)


def test_a_link_that_opens_nothing_costs_no_hash(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: str) -> str:
        raise AssertionError("hashed for nobody")

    monkeypatch.setattr("orchestrator.operations.people.enrolment.password_hash", never)
    with pytest.raises(Unproved):
        place.people.enrolment.accept("made up", "mallory", PASSWORD)


def test_recovery_makes_an_admin_anew_and_the_role_waits_while_another_admin_can_sign_in(place: Town) -> None:
    register = place.people.register
    place.enrolled("ada", Role.ADMIN)
    register.recover("mallory", "local")
    assert place.grants_of("mallory") == set()
    register.disable("ada", "local", "lost everything")
    link = register.recover("rita", "local")
    assert place.grants_of("rita") == {Role.ADMIN}
    assert place.people.enrolment.accept(link, "", PASSWORD).actor.name == "rita"
    assert len(place.audited("person.recovered")) == 2


def test_a_token_is_never_more_than_its_owner_and_follows_them_down(place: Town) -> None:
    tokens, signing = place.people.tokens, place.people.sign_in
    actor = place.enrolled("otto", Role.OPERATOR, Role.APPROVER, Role.ADMIN, Grant(Role.VIEWER, "desk"))
    for wrong in ([Grant(Role.ADMIN)], [Grant(Role.APPROVER)], []):
        with pytest.raises(RequestError):
            tokens.make("otto", "x", wrong, 1, actor)
    for wrong in ([Grant(Role.AUDITOR)], [VIEWER], [OPERATOR, Grant(Role.AUTHOR)]):
        with pytest.raises(Denied):
            tokens.make("otto", "x", wrong, 1, actor)
    for days in (0, -1, 367):
        with pytest.raises(RequestError):
            tokens.make("otto", "x", [OPERATOR], days, actor)
    made = tokens.make("otto", "x", [Grant(Role.OPERATOR, "desk"), Grant(Role.VIEWER, "desk")], 1, actor)
    who = signing.who(made.secret)
    assert who is not None
    assert set(who.grants) == {Grant(Role.OPERATOR, "desk"), Grant(Role.VIEWER, "desk")}
    place.people.register.revoke("otto", OPERATOR, "local")
    narrower = signing.who(made.secret)
    assert narrower is not None
    assert narrower.grants == (Grant(Role.VIEWER, "desk"),)
    place.now += 86400
    assert signing.who(made.secret) is None


def test_tokens_are_made_for_oneself_or_for_a_program_and_revoked_by_their_owner(place: Town) -> None:
    tokens = place.people.tokens
    ada = place.enrolled("ada", Role.ADMIN, Role.VIEWER)
    place.enrolled("vic", Role.VIEWER)
    place.people.register.add("robot", "", [VIEWER], "ada", program=True)
    with pytest.raises(Denied):
        tokens.make("vic", "x", [VIEWER], 1, ada)
    with pytest.raises(NotFound):
        tokens.make("none", "x", [VIEWER], 1, ada)
    made = tokens.make("robot", "x", [VIEWER], 1, ada)
    with pytest.raises(NotFound):
        tokens.revoke(made.id, Actor("vic", Proof.TOTP), manages=False)
    assert place.people.sign_in.who(made.secret) is not None
    place.people.register.disable("robot", "ada", "noisy")
    assert place.people.sign_in.who(made.secret) is None


def test_secrets_are_kept_as_hashes_and_codes_sealed(place: Town) -> None:
    place.enrolled("ada", Role.ADMIN, Role.VIEWER)
    link = place.people.register.add("bob", "", [VIEWER], "ada")
    made = place.people.tokens.make("ada", "x", [VIEWER], 1, Actor("ada", Proof.TOTP))
    codes = place.people.break_glass.seal(2, 2, [OPERATOR], 1, "local")
    asked = place.people.keys.ask_to_enrol("ada", "")
    everything = ""
    with place.database.read() as conn:
        for table in metadata.sorted_tables:
            everything += repr(conn.execute(sa.select(table)).all())
    for secret in (link, made.secret, *codes, *(one.replace("-", "") for one in codes), asked.challenge):
        assert secret
        assert secret not in everything
    assert place.totp_secret not in everything


def test_a_person_who_is_forgotten_leaves_no_row_and_no_name_behind(either: Town) -> None:
    either.enrolled("xena", Role.APPROVER)
    ada = either.enrolled("ada", Role.ADMIN, Role.VIEWER)
    either.with_key(ada)
    either.people.tokens.make("ada", "x", [VIEWER], 1, ada)
    either.people.register.add("robot", "", [VIEWER], "ada", program=True)
    either.people.tokens.make("robot", "x", [VIEWER], 1, ada)
    either.people.register.add("zoe", "", [Grant(Role.APPROVER)], "xena")
    either.people.register.confirm("zoe", Grant(Role.APPROVER), "ada")
    either.people.register.invite("zoe", "ada")
    either.people.break_glass.seal(2, 2, [OPERATOR], 1, "ada")
    with either.database.write() as conn:
        sessions.invite(conn, "a link", "ada", "xena", either.now, either.now + 60)
    either.people.keys.ask_to_sign_in("ada")
    covered = Covered("s-1", "r", "v", ("desk",), "live", "c", Verdict.CUT, 0.0, "ada", either.now + 60)
    with either.database.write() as conn:
        standing_approvals.insert(conn, covered, 2, "", either.now)
    with pytest.raises(Conflict, match="s-1"):
        forget(either.database, lambda: either.now, "ada", "xena", "left the town")
    with either.database.write() as conn:
        row = standing_approvals.locked(conn, "s-1")
        assert row is not None
        said = {"signatures": [{"by": "ada"}, {"by": "xena"}]}
        standing_approvals.move(conn, row, StandingEvent.REVOKED, either.now, "ada", said)
    forget(either.database, lambda: either.now, "ada", "xena", "left the town")
    with either.database.read() as conn:
        for table in metadata.sorted_tables:
            assert "'ada'" not in repr(conn.execute(sa.select(table)).all()), table.name
        assert conn.execute(sa.select(people_tables.people.c.name)).scalars().all() != []
    assert either.people.sign_in.sessions_of(ada) == []
    with pytest.raises(Unproved):
        either.people.sign_in.with_password("ada", PASSWORD, either.code())
