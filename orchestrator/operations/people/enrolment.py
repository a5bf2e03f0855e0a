"""How people come to have what proves them: an invitation is used once, a second factor is added, one is changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.factors import Sealing, new_totp, password_hash, totp_link, totp_used
from orchestrator.operations.people.register import Register, check_name
from orchestrator.operations.people.security_key import SecurityKeys
from orchestrator.operations.people.sign_in import Opened, SignIn, Unproved
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.store import audit, people, sealed_secrets, sessions
from orchestrator.store.database import Connection, Database
from orchestrator.store.runs import Row


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom an invitation is for; `name` is empty where the first admin chooses one."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class NewTotp:
    """The secret of an authenticator app, to be confirmed with its first code."""

    secret: str
    link: str


class Enrolment:
    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        sealing: Sealing,
        keys: SecurityKeys,
        register: Register,
        sign_in: SignIn,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealing = sealing
        self._keys = keys
        self._register = register
        self._sign_in = sign_in

    def invited(self, secret: str) -> Invited:
        """Whom a link is for. Raises Unproved when it opens nothing."""
        with self._database.read() as conn:
            row = self._open(conn, sessions.invitation(conn, secret))
            person = people.get(conn, row.person) if row.person else None
        return Invited(row.person, person.title if person is not None else "")

    def accept(self, secret: str, name: str, password: str, agent: str = "") -> Opened:
        """Use an invitation: a password is chosen, and a session begins in which a second factor is enrolled.

        `name` counts for the first admin alone, who is added here. Raises Unproved, Conflict, RequestError.
        """
        now = self._clock()
        with self._database.read() as conn:
            known = self._open(conn, sessions.invitation(conn, secret)).person  # before anything that takes long
        kept = password_hash(password, known or name)
        with self._database.write() as conn:
            people.exclude(conn)
            row = self._open(conn, sessions.use_invitation(conn, secret))
            who = row.person or name
            if not row.person:
                self._first(conn, who)
            if people.get(conn, who) is None:
                raise NotFound(f"There is nobody of the name {who} any more.")
            people.change(conn, who, password=kept, failures=0)
            audit.record(conn, "person.enrolled", who, {"factor": "password"}, now)
            return self._sign_in.open(conn, who, Proof.PASSWORD, agent)

    def begin_totp(self, actor: Actor) -> NewTotp:
        """A new secret; it counts once it is confirmed."""
        secret = new_totp()
        with self._database.write() as conn:
            self._require_factor_free(conn, actor)
        return NewTotp(secret, totp_link(secret, actor.name))

    def confirm_totp(self, actor: Actor, secret: str, code: str) -> None:
        """Keep the secret if the code is its own. The session then has its second factor. Raises Unproved, Denied."""
        now = self._clock()
        interval = totp_used(secret, code, 0, now) if _is_secret(secret) else None
        if interval is None:
            raise Unproved("The code does not fit: look at the app again, and at this machine's clock.")
        with self._database.write() as conn:
            sealed_secrets.exclude(conn)  # no key is let go before what it seals is there
            self._require_factor_free(conn, actor)
            sealed = self._sealing.seal(f"totp:{actor.name}", secret)
            people.change(conn, actor.name, totp=sealed, totp_last=interval, failures=0)
            self._enrolled(conn, actor, Proof.TOTP, "totp")

    def begin_key(self, actor: Actor) -> Any:
        with self._database.write() as conn:
            row = self._require_factor_free(conn, actor)
        return self._keys.ask_to_enrol(actor.name, row.title)

    def add_key(self, actor: Actor, challenge: str, answer: Mapping[str, Any], label: str) -> None:
        """Keep a security key. Raises Denied."""
        with self._database.write() as conn:
            self._require_factor_free(conn, actor)
            self._keys.enrol(conn, actor.name, challenge, answer, label)
            self._enrolled(conn, actor, Proof.KEY, "key")

    def remove_key(self, actor: Actor, key_id: str) -> None:
        """Remove one of one's keys; the last factor stays. Raises NotFound, Conflict."""
        with self._database.write() as conn:
            row = self._require_factor_free(conn, actor)
            if not row.totp and len(sessions.keys_of(conn, actor.name)) < 2:
                raise Conflict("It is your only second factor: enrol another one first.")
            if not sessions.end_key(conn, key_id, actor.name):
                raise NotFound("You have no such security key.")
            people.revise(conn, actor.name)
            audit.record(conn, "person.factor_removed", actor.name, {"factor": "key"}, self._clock())

    def change_password(self, actor: Actor, old: str, new: str) -> None:
        """Choose another password; every other session ends. Raises Unproved, TooSoon, Denied, RequestError."""
        if actor.proof not in (Proof.PASSWORD, Proof.TOTP, Proof.KEY):
            raise Denied("Sign in with your password or key for that.")
        self._sign_in.require_password(actor.name, old)
        kept = password_hash(new, actor.name)
        with self._database.write() as conn:
            people.change(conn, actor.name, password=kept)
            for one in sessions.sessions_of(conn, actor.name):
                if one.id != actor.session:
                    sessions.end_session(conn, one.id, actor.name)
            audit.record(conn, "person.enrolled", actor.name, {"factor": "password"}, self._clock())

    def keys_of(self, actor: Actor) -> list[Row]:
        with self._database.read() as conn:
            return list(sessions.keys_of(conn, actor.name))

    def _open(self, conn: Connection, row: Row | None) -> Row:
        first_is_there = row is not None and not row.person and not people.is_empty(conn)
        if row is None or row.expires_at <= self._clock() or first_is_there:
            raise Unproved("This link was used, or is too old: ask an admin for another (`bascule people invite`).")
        return row

    def _first(self, conn: Connection, name: str) -> None:
        now = self._clock()
        check_name(name)
        if not people.insert(conn, name, "", "start", now, program=False):
            raise Conflict(f"There is somebody of the name {name} already.")
        people.give(conn, name, Grant(Role.ADMIN), "start", now, confirmed=True)
        audit.record(conn, "person.added", "start", {"role": Role.ADMIN.value}, now)

    def _require_factor_free(self, conn: Connection, actor: Actor) -> Row:
        """Who has a second factor changes them only right after showing one. Raises Denied, RequestError.

        An identity provider enrols nobody: whoever runs it would make factors of people who have none yet.
        """
        row = people.locked(conn, actor.name)
        if row is None or actor.proof not in (Proof.PASSWORD, Proof.TOTP, Proof.KEY):
            raise RequestError("Sign in with your own password or security key for that.")
        if not row.totp and not sessions.keys_of(conn, actor.name):
            return row
        if actor.proof is Proof.PASSWORD or not actor.is_fresh(self._clock()):
            raise Denied("Show your second factor first: it is asked for again after 15 minutes.")
        return row

    def _enrolled(self, conn: Connection, actor: Actor, proof: Proof, factor: str) -> None:
        now = self._clock()
        people.revise(conn, actor.name)
        sessions.change_session(conn, actor.session, proof=proof.value, proved_at=now)
        audit.record(conn, "person.enrolled", actor.name, {"factor": factor}, now)


def _is_secret(secret: str) -> bool:
    return len(secret) == 32 and all(sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" for sign in secret)
