"""Signing in, by password and code or by security key; who a session or a token belongs to; signing out."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.factors import Sealing, is_password, totp_used
from orchestrator.operations.people.marks import Marks
from orchestrator.operations.people.security_key import SecurityKeys
from orchestrator.operations.request import Denied, NotFound, RequestError
from orchestrator.store import audit, people, sessions
from orchestrator.store.database import Connection, Database
from orchestrator.store.runs import Row

SESSION = "bss_"
TOKEN = "bst_"  # noqa: S105 - a beginning
"""What the secrets begin with, so that scanners of code and logs recognise them."""
LASTS = 12 * 3600.0
IDLE = 2 * 3600.0
"""Seconds that a session lasts at most, and without being used."""
TOUCHED_EVERY = 60.0
FREE_TRIES = 5
GOES_PAST = 60
"""Wrong tries in a row up to which a right code goes past the wait: of a million codes three are right at any time."""
WAIT_AT_MOST = 300.0
"""Wrong passwords or codes in a row that cost nothing; from then on the wait doubles, to so many seconds."""


class Unproved(RequestError):
    """Name, password, code or key are not right; which of them is not said."""

    code = "unauthenticated"

    def __init__(self, text: str = "Name, password or code are not right.") -> None:
        super().__init__(text)


class TooSoon(RequestError):
    """After several wrong tries one waits. A security key signs in without waiting."""

    code = "too_many"

    def __init__(self, wait: float) -> None:
        super().__init__(f"Too many wrong tries: wait {wait:.0f} s, or sign in with a security key.")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that began. `secret` is told once."""

    secret: str
    actor: Actor
    expires_at: float


