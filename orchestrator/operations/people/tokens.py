"""Tokens for programs and for people's scripts: 256 bits, told once, with an end, never more than their owner may."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import GUARDED, Grant
from orchestrator.operations.people.sign_in import TOKEN, narrowed
from orchestrator.operations.request import Denied, NotFound, RequestError
from orchestrator.store import audit, identities, people, sessions
from orchestrator.store.database import Database
from orchestrator.store.runs import Row

LASTS_AT_MOST = 366 * 86400.0
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Made:
    """`secret` is told once, and is nowhere kept."""

    id: str
    secret: str
    expires_at: float


class Tokens:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def make(self, owner: str, label: str, grants: Sequence[Grant], days: float, by: Actor) -> Made:
        """A token of oneself, or (who manages) of a program. Raises Denied, NotFound, RequestError."""
        now = self._clock()
        if not 0 < days * DAY <= LASTS_AT_MOST:
            raise RequestError("A token lasts from one day to a year.")
        if not grants or any(one.role in GUARDED for one in grants):
            raise RequestError("A token has one or more of the roles viewer, operator, author and auditor.")
        with self._database.write() as conn:
            row = people.get(conn, owner)
            if row is None or row.disabled_at is not None:
                raise NotFound(f"There is nobody of the name {owner} who is let in.")
            if owner != by.name and not row.program:
                raise Denied("People make their own tokens; an admin makes those of programs.")
            own = people.grants_of(conn, owner)
            if len(narrowed(tuple(grants), own)) != len(grants):
                raise Denied(f"{owner} does not have all of these roles: a token has no more than its owner.")
            made = Made(secrets.token_hex(6), TOKEN + secrets.token_urlsafe(32), now + days * DAY)
            said = [[one.role.value, one.service] for one in grants]
            values = {"id": made.id, "person": owner, "label": label, "grants": said, "created_at": now}
            values |= {"created_by": by.name, "expires_at": made.expires_at}
            sessions.keep_token(conn, made.secret, values)
            who = identities.pseudonym(conn, owner, now)
            audit.record(conn, "token.made", by.name, {"token": made.id, "owner": who, "grants": said}, now)
        return made

    def listed(self, owner: str = "") -> Sequence[Row]:
        """Of one owner, or of all."""
        with self._database.read() as conn:
            return sessions.tokens_of(conn, owner)

    def revoke(self, token_id: str, by: Actor, *, manages: bool) -> None:
        """End one of one's own tokens, or (who manages) anybody's. Raises NotFound."""
        with self._database.write() as conn:
            row = sessions.end_token(conn, token_id)
            if row is None or (row.person != by.name and not manages):
                raise NotFound("There is no such token of yours.")
            audit.record(conn, "token.revoked", by.name, {"token": token_id}, self._clock())
