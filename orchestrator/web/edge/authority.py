"""Whether the caller may do what the route does, asked before any handler; and in whose name it is done."""

import re
from collections.abc import Callable, Collection
from typing import Annotated

from fastapi import Depends, Request

from orchestrator.domain.authority import proves_people
from orchestrator.domain.model import Mode
from orchestrator.domain.people.actor import Actor, Lack
from orchestrator.domain.people.role import Permission, Role
from orchestrator.operations.request import Denied, NotFound, RequestError
from orchestrator.store import proposals, runs, standing_approvals
from orchestrator.web.edge.access import Caller
from orchestrator.web.parts import Given, Parts

_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,59}")
LOCAL = "local"
"""Who acts with this installation's token and gives no name."""


class SignInNeeded(Denied):
    code = "sign_in_needed"


class FactorNeeded(Denied):
    code = "second_factor_needed"


class ProofTooOld(Denied):
    code = "proof_too_old"


_WHY = {
    Lack.PERSON: (
        SignInNeeded,
        "Outside of rehearsals this is done by people who are known: sign in (`bascule login`), and do it again.",
    ),
    Lack.FACTOR: (
        FactorNeeded,
        "This asks for a person with a second factor, which this session or token does not show: `bascule login`.",
    ),
    Lack.STALE: (
        ProofTooOld,
        "You showed your second factor more than 15 minutes ago: show it again (`bascule login --again`).",
    ),
}


async def caller(request: Request) -> Actor:
    """Whoever the gate let in. Awaits nothing; a plain function would be given a thread of its own."""
    found = getattr(request.state, "caller", None)
    if not isinstance(found, Caller):
        raise SignInNeeded("Sign in for this.")
    return found.actor


def authorized(request: Request, given: Given) -> None:
    """Put before every route. Raises Denied, or NotFound where the caller may not even know."""
    permission = request.app.state.needed[request.scope["endpoint"], request.method]
    if permission is None:
        return
    found = getattr(request.state, "caller", None)
    if not isinstance(found, Caller):
        raise SignInNeeded("Sign in for this.")
    services, mode = _concerned(given, request.path_params)
    if found.actor.lacks(Permission.LOOK, services) is Lack.ROLE and permission is not Permission.OWN:
        raise NotFound("There is no such thing, or you have no role there.")
    require(given, found.actor, permission, services, mode)


def require(
    given: Parts,
    actor: Actor,
    permission: Permission,
    services: Collection[str] | None = None,
    mode: Mode | None = None,
) -> None:
    """Raises Denied. `services` None: for one of whatever services there are."""
    lack = actor.lacks(permission, services, mode, given.service.progress.clock())
    if lack is None:
        return
    if lack is Lack.ROLE:
        raise Denied(_no_role(actor, permission, services))
    kind, why = _WHY[lack]
    raise kind(why)


def require_second_person(given: Parts, actor: Actor) -> None:
    """A person, with a second factor shown just now; which role they need, the register says. Raises Denied."""
    if not actor.is_person:
        raise SignInNeeded("A second person agrees in their own name: sign in.")
    if not actor.shows_second_factor:
        raise FactorNeeded("Sign in with your second factor for that.")
    if not actor.is_fresh(given.service.progress.clock()):
        raise ProofTooOld("Show your second factor again (`bascule login --again`): it was more than 15 minutes ago.")


def may_come_to(actor: Actor, permission: Permission) -> bool:
    """Whether a page leads there: by role. A second factor that must be shown is asked for when one goes there."""
    return actor.lacks(permission) in (None, Lack.FACTOR, Lack.STALE)


def require_role(
    given: Parts, actor: Actor, role: str, services: Collection[str], mode: Mode, *, approves: bool
) -> None:
    """For a hold point or a task, which names the role of who answers. Raises Denied.

    `approves`: outside of rehearsals it is then an approval, whatever role is named: a person's yes, with a second
    factor shown just now.
    """
    wanted = Role(role) if role in {one.value for one in Role} else Role.OPERATOR
    permission = Permission.APPROVE if wanted is Role.APPROVER else Permission.OPERATE
    if actor.is_person and wanted not in (Role.APPROVER, Role.OPERATOR):
        if not actor.holds(wanted, services):
            raise Denied(f"{actor.name} does not have the role {wanted.value} that is asked for here.")
        permission = Permission.LOOK
    require(given, actor, permission, services, mode)
    if approves and proves_people(mode):
        require(given, actor, Permission.APPROVE, services, mode)


def mode_of_scope(given: Parts, scope: str) -> Mode:
    """As strict as live where it can't be known."""
    estates = given.service.estates
    try:
        found = estates.bundle(estates.newest()).estate.scopes.get(scope)
    except RequestError:
        found = None
    return Mode(found.mode) if found is not None else Mode.LIVE


def sees(actor: Actor, services: Collection[str]) -> bool:
    """Whether a run, plan or proposal of these services is shown."""
    return actor.lacks(Permission.LOOK, services) is None


def still_sees(request: Request, given: Given) -> Callable[[], bool]:
    """For an answer that goes on: whether whoever asked for it would be given it now as well. Reads the database."""

    def sees_now() -> bool:
        found = given.access.who(request.method, request.headers, used=False)
        services, _ = _concerned(given, request.path_params)
        return found is not None and sees(found.actor, services or ())

    return sees_now


Still = Annotated[Callable[[], bool], Depends(still_sees)]


def name_of(actor: Actor, said: str | None) -> str:
    """In whose name it is done: one's own; with the installation's token, whatever name was given. Raises Denied."""
    if not actor.is_person:
        return said or LOCAL
    if said is not None and said.casefold() != actor.name.casefold():
        raise Denied(f"You are signed in as {actor.name}, and act in that name alone.")
    return actor.name


def _concerned(given: Parts, path: dict[str, str]) -> tuple[list[str] | None, Mode | None]:
    """The services and the mode of the run, proposal or standing approval that the path names.

    If there is none, the handler says so.
    """
    subject = path.get("run_id") or path.get("proposal_id") or path.get("approval_id") or ""
    if not _SUBJECT.fullmatch(subject):
        return None, None
    with given.service.database.read() as conn:
        run = runs.find_run(conn, subject) if "run_id" in path else None
        proposal = proposals.get(conn, subject) if "proposal_id" in path else None
        standing = standing_approvals.get(conn, subject) if "approval_id" in path else None
    if run is not None:
        return list(run.services), Mode(run.mode)
    if proposal is not None:
        return list(proposal.services), mode_of_scope(given, proposal.scope)
    if standing is not None:
        return list(standing.services), Mode.LIVE
    return None, None


def _no_role(actor: Actor, permission: Permission, services: Collection[str] | None) -> str:
    where = f" for {', '.join(sorted(services))}" if services else ""
    roles = sorted({grant.role.value for grant in actor.grants}) or ["no role"]
    return (
        f"{actor.name} ({', '.join(roles)}) may not {permission.value}{where}: an admin gives roles (`bascule people`)."
    )


Acting = Annotated[Actor, Depends(caller)]