class SignIn:
    def __init__(self, database: Database, clock: Callable[[], float], sealing: Sealing, keys: SecurityKeys) -> None:
        self._database = database
        self._clock = clock
        self._sealing = sealing
        self._keys = keys
        self._marks = Marks(database)
        self._guesses = _Guesses()

    def with_password(self, name: str, password: str, code: str, agent: str = "") -> Opened:
        """Raises Unproved, TooSoon. Who has a second factor must show it; who has none may only enrol one.

        Whoever guesses waits, and does not make the person wait: the right code of the moment goes past the wait.
        """
        now = self._clock()
        with self._database.read() as conn:
            row = people.get(conn, name)
        if row is None:
            self._guesses.throttle(name, now, counts=bool(code))
        elif not self._goes_past(row, code, now):
            self._wait_counted(row, code, now)
        right = is_password(row.password if row is not None else None, password)
        with self._database.write() as conn:
            row = people.locked(conn, name)
            interval = self._interval(row, code, now) if row is not None else None
            if row is not None and not self._goes_past(row, code, now):
                _throttle(row, now)  # once more: others may have guessed at the same time
            keyed = row is not None and bool(sessions.keys_of(conn, name))
            second = interval is not None or (row is not None and not row.totp and not keyed)
            if row is not None and right and second and row.disabled_at is None and not row.program:
                proof = Proof.PASSWORD if interval is None else Proof.TOTP
                people.change(conn, name, failures=0, totp_last=interval or row.totp_last)
                return self.open(conn, name, proof, agent)
            if row is not None:
                people.change(conn, name, failures=row.failures + 1, failed_at=now)
                self._tell_failure(conn, name, now)
            else:
                self._guesses.failed(name, now)
        raise Unproved

    def with_key(self, name: str, challenge: str, answer: Mapping[str, Any], agent: str = "") -> Opened:
        """Raises Unproved."""
        try:
            with self._database.write() as conn:
                row = people.locked(conn, name)
                self._keys.signed_in(conn, name, challenge, answer)
                if row is None or row.disabled_at is not None:
                    raise Unproved
                people.change(conn, name, failures=0)
                return self.open(conn, name, Proof.KEY, agent)
        except Denied as error:
            raise Unproved(str(error)) from error

    def with_subject(self, subject: str, agent: str = "") -> Opened:
        """Somebody whom the identity provider vouches for. Raises Unproved when nobody is linked to that account."""
        with self._database.write() as conn:
            row = people.of_subject(conn, subject)
            if row is None or row.disabled_at is not None:
                raise Unproved("Nobody here is linked to this account: an admin links it (`bascule people link`).")
            return self.open(conn, row.name, Proof.OIDC, agent)

    def prove(self, actor: Actor, code: str) -> None:
        """Show a code of one's second factor again. Raises Unproved, TooSoon.

        Wrong ones are counted for the session: what strangers guess at the door keeps nobody from approving.
        """
        now, here = self._clock(), f"session {actor.session}"
        with self._database.write() as conn:
            row = people.locked(conn, actor.name)
            self._guesses.throttle(here, now)
            interval = self._interval(row, code, now) if row is not None else None
            if row is not None and interval is not None:
                people.change(conn, actor.name, totp_last=interval)
                sessions.change_session(conn, actor.session, proof=Proof.TOTP.value, proved_at=now)
                return
            self._guesses.failed(here, now)
            if row is not None:
                self._tell_failure(conn, actor.name, now)
        raise Unproved("The code is not right, or was used before: wait for the next one.")

    def require_password(self, name: str, password: str) -> None:
        """That this is their present password: guessed as slowly as when signing in. Raises Unproved, TooSoon."""
        now = self._clock()
        with self._database.read() as conn:
            row = people.get(conn, name)
        _throttle(row, now)
        right = is_password(row.password if row is not None else None, password)
        with self._database.write() as conn:
            row = people.locked(conn, name)
            _throttle(row, now)
            if row is not None and not right:
                people.change(conn, name, failures=row.failures + 1, failed_at=now)
                self._tell_failure(conn, name, now)
        if not right:
            raise Unproved("The present password is not right.")

    def prove_with_key(self, actor: Actor, challenge: str, answer: Mapping[str, Any]) -> None:
        """Show one's security key again. Raises Denied."""
        with self._database.write() as conn:
            self._keys.signed_in(conn, actor.name, challenge, answer)
            sessions.change_session(conn, actor.session, proof=Proof.KEY.value, proved_at=self._clock())

    def open(self, conn: Connection, name: str, proof: Proof, agent: str, grants: tuple[Grant, ...] = ()) -> Opened:
        """A session, in the caller's transaction. `grants`: of one that is nobody's own."""
        now, secret = self._clock(), SESSION + secrets.token_urlsafe(32)
        session_id = secrets.token_hex(6)
        values = {
            "id": session_id, "person": name, "proof": proof.value, "proved_at": now, "created_at": now,
            "seen_at": now, "expires_at": now + LASTS, "agent": agent[:200],
            "grants": [[one.role.value, one.service] for one in grants] or None,
        }  # fmt: skip
        sessions.end_outdated(conn, now)
        sessions.open_session(conn, secret, values)
        audit.record(conn, "session.opened", name, {"session": session_id, "proof": proof.value}, now)
        own = grants or people.grants_of(conn, name)
        keyed = bool(sessions.keys_of(conn, name))
        return Opened(secret, Actor(name, proof, now, own, session_id, keyed), now + LASTS)

    def who(self, secret: str, *, used: bool = True) -> Actor | None:
        """Whose session or token it is; None when it opens nothing (any more). `used`: it counts as used now."""
        if secret.startswith(SESSION):
            return self._of_session(secret, used=used)
        return self._of_token(secret, used=used) if secret.startswith(TOKEN) else None

    def sign_out(self, actor: Actor) -> None:
        self.end(actor, actor.session)

    def end(self, actor: Actor, session_id: str) -> None:
        """End one of one's own sessions. Raises NotFound, RequestError for who has none."""
        _require_own(actor)
        with self._database.write() as conn:
            if not sessions.end_session(conn, session_id, actor.name):
                raise NotFound("You have no such session.")
            audit.record(conn, "session.ended", actor.name, {"session": session_id}, self._clock())

    def sign_out_everywhere(self, actor: Actor) -> None:
        """End all of one's sessions, this one as well. Raises RequestError for who has none."""
        _require_own(actor)
        with self._database.write() as conn:
            people.let_out(conn, actor.name, tokens=False)
            audit.record(conn, "session.ended", actor.name, {"session": "all"}, self._clock())

    def sessions_of(self, actor: Actor) -> list[Row]:
        with self._database.read() as conn:
            now = self._clock()
            return [row for row in sessions.sessions_of(conn, actor.name) if _is_open(row, now)]

    def _of_session(self, secret: str, *, used: bool) -> Actor | None:
        now = self._clock()
        with self._database.read() as conn:
            row = sessions.session(conn, secret)
            if row is None or not _is_open(row, now, self._marks.missed(row.id)):
                return None
            person = people.get(conn, row.person)
            own = row.grants is None
            if own and (person is None or person.disabled_at is not None):
                return None
            grants = people.grants_of(conn, row.person) if own else _grants(row.grants)
            keyed = bool(sessions.keys_of(conn, row.person))
        if used and not 0 <= now - row.seen_at < TOUCHED_EVERY:
            self._marks.make(row.id, now, lambda conn: sessions.change_session(conn, row.id, seen_at=now))
        return Actor(row.person, Proof(row.proof), row.proved_at, grants, row.id, keyed)

    def _of_token(self, secret: str, *, used: bool) -> Actor | None:
        now = self._clock()
        with self._database.read() as conn:
            row = sessions.token(conn, secret)
            if row is None or row.disabled_at is not None or row.expires_at <= now:
                return None
            given, own = _grants(row.grants), people.grants_of(conn, row.person)
        if used and (row.used_at is None or not 0 <= now - row.used_at < TOUCHED_EVERY):
            self._marks.make(row.id, now, lambda conn: sessions.used_token(conn, row.id, now))
        return Actor(row.person, Proof.TOKEN, row.created_at, narrowed(given, own), row.id)

    def _goes_past(self, row: Row, code: str, now: float) -> bool:
        """Whether the code is right, and not so many were tried that chance may have found it."""
        return row.failures < GOES_PAST and self._interval(row, code, now) is not None

    def _wait_counted(self, row: Row, code: str, now: float) -> None:
        """Codes that are tried during the wait count as well: else who knows the password tries them all. Raises
        TooSoon."""
        try:
            _throttle(row, now)
        except TooSoon:
            if code and row.failures < GOES_PAST:
                with self._database.write() as conn:
                    found = people.locked(conn, row.name)
                    if found is not None:
                        people.change(conn, row.name, failures=found.failures + 1)
            raise

    def _interval(self, row: Row, code: str, now: float) -> int | None:
        if not row.totp or not code:
            return None
        return totp_used(self._sealing.open(f"totp:{row.name}", row.totp), code, row.totp_last, now)

    def _tell_failure(self, conn: Connection, name: str, now: float) -> None:
        audit.record(conn, "session.refused", name, {}, now)


