"""Sealed codes for the day on which nobody can sign in: any `needed` of them together open a session, once, and loudly.

The session is one person's worth: with the role of approver it gives one approval, never two. Codes lie in sealed
envelopes with different people, so that opening takes as many of them.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.domain.people.actor import Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.second_person import is_alone
from orchestrator.operations.people.sign_in import Opened, SignIn, Unproved
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.store import audit, people, sessions
from orchestrator.store.database import Database
from orchestrator.store.runs import Row

log = logging.getLogger("bascule.people")

NAME = "break-glass"
OPEN_FOR = 3600.0
"""Seconds that the session lasts."""
CODES_LAST_AT_MOST = 366 * 86400.0
_SIGNS = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"
"""Crockford's Base32, in which nothing is mistaken for another sign when it is read aloud."""
_BLOCKS = 5
_MOST = 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is sealed at present. Times are UTC seconds."""

    id: str
    shares: int
    needed: int
    grants: tuple[Grant, ...]
    sealed_at: float
    sealed_by: str
    expires_at: float
    counts: bool
    """False while a second person has not agreed: such codes open nothing yet."""


class BreakGlass:
    """`tell`: puts a message in the queue of everybody who is to know, in the caller's transaction."""

    def __init__(
        self, database: Database, clock: Callable[[], float], sign_in: SignIn, tell: Callable[..., None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._sign_in = sign_in
        self._tell = tell

    def seal(self, shares: int, needed: int, grants: Sequence[Grant], days: float, by: str) -> list[str]:
        """New codes, told once; those sealed before open nothing any more, once these count. Raises RequestError.

        They count at once where nobody could agree, else when a second person has: whoever sees all codes would
        otherwise open them alone, and be a further person.
        """
        now = self._clock()
        if not 2 <= needed <= shares <= _MOST:
            raise RequestError(f"Seal 2 to {_MOST} codes, of which at least 2 are needed.")
        if not 0 < days * 86400.0 <= CODES_LAST_AT_MOST:
            raise RequestError("Codes last at most a year: seal new ones in time.")
        if not grants or any(one.role not in (Role.ADMIN, Role.APPROVER, Role.OPERATOR) for one in grants):
            raise RequestError("Sealed codes open the roles admin, approver or operator.")
        codes = [_new_code() for _ in range(shares)]
        bundle = secrets.token_hex(4)
        said = [[one.role.value, one.service] for one in grants]
        values = {"bundle": bundle, "needed": needed, "grants": said, "sealed_at": now, "sealed_by": by}
        with self._database.write() as conn:
            people.exclude(conn)
            values |= {"expires_at": now + days * 86400.0, "confirmed_by": by if is_alone(conn, by) else None}
            sessions.seal_codes(conn, [_plain(one) for one in codes], values)
            audit.record(conn, "break_glass.sealed", by, {"bundle": bundle, "shares": shares, "needed": needed}, now)
        return codes

    def confirm(self, by: str, bundle: str) -> None:
        """A second person agrees to the codes they looked at. Raises NotFound, Conflict, Denied for who sealed them."""
        with self._database.write() as conn:
            people.exclude(conn)
            if by not in people.confirmers(conn, ()):
                raise Denied("An approver or an admin of the whole organisation agrees to sealed codes.")
            waiting = [row for row in sessions.bundles(conn) if row.confirmed_by is None]
            if not waiting:
                raise NotFound("No sealed codes wait for a second person.")
            one = next((row for row in waiting if row.bundle == bundle), None)
            if one is None:
                raise Conflict("Other sealed codes wait now than those that you agree to: look again.")
            if by == one.sealed_by:
                raise Denied("Another person than the one who sealed the codes agrees to them.")
            sessions.confirm_bundle(conn, one.bundle, by)
            audit.record(conn, "break_glass.confirmed", by, {"bundle": one.bundle}, self._clock())

    def open(self, codes: Sequence[str], reason: str, agent: str = "") -> Opened:
        """Open a session with enough different codes. Raises Unproved, RequestError without a reason."""
        if not reason.strip():
            raise RequestError("Say why the glass is broken: everybody is told.")
        given = {_plain(one) for one in codes if one.strip()}
        now = self._clock()
        with self._database.write() as conn:
            found = sessions.sealed(conn, sorted(given))
            rows = [row for row in found if row.expires_at > now and row.confirmed_by is not None]
            if rows and len(rows) >= rows[0].needed and sessions.break_bundle(conn, rows[0].bundle):
                name = f"{NAME}-{rows[0].bundle}"
                grants = tuple(Grant(Role(role), service) for role, service in rows[0].grants)
                opened = self._sign_in.open(conn, name, Proof.BREAK_GLASS, agent, grants)
                sessions.change_session(conn, opened.actor.session, expires_at=now + OPEN_FOR)
                numbers = sorted(row.number for row in rows)
                said = {"bundle": rows[0].bundle, "codes": numbers, "reason": reason}
                audit.record(conn, "break_glass.opened", name, said, now)
                self._tell(conn, rows[0].bundle, numbers, reason)
                return Opened(opened.secret, opened.actor, now + OPEN_FOR)
            if rows:  # guesses alone are told of in the log: nobody fills the audit with them
                audit.record(conn, "break_glass.refused", "", {"given": len(given), "genuine": len(rows)}, now)
        log.warning("sealed codes were given that open nothing: %d, of which %d are genuine", len(given), len(rows))
        raise Unproved("These codes do not open it: too few of them are genuine, or they are too old.")

    def sealed(self) -> list[Bundle]:
        """The codes that open at present, and those that wait for a second person."""
        with self._database.read() as conn:
            rows = sessions.bundles(conn)
        found = {row.bundle: [one for one in rows if one.bundle == row.bundle] for row in rows}
        return sorted((_bundle(rows) for rows in found.values()), key=lambda one: not one.counts)


def _bundle(rows: Sequence[Row]) -> Bundle:
    one = rows[0]
    grants = tuple(Grant(Role(role), service) for role, service in one.grants)
    counts = one.confirmed_by is not None
    return Bundle(one.bundle, len(rows), one.needed, grants, one.sealed_at, one.sealed_by, one.expires_at, counts)


def _new_code() -> str:
    """125 bits in five blocks of five signs."""
    return "-".join("".join(secrets.choice(_SIGNS) for _ in range(5)) for _ in range(_BLOCKS))


def _plain(code: str) -> str:
    """Case, spaces and hyphens do not matter; signs that look alike are one (Crockford)."""
    text = "".join(code.upper().split()).replace("-", "")
    return text.translate(str.maketrans("OIL", "011"))
