"""Whoever makes a request, how it was proved who that is, and what follows from it. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.model import Mode
from orchestrator.domain.people.role import Grant, Permission, Role, allows

FRESH = 15 * 60.0
"""Seconds after a proof of a second factor in which one may approve or manage; then it is asked for again."""


class Proof(StrEnum):
    MACHINE = "machine"
    """The token in the data directory: whoever has it may read this machine's files. The name is not proved."""
    TOKEN = "token"  # noqa: S105 - a word
    """An API token of a person or of a program."""
    OIDC = "oidc"
    """The organisation's identity provider says so."""
    PASSWORD = "password"  # noqa: S105 - a word
    """A password alone: one may enrol a second factor, and nothing else."""
    TOTP = "totp"
    KEY = "key"
    """A security key or passkey (WebAuthn)."""
    BREAK_GLASS = "break-glass"


SECOND_FACTOR = frozenset({Proof.TOTP, Proof.KEY, Proof.BREAK_GLASS})
PERSONAL = frozenset({Permission.APPROVE, Permission.MANAGE, Permission.ACCEPT})
"""What only a person does who has just shown a second factor: neither a program, nor an identity provider alone."""

_MACHINE = frozenset(
    {Permission.LOOK, Permission.PLAN, Permission.EXAMINE, Permission.PAUSE, Permission.HALT, Permission.LIFT}
    | {Permission.ACKNOWLEDGE, Permission.SYNC, Permission.AUDIT, Permission.REVOKE, Permission.MANAGE}
    | {Permission.ACCEPT, Permission.OWN}
)
_MACHINE_REHEARSES = frozenset({Permission.START, Permission.OPERATE, Permission.APPROVE, Permission.TIDY})
"""What the machine's own token may in a rehearsal, where nothing real is touched."""


class Lack(StrEnum):
    """Why a permission is refused."""

    ROLE = "role"
    PERSON = "person"
    """A person must sign in for it."""
    FACTOR = "factor"
    """A second factor must be there."""
    STALE = "stale"
    """The proof is too old: show the second factor again."""


@dataclass(frozen=True, slots=True)
class Actor:
    """`proved_at`: UTC seconds, when the factor was shown last. `session`: the id of what was presented."""

    name: str
    proof: Proof
    proved_at: float = 0.0
    grants: tuple[Grant, ...] = ()
    session: str = ""
    keyed: bool = False
    """The person has a security key, and approves with it."""

    @property
    def is_person(self) -> bool:
        return self.proof is not Proof.MACHINE

    @property
    def shows_second_factor(self) -> bool:
        return self.proof in SECOND_FACTOR

    def lacks(
        self,
        permission: Permission,
        services: Collection[str] | None = None,
        mode: Mode | None = None,
        now: float | None = None,
    ) -> Lack | None:
        """What stands in the way; None when nothing does. `mode`: of the run concerned; None where there is none.

        `now` None: how long ago the proof was does not matter yet.
        """
        if self.proof is Proof.MACHINE:
            rehearses = permission in _MACHINE_REHEARSES and mode in (None, Mode.REHEARSAL)
            return None if permission in _MACHINE or rehearses else Lack.PERSON
        if permission is Permission.OWN:
            return None
        if self.proof is Proof.PASSWORD:
            return Lack.FACTOR
        if not allows(self.grants, permission, services):
            return Lack.ROLE
        if permission in PERSONAL and self.proof not in SECOND_FACTOR:
            return Lack.FACTOR
        if permission in PERSONAL and now is not None and not self.is_fresh(now):
            return Lack.STALE
        return None

    def is_fresh(self, now: float) -> bool:
        """Whether a second factor was shown just now. Sealed codes can't be shown again: their session is short."""
        if not self.shows_second_factor:
            return False
        return self.proof is Proof.BREAK_GLASS or 0 <= now - self.proved_at <= FRESH

    def holds(self, role: Role, services: Collection[str]) -> bool:
        """Whether the person has the role for all of these services."""
        where = {grant.service for grant in self.grants if grant.role is role}
        return "" in where or (bool(services) and where.issuperset(services))