class _Guesses:
    """Wrong tries that no person's row counts: for names that nobody has, which are guessed as slowly as those of
    people, so that a wait tells nobody who exists; and in a session.
    """

    KEPT = 1000

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def throttle(self, name: str, now: float, *, counts: bool = False) -> None:
        """Raises TooSoon. `counts`: a try during the wait is counted, as that of a code is for people."""
        with self._lock:
            failures, at = self._failures.get(name, (0, 0.0))
            try:
                _wait(failures, at, now)
            except TooSoon:
                if counts and failures < GOES_PAST:
                    self._failures[name] = (failures + 1, at)
                raise

    def failed(self, name: str, now: float) -> None:
        with self._lock:
            failures, _ = self._failures.pop(name, (0, 0.0))
            self._failures[name] = (failures + 1, now)
            while len(self._failures) > self.KEPT:
                self._failures.popitem(last=False)


def _throttle(row: Row | None, now: float) -> None:
    """Raises TooSoon."""
    if row is not None and row.failed_at is not None:
        _wait(row.failures, row.failed_at, now)


def _wait(failures: int, failed_at: float, now: float) -> None:
    if failures < FREE_TRIES:
        return
    wait = min(2.0 ** (failures - FREE_TRIES + 1), WAIT_AT_MOST)
    if 0 <= now - failed_at < wait:
        raise TooSoon(wait - (now - failed_at))


def narrowed(given: tuple[Grant, ...], own: tuple[Grant, ...]) -> tuple[Grant, ...]:
    """What a token may: what it was given, as far as its person still has it."""
    return tuple(one for one in given if one in own or Grant(one.role) in own)


def _require_own(actor: Actor) -> None:
    if not actor.is_person:
        raise RequestError("The installation's token is nobody's: there is no session to end.")
    if actor.proof is Proof.TOKEN:
        raise Denied("A token ends no session: sign in, and end it there.")


def _grants(said: list[list[str]]) -> tuple[Grant, ...]:
    return tuple(Grant(Role(role), service) for role, service in said)


def _is_open(row: Row, now: float, missed: float = 0.0) -> bool:
    """A clock that was set back opens no session again, and one that was set forward ends them.

    `missed`: when it was used last, where that could not be written.
    """
    used = max(row.seen_at, missed)
    return bool(row.created_at <= now + TOUCHED_EVERY and now < row.expires_at and now - used < IDLE)
