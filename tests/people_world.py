"""People and what lets them in, on a database of their own and a clock that a test moves: no service, no estate."""

import functools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
import sqlalchemy as sa

from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.approvals import Approvals
from orchestrator.operations.people.break_glass import BreakGlass
from orchestrator.operations.people.enrolment import Enrolment
from orchestrator.operations.people.identity_provider import SignInThroughProvider
from orchestrator.operations.people.people import People
from orchestrator.operations.people.register import Register
from orchestrator.operations.people.restored import Restored
from orchestrator.operations.people.sealing import PeopleSealing
from orchestrator.operations.people.security_key import SecurityKeys
from orchestrator.operations.people.sign_in import SignIn
from orchestrator.operations.people.tokens import Tokens
from orchestrator.store import people
from orchestrator.store.database import Database
from orchestrator.store.sealing import Keyring, key_source
from orchestrator.store.tables import audit_entries
from tests.software_key import SoftwareKey

PASSWORD = "barge onyx feather tundra"
NOON = 1_700_000_000.0


@dataclass
class Town:
    """`told`: what the glass, when it was broken, told everybody."""

    database: Database
    people: People
    now: float = NOON
    told: list[Any] = field(default_factory=list)
    totp_secret: str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

    def enrolled(self, name: str, *grants: Role | Grant, proof: Proof = Proof.TOTP) -> Actor:
        """Somebody who has a one-time code, and the roles, which count; and whom a session shows."""
        with self.database.write() as conn:
            people.insert(conn, name, "", "test", self.now, program=False)
            for one in grants:
                grant = one if isinstance(one, Grant) else Grant(one)
                people.give(conn, name, grant, "test", self.now, confirmed=True)
            sealed = self.people.sign_in._sealing.seal(f"totp:{name}", self.totp_secret)
            people.change(conn, name, totp=sealed)
            return self.people.sign_in.open(conn, name, proof, "test").actor

    def code(self, later: float = 0.0) -> str:
        return str(pyotp.TOTP(self.totp_secret).at(int(self.now + later)))

    def with_key(self, actor: Actor) -> SoftwareKey:
        key = SoftwareKey()
        asked = self.people.enrolment.begin_key(actor)
        self.people.enrolment.add_key(actor, asked.challenge, key.create(asked.options), "a key")
        return key

    def grants_of(self, name: str) -> set[Role]:
        """Those that count."""
        return {held.grant.role for held in self.people.register.get(name).roles if held.counts}

    def audited(self, kind: str) -> Sequence[Any]:
        with self.database.read() as conn:
            return conn.execute(sa.select(audit_entries).where(audit_entries.c.kind == kind)).all()


@functools.cache
def _empty() -> bytes:
    """A SQLite file with all tables: they are made once for a session of tests."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        database = Database(f"sqlite:///{file}")
        database.migrate()
        with database.engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        return file.read_bytes()


@contextmanager
def town(directory: Path, url: str = "") -> Iterator[Town]:
    """`url`: of an empty database; without one, on SQLite."""
    if url:
        database = Database(url)
        database.migrate()
    else:
        (directory / "town.db").write_bytes(_empty())
        database = Database(f"sqlite:///{directory / 'town.db'}")
    keyring = Keyring(key_source(directory, {}))
    keyring.make_first()
    made: list[Town] = []

    def clock() -> float:
        return made[0].now

    sealing, keys = PeopleSealing(keyring), SecurityKeys(database, clock, "127.0.0.1")
    register, sign_in = Register(database, clock), SignIn(database, clock, sealing, keys)
    glass = BreakGlass(database, clock, sign_in, lambda _conn, *said: made[0].told.append(said))
    whole = People(
        register=register,
        keys=keys,
        sign_in=sign_in,
        enrolment=Enrolment(database, clock, sealing, keys, register, sign_in),
        tokens=Tokens(database, clock),
        break_glass=glass,
        approvals=Approvals(keys),
        restored=Restored(database, clock),
        through_provider=SignInThroughProvider(database, clock, sign_in, None),
    )
    made.append(Town(database, whole))
    yield made[0]
    database.close()
