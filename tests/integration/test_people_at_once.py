"""People's tables when several work on them at once, when the database takes nothing, and when it came from a copy."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from orchestrator.domain.people.actor import Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.marks import AGAIN_AFTER
from orchestrator.operations.people.restored import Restored
from orchestrator.operations.people.security_key import SecurityKeys
from orchestrator.operations.people.sign_in import IDLE, SignIn
from orchestrator.operations.people.tokens import Tokens
from orchestrator.store import people, sessions
from orchestrator.store.database import Database
from tests.integration.service_fixture import until
from tests.known_people import enrol


@dataclass
class Unsealed:
    """Nothing is sealed in these tests."""

    now: float = 1_000_000.0

    def seal(self, label: str, text: str) -> str:
        raise AssertionError

    def open(self, label: str, sealed: str) -> str:
        raise AssertionError


@pytest.fixture
def here(database: Database) -> Unsealed:
    enrol(database, "anne", Role.ADMIN, Role.APPROVER, Role.VIEWER)
    return Unsealed()


def signing(database: Database, here: Unsealed) -> SignIn:
    return SignIn(database, lambda: here.now, here, SecurityKeys(database, lambda: here.now, "localhost"))


def opened(database: Database, sign_in: SignIn) -> str:
    with database.write() as conn:
        return sign_in.open(conn, "anne", Proof.TOTP, "test").secret


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Somebody else, who works at the same time."""
    with ThreadPoolExecutor(1) as made:
        yield made


def somebody_waits(database: Database) -> None:
    query = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")

    def waits() -> bool | None:
        with database.read() as conn:
            return conn.execute(query).scalar_one() > 0 or None

    until(waits, 10, lambda: "nobody waits for a lock")


def is_postgresql(database: Database) -> bool:
    return not database.is_sqlite


def test_one_who_signs_in_and_one_who_manages_do_not_wait_for_each_other(
    database: Database, here: Unsealed, pool: ThreadPoolExecutor
) -> None:
    def manage() -> None:
        with database.write() as conn:
            people.exclude(conn)
            people.revise(conn, "anne", title="Dr")

    with database.write() as conn:
        people.locked(conn, "anne")
        manager = pool.submit(manage)
        if is_postgresql(database):
            somebody_waits(database)
        people.change(conn, "anne", failures=3)
    manager.result(20)
    with database.read() as conn:
        row = people.get(conn, "anne")
    assert row is not None
    assert (row.title, row.failures, row.revision) == ("Dr", 3, 2)


def test_who_counts_approvals_sees_nobody_shut_out_meanwhile(
    database: Database, here: Unsealed, pool: ThreadPoolExecutor
) -> None:
    def shut_out() -> None:
        with database.write() as conn:
            people.revise(conn, "anne", disabled_at=1.0)

    with database.write() as conn:
        assert people.standings(conn, ["anne"])["anne"].revision == 1
        other = pool.submit(shut_out)
        if is_postgresql(database):
            somebody_waits(database)
        assert people.standings(conn, ["anne"])["anne"].revision == 1
    other.result(20)
    with database.read() as conn:
        assert people.standings(conn, ["anne"]) == {}
        pool.submit(enrol, database, "anne", Role.AUDITOR).result(20)  # a reader holds nobody up


def test_an_app_that_was_enrolled_meanwhile_stays(database: Database, here: Unsealed) -> None:
    with database.write() as conn:
        people.change(conn, "anne", totp="k1 new")
        assert not people.reseal_seed(conn, "anne", "k1 old", "k2 old")
        assert people.reseal_seed(conn, "anne", "k1 new", "k2 new")
        assert people.sealed_seeds(conn) == [("anne", "k2 new")]


@contextmanager
def only_read(database: Database) -> Iterator[None]:
    """Whatever is written meanwhile fails."""
    if is_postgresql(database):

        def forbid(conn: sa.Connection) -> None:
            conn.exec_driver_sql("SET TRANSACTION READ ONLY")

        sa.event.listen(database.engine, "begin", forbid)
        try:
            yield
        finally:
            sa.event.remove(database.engine, "begin", forbid)
        return
    with database.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA query_only=ON")
    yield
    with database.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA query_only=OFF")


def test_a_database_that_takes_nothing_lets_people_look(
    database: Database, here: Unsealed, caplog: pytest.LogCaptureFixture
) -> None:
    sign_in = signing(database, here)
    secret = opened(database, sign_in)
    token = Tokens(database, lambda: here.now).make(
        "anne", "t", [Grant(Role.VIEWER)], 1, sign_in.who(secret) or pytest.fail("nobody")
    )
    with only_read(database), caplog.at_level(logging.WARNING, "bascule.people"):
        here.now += 120
        for _ in range(3):
            assert sign_in.who(secret) is not None
            assert sign_in.who(token.secret) is not None
        assert len(caplog.records) == 1
        for _ in range(3):
            here.now += IDLE - 60
            assert sign_in.who(secret) is not None, "it was used, though nobody could write that"
    here.now += AGAIN_AFTER
    assert sign_in.who(secret) is not None
    with database.read() as conn:
        assert [row.seen_at for row in sessions.sessions_of(conn, "anne")] == [here.now]
    here.now += IDLE + 1
    assert sign_in.who(secret) is None


def test_after_a_restore_nothing_of_the_copy_opens(database: Database, here: Unsealed) -> None:
    sign_in = signing(database, here)
    secret = opened(database, sign_in)
    actor = sign_in.who(secret)
    assert actor is not None
    token = Tokens(database, lambda: here.now).make("anne", "t", [Grant(Role.VIEWER)], 1, actor)
    with database.write() as conn:
        sessions.invite(conn, "link", "anne", "test", here.now, here.now + 60)
        values = {"bundle": "b", "needed": 2, "grants": [], "sealed_at": 0.0, "sealed_by": "x"}
        values |= {"confirmed_by": "y", "expires_at": 9e9}
        sessions.seal_codes(conn, ["one", "two"], values)
        assert sessions.challenge(conn, "asked", "anne", "sign-in", "v", here.now + 60, here.now)
    ended = Restored(database, lambda: here.now).end_all("anne", "the disk")
    assert (ended.sessions, ended.tokens, ended.invitations, ended.challenges, ended.codes) == (1, 1, 1, 1, 2)
    assert [sign_in.who(one) for one in (secret, token.secret)] == [None, None]
    with database.read() as conn:
        assert sessions.invitation(conn, "link") is None
        assert list(sessions.bundles(conn)) == []
        kinds = conn.execute(sa.text("SELECT kind FROM audit_entries ORDER BY seq")).scalars().all()
    assert kinds[-1] == "people.restored"
