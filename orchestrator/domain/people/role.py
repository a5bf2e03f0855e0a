"""Roles, what each may do, and for which services. Pure.

Nobody holds a role because of another one: an admin decides who may approve, and approves nothing.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUTHOR = "author"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a request may need. Each route needs exactly one."""

    LOOK = "look"
    PLAN = "plan"
    EXAMINE = "examine"
    """Reads clouds and zones with the scope's credentials: the doctor, inventories, the map."""
    START = "start"
    OPERATE = "operate"
    """Decides about a run under way: resume, retry, skip, cancel, undo, acknowledge a task."""
    PAUSE = "pause"
    APPROVE = "approve"
    """Releases a plan, says yes or no at a hold point, takes part in a standing approval."""
    REVOKE = "revoke"
    """Takes a standing approval back."""
    HALT = "halt"
    LIFT = "lift"
    ACKNOWLEDGE = "acknowledge"
    SYNC = "sync"
    ACCEPT = "accept"
    """Accepts a rewritten history of the estate."""
    TIDY = "tidy"
    """Keeps or releases what Bascule made and no run stands behind."""
    AUDIT = "audit"
    MANAGE = "manage"
    """People, their roles, others' tokens, secrets."""
    OWN = "own"
    """One's own account, sessions and tokens."""


P = Permission

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({P.LOOK, P.OWN}),
    Role.OPERATOR: frozenset(
        {P.LOOK, P.OWN, P.PLAN, P.EXAMINE, P.START, P.OPERATE, P.PAUSE, P.REVOKE, P.HALT, P.LIFT, P.ACKNOWLEDGE, P.SYNC,
         P.TIDY}
    ),
    Role.APPROVER: frozenset(
        {P.LOOK, P.OWN, P.PLAN, P.PAUSE, P.APPROVE, P.REVOKE, P.HALT, P.LIFT, P.ACKNOWLEDGE}
    ),
    Role.AUTHOR: frozenset({P.LOOK, P.OWN, P.PLAN, P.EXAMINE, P.SYNC}),
    Role.AUDITOR: frozenset({P.LOOK, P.OWN, P.AUDIT}),
    Role.ADMIN: frozenset({P.LOOK, P.OWN, P.PAUSE, P.REVOKE, P.HALT, P.SYNC, P.ACCEPT, P.AUDIT, P.MANAGE}),
}  # fmt: skip

GUARDED = frozenset({Role.APPROVER, Role.ADMIN})
"""Roles that a second person confirms, as soon as there is one: one admin alone must not make two approvers."""

ANYWHERE = frozenset({P.OWN, P.HALT, P.PAUSE, P.SYNC})
"""What a role for one service allows though it concerns all: one's own account, and what makes things safer."""


WHOLE = frozenset({P.MANAGE, P.ACCEPT, P.LIFT, P.AUDIT, P.TIDY})
"""What concerns the whole organisation, so that a role for one service never allows it: nobody manages a part of it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, for one service or (`service` empty) for the whole organisation."""

    role: Role
    service: str = ""


def allows(grants: Iterable[Grant], permission: Permission, services: Collection[str] | None = None) -> bool:
    """Whether the grants allow it for all of these services; None: for at least one of whatever services there are.

    No services at all stand for the whole organisation, which a role for one service is not enough for.
    """
    where = {grant.service for grant in grants if permission in PERMISSIONS[grant.role]}
    if "" in where or (where and permission in ANYWHERE):
        return True
    if permission in WHOLE:
        return False
    if services is None:
        return bool(where)
    return bool(services) and where.issuperset(services)
