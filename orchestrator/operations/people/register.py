"""Who there is and what they may do: added, given roles, confirmed by a second person, shut out."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.authority import is_nobody
from orchestrator.domain.people.role import GUARDED, Grant, Role
from orchestrator.operations.people.second_person import is_alone, is_enrolled
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.store import audit, identities, people, sessions
from orchestrator.store.database import Connection, Database
from orchestrator.store.runs import Row

_NAME = re.compile(r"[a-z0-9][a-z0-9._\-]{0,62}")
_Times = tuple[Mapping[str, float], Mapping[str, float]]
"""Of each person: when they were seen last, and until when their link opens something."""
INVITED_FOR = 24 * 3600.0
"""Seconds that an invitation opens something."""


@dataclass(frozen=True, slots=True)
class Held:
    """A role as it was given. `counts` is false while it waits for a second person."""

    grant: Grant
    by: str
    counts: bool


@dataclass(frozen=True, slots=True)
class Person:
    """`factors`: password, totp, key. Times are UTC seconds.

    `seen_at`: when a session or token that is there was used last, None where there is none. `invited_until`: of the
    link that waits to be used. `linked`: to an account of the identity provider.
    """

    name: str
    title: str
    program: bool
    disabled: bool
    factors: tuple[str, ...]
    roles: tuple[Held, ...]
    seen_at: float | None = None
    invited_until: float | None = None
    linked: bool = False


class Register:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def is_empty(self) -> bool:
        with self._database.read() as conn:
            return people.is_empty(conn)

    def first_invitation(self) -> str | None:
        """The secret of the first admin's invitation; None once there is somebody. Each call voids the one before."""
        with self._database.write() as conn:
            if not people.is_empty(conn):
                return None
            return self._invite(conn, "", "start")

    def recover(self, name: str, by: str) -> str:
        """An invitation for an admin, new or not, from whoever holds this machine's token. Loud in the audit.

        The role waits for a second person where there is one who can confirm it.
        """
        now = self._clock()
        with self._database.write() as conn:
            people.exclude(conn)
            if people.get(conn, name) is None:
                self._insert(conn, name, "", by, program=False)
            if not any(one.role == Role.ADMIN and not one.service for one in people.grant_rows(conn, name)):
                self._give(conn, name, Grant(Role.ADMIN), by)
            audit.record(conn, "person.recovered", by, {"person": _named(conn, name, now)}, now)
            return self._invite_again(conn, name, by)

    def add(self, name: str, title: str, grants: Sequence[Grant], by: str, *, program: bool = False) -> str | None:
        """A new person, with the secret of their invitation; a program gets tokens instead. Raises Conflict."""
        if program and any(grant.role in GUARDED for grant in grants):
            raise RequestError("A program neither approves nor manages: give it other roles.")
        with self._database.write() as conn:
            people.exclude(conn)
            self._insert(conn, name, title, by, program=program)
            for grant in grants:
                self._give(conn, name, grant, by)
            return None if program else self._invite(conn, name, by)

    def grant(self, name: str, grant: Grant, by: str) -> bool:
        """Give a role; true when it counts at once. Raises Conflict, NotFound, RequestError."""
        with self._database.write() as conn:
            people.exclude(conn)
            row = _known(conn, name)
            if row.program and grant.role in GUARDED:
                raise RequestError("A program neither approves nor manages: give it another role.")
            return self._give(conn, name, grant, by)

    def confirm(self, name: str, grant: Grant, by: str) -> None:
        """A second person agrees to a guarded role. Raises Denied for who gave it or would get it, NotFound."""
        now = self._clock()
        with self._database.write() as conn:
            people.exclude(conn)
            if by not in people.confirmers(conn, ()):
                raise Denied("An approver or an admin of the whole organisation confirms a role.")
            _known(conn, name)
            rows = {(row.role, row.service): row for row in people.grant_rows(conn, name)}
            found = rows.get((grant.role.value, grant.service))
            if found is None or found.confirmed_by is not None:
                raise NotFound(f"{name} has no role {grant.role.value} that waits for a second person.")
            if by in (name, found.granted_by):
                raise Denied("Another person confirms a role than the one who gave it or has it.")
            people.confirm(conn, name, grant, by, now)
            people.revise(conn, name)
            self._tell(conn, "person.role_confirmed", by, name, grant)

    def revoke(self, name: str, grant: Grant, by: str) -> None:
        """Take a role away; approvals that the person gave, and that led to nothing yet, are void. Raises NotFound."""
        with self._database.write() as conn:
            people.exclude(conn)
            _known(conn, name)
            others = people.guardians(conn, (by,))
            if not people.take(conn, name, grant):
                raise NotFound(f"{name} does not have the role {grant.role.value} there.")
            if people.get(conn, by) is not None and others and not people.guardians(conn, (by,)):
                raise Conflict(
                    f"Nobody but you would be left to agree to a role: shut {name} out (`bascule people disable`), or "
                    "give the role to another person first."
                )
            people.revise(conn, name)
            self._tell(conn, "person.role_taken", by, name, grant)

    def disable(self, name: str, by: str, reason: str) -> None:
        """Shut a person or program out: their sessions and tokens end now. Raises NotFound, Conflict."""
        self._shut(name, by, reason, self._clock())

    def enable(self, name: str, by: str, reason: str) -> None:
        """Let them in again, with the roles that they have. Raises NotFound, Conflict."""
        self._shut(name, by, reason, None)

    def invite(self, name: str, by: str) -> str:
        """A new invitation: what the person proved themselves with is gone, and guarded roles wait again.

        Otherwise whoever makes the link would be the person. Raises NotFound, RequestError.
        """
        with self._database.write() as conn:
            people.exclude(conn)
            if _known(conn, name).program:
                raise RequestError(f"{name} is a program: make a token for it.")
            return self._invite_again(conn, name, by)

    def link(self, name: str, subject: str, by: str) -> None:
        """Say who the person is at the identity provider: its issuer and subject. Raises Conflict, NotFound."""
        now = self._clock()
        with self._database.write() as conn:
            people.exclude(conn)
            if _known(conn, name).program:
                raise RequestError(f"{name} is a program, and signs in nowhere.")
            other = people.of_subject(conn, subject)
            if other is not None and other.name != name:
                raise Conflict(f"{other.name} is linked to this account already.")
            people.revise(conn, name, subject=subject or None)
            audit.record(conn, "person.linked", by, {"person": _named(conn, name, now), "linked": bool(subject)}, now)

    def listed(self) -> list[Person]:
        with self._database.read() as conn:
            grants, times = people.grant_rows(conn), self._times(conn)
            rows = people.listed(conn)
            return [self._person(conn, row, [one for one in grants if one.person == row.name], times) for row in rows]

    def get(self, name: str) -> Person:
        """Raises NotFound."""
        with self._database.read() as conn:
            return self._person(conn, _known(conn, name), people.grant_rows(conn, name), self._times(conn))

    def confirms(self, name: str) -> bool:
        """Whether this person can be a second person: for roles, and for sealed codes."""
        with self._database.read() as conn:
            return name in people.confirmers(conn, ())

    def unconfirmed(self, by: str) -> list[tuple[str, Held]]:
        """Who waits for a second person, with which role: what `by` may agree to. Nothing for who may agree to none."""
        with self._database.read() as conn:
            if by not in people.confirmers(conn, ()):
                return []
            rows = [one for one in people.grant_rows(conn) if by not in (one.person, one.granted_by)]
        found = [(one.person, Held(Grant(Role(one.role), one.service), one.granted_by, False)) for one in rows
                 if one.role in GUARDED and one.confirmed_by is None]  # fmt: skip
        return sorted(found, key=lambda pair: pair[0])

    def _times(self, conn: Connection) -> _Times:
        now = self._clock()
        open_links = {name: at for name, at in sessions.invited_until(conn).items() if at > now}
        return sessions.last_seen(conn), open_links

    def _person(self, conn: Connection, row: Row, grants: Sequence[Row], times: _Times) -> Person:
        factors = [name for name, there in (("password", row.password), ("totp", row.totp)) if there]
        factors += ["key"] if sessions.keys_of(conn, row.name) else []
        counts = set(people.grants_of(conn, row.name))
        roles = []
        for one in grants:
            grant = Grant(Role(one.role), one.service)
            roles.append(Held(grant, one.granted_by, grant in counts))
        disabled = row.disabled_at is not None
        return Person(
            row.name,
            row.title,
            row.program,
            disabled,
            tuple(factors),
            tuple(roles),
            times[0].get(row.name),
            times[1].get(row.name),
            row.subject is not None,
        )

    def _insert(self, conn: Connection, name: str, title: str, by: str, *, program: bool) -> None:
        now = self._clock()
        check_name(name)
        if not people.insert(conn, name, title, by, now, program=program):
            raise Conflict(f"There is somebody of the name {name} already.")
        audit.record(conn, "person.added", by, {"person": _named(conn, name, now), "program": program}, now)

    def _give(self, conn: Connection, name: str, grant: Grant, by: str) -> bool:
        alone = is_alone(conn, by, name)
        counts = alone or grant.role not in GUARDED
        if not people.give(conn, name, grant, by, self._clock(), confirmed=counts and grant.role in GUARDED):
            raise Conflict(f"{name} has the role {grant.role.value} there already.")
        people.revise(conn, name)
        self._tell(conn, "person.role_given", by, name, grant, counts=counts)
        return counts

    def _invite(self, conn: Connection, name: str, by: str) -> str:
        secret, now = secrets.token_urlsafe(32), self._clock()
        sessions.invite(conn, secret, name, by, now, now + INVITED_FOR)
        return secret

    def _invite_again(self, conn: Connection, name: str, by: str) -> str:
        now = self._clock()
        another = people.get(conn, by) is not None and by != name and is_enrolled(conn, name)
        people.let_out(conn, name, tokens=True)
        sessions.end_keys(conn, name)
        if another or not is_alone(conn, by, name):
            people.doubt(conn, name, by)
        people.revise(conn, name, password=None, totp=None, failures=0)
        audit.record(conn, "person.invited", by, {"person": _named(conn, name, now)}, now)
        return self._invite(conn, name, by)

    def _shut(self, name: str, by: str, reason: str, at: float | None) -> None:
        if not reason.strip():
            raise RequestError("Give a reason: the audit keeps it.")
        now = self._clock()
        with self._database.write() as conn:
            people.exclude(conn)
            row = _known(conn, name)
            if (row.disabled_at is not None) == (at is not None):
                raise Conflict(f"{name} is {'shut out' if at is not None else 'let in'} already.")
            people.revise(conn, name, disabled_at=at)
            people.let_out(conn, name, tokens=at is not None)
            kind = "person.disabled" if at is not None else "person.enabled"
            audit.record(conn, kind, by, {"person": _named(conn, name, now), "reason": reason}, now)

    def _tell(self, conn: Connection, kind: str, by: str, name: str, grant: Grant, **more: object) -> None:
        now = self._clock()
        said = {"person": _named(conn, name, now), "role": grant.role.value, "service": grant.service, **more}
        audit.record(conn, kind, by, said, now)


def check_name(name: str) -> None:
    """Raises RequestError for a name that nobody may go by."""
    if not _NAME.fullmatch(name):
        raise RequestError("A name has small letters, digits, dots and hyphens, such as anne.martin.")
    if is_nobody(name):
        raise RequestError(f"{name!r} is what the service itself goes by; choose another name.")


def _known(conn: Connection, name: str) -> Row:
    row = people.get(conn, name)
    if row is None:
        raise NotFound(f"There is nobody of the name {name}; `bascule people` lists all.")
    return row


def _named(conn: Connection, name: str, at: float) -> str:
    """How the audit writes a person's name: a pseudonym, which can be forgotten."""
    return identities.pseudonym(conn, name, at)
