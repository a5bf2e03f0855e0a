"""People, their roles, and sealed codes: for who manages them."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, StrictBool

from orchestrator.operations.people.break_glass import Bundle
from orchestrator.operations.people.register import Person
from orchestrator.operations.request import Denied
from orchestrator.web.api.orders import Remark
from orchestrator.web.api.session_routes import GrantSaid, Login, SaidModel
from orchestrator.web.edge.authority import LOCAL, Acting, require_second_person
from orchestrator.web.parts import Given

router = APIRouter(tags=["people"])

Who = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._\-]{0,62}$")]
Title = Annotated[Remark, Field(max_length=200)]


class AddOrder(SaidModel):
    """`program`: it gets tokens, never signs in, and never approves."""

    name: Login
    title: Title = ""
    roles: list[GrantSaid] = Field(default_factory=list, max_length=50)
    program: StrictBool = False


class ReasonOrder(SaidModel):
    reason: Annotated[Remark, Field(min_length=1)]


class LinkOrder(SaidModel):
    """`subject`: `ISSUER SUBJECT` of the identity provider; empty takes the link away."""

    subject: Annotated[str, Field(max_length=500, pattern=r"^(?:https://\S+ \S+)?$")]


class SealOrder(SaidModel):
    """`codes` are made, of which any `needed` open a session with these roles."""

    codes: Annotated[int, Field(ge=2, le=20)] = 5
    needed: Annotated[int, Field(ge=2, le=20)] = 3
    roles: list[GrantSaid] = Field(min_length=1, max_length=10)
    days: Annotated[float, Field(gt=0, le=366)] = 365


class AgreeOrder(SaidModel):
    """`bundle`: of the codes that were looked at, as `GET /break-glass` names those that wait."""

    bundle: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]


class RoleAnswer(GrantSaid):
    """`counts` is false while it waits for a second person."""

    by: str
    counts: bool


class PersonAnswer(BaseModel):
    """`factors`: password, totp, key. `seen_at` (UTC seconds): null while no session or token of theirs is there."""

    name: str
    title: str
    program: bool
    disabled: bool
    factors: list[str]
    roles: list[RoleAnswer]
    seen_at: float | None


class PeopleAnswer(BaseModel):
    people: list[PersonAnswer]


class InvitationAnswer(BaseModel):
    """`path`: of the link that is used once, within a day; null for a program."""

    name: str
    path: str | None


class GrantedAnswer(BaseModel):
    """`counts` is false while the role waits for a second person."""

    counts: bool


class DoneAnswer(BaseModel):
    name: str


class EndedAnswer(BaseModel):
    """How many of each opened something until now."""

    sessions: int
    tokens: int
    invitations: int
    challenges: int
    codes: int


class AgreedAnswer(BaseModel):
    """The codes that were sealed open from now on."""

    counts: bool = True


class SealedAnswer(BaseModel):
    """What is sealed at present; without codes, which were told once. Times are UTC seconds."""

    bundle: str
    codes: int
    needed: int
    roles: list[GrantSaid]
    sealed_at: float
    sealed_by: str
    expires_at: float


class GlassAnswer(BaseModel):
    """`sealed`: the codes that open; `waiting`: new ones, which open nothing until a second person agrees."""

    sealed: SealedAnswer | None
    waiting: SealedAnswer | None


class CodesAnswer(BaseModel):
    """Told once: put each into an envelope of its own. `counts` is false while they wait for a second person."""

    codes: list[str]
    counts: bool


@router.get("/people")
def list_people(given: Given) -> PeopleAnswer:
    return PeopleAnswer(people=[_answer(one) for one in given.service.people.register.listed()])


@router.post("/people", status_code=201)
def add_person(order: AddOrder, acting: Acting, given: Given) -> InvitationAnswer:
    """Add a person, who is invited by a link, or a program."""
    grants = [one.grant for one in order.roles]
    register = given.service.people.register
    secret = register.add(order.name, order.title, grants, _by(acting), program=order.program)
    return _invitation(order.name, secret)


@router.post("/people/after-restore")
def after_restore(order: ReasonOrder, acting: Acting, given: Given) -> EndedAnswer:
    """Once the database was put back from a copy: all sessions, tokens, invitations and sealed codes end."""
    return EndedAnswer(**asdict(given.service.people.restored.end_all(_by(acting), order.reason)))


@router.post("/people/{name}/grant")
def grant_role(name: Who, order: GrantSaid, acting: Acting, given: Given) -> GrantedAnswer:
    """Give a role. That of an approver or admin waits for a second person, where there is one who can confirm it."""
    return GrantedAnswer(counts=given.service.people.register.grant(name, order.grant, _by(acting)))


@router.post("/people/{name}/confirm")
def confirm_role(name: Who, order: GrantSaid, acting: Acting, given: Given) -> DoneAnswer:
    """Agree, as a second person, to a role that somebody else gave."""
    require_second_person(given, acting)
    given.service.people.register.confirm(name, order.grant, acting.name)
    return DoneAnswer(name=name)


@router.post("/people/{name}/revoke")
def revoke_role(name: Who, order: GrantSaid, acting: Acting, given: Given) -> DoneAnswer:
    """Take a role away; what the person approved, and led to nothing yet, is void."""
    given.service.people.register.revoke(name, order.grant, _by(acting))
    return DoneAnswer(name=name)


@router.post("/people/{name}/disable")
def disable_person(name: Who, order: ReasonOrder, acting: Acting, given: Given) -> DoneAnswer:
    """Shut somebody out, at once."""
    given.service.people.register.disable(name, _by(acting), order.reason)
    return DoneAnswer(name=name)


@router.post("/people/{name}/enable")
def enable_person(name: Who, order: ReasonOrder, acting: Acting, given: Given) -> DoneAnswer:
    """Let somebody in again."""
    given.service.people.register.enable(name, _by(acting), order.reason)
    return DoneAnswer(name=name)


@router.post("/people/{name}/invite")
def invite_person(name: Who, acting: Acting, given: Given) -> InvitationAnswer:
    """A new link: the person chooses anew what proves them, and guarded roles wait for a second person."""
    return _invitation(name, given.service.people.register.invite(name, _by(acting)))


@router.post("/people/{name}/link")
def link_person(name: Who, order: LinkOrder, acting: Acting, given: Given) -> DoneAnswer:
    """Say who the person is at the identity provider."""
    given.service.people.register.link(name, order.subject, _by(acting))
    return DoneAnswer(name=name)


@router.post("/people/{name}/recover")
def recover_admin(name: Who, acting: Acting, given: Given) -> InvitationAnswer:
    """With the installation's token: an admin's link, when no admin can sign in any more."""
    if acting.is_person:
        raise Denied("Only the installation's token recovers: run `bascule people recover` on the service's machine.")
    return _invitation(name, given.service.people.register.recover(name, LOCAL))


@router.get("/break-glass")
def read_glass(given: Given) -> GlassAnswer:
    """What is sealed, without the codes."""
    found = {one.counts: _sealed(one) for one in given.service.people.break_glass.sealed()}
    return GlassAnswer(sealed=found.get(True), waiting=found.get(False))


@router.post("/break-glass", status_code=201)
def seal_codes(order: SealOrder, acting: Acting, given: Given) -> CodesAnswer:
    """Seal new codes. They count once a second person agrees, where there is one; those from before, until then."""
    grants = [one.grant for one in order.roles]
    glass = given.service.people.break_glass
    codes = glass.seal(order.codes, order.needed, grants, order.days, _by(acting))
    return CodesAnswer(codes=codes, counts=all(one.counts for one in glass.sealed()))


@router.post("/break-glass/confirm")
def confirm_codes(order: AgreeOrder, acting: Acting, given: Given) -> AgreedAnswer:
    """Agree, as a second person, to codes that somebody else sealed."""
    require_second_person(given, acting)
    given.service.people.break_glass.confirm(acting.name, order.bundle)
    return AgreedAnswer()


def _sealed(one: Bundle) -> SealedAnswer:
    return SealedAnswer(
        bundle=one.id,
        codes=one.shares,
        needed=one.needed,
        roles=[GrantSaid(role=grant.role, service=grant.service) for grant in one.grants],
        sealed_at=one.sealed_at,
        sealed_by=one.sealed_by,
        expires_at=one.expires_at,
    )


def _by(acting: Acting) -> str:
    """The installation's token manages in nobody's name: whoever confirms is then certainly somebody else."""
    return acting.name if acting.is_person else LOCAL


def _invitation(name: str, secret: str | None) -> InvitationAnswer:
    return InvitationAnswer(name=name, path=f"/welcome?code={secret}" if secret else None)


def _answer(one: Person) -> PersonAnswer:
    roles = [
        RoleAnswer(role=held.grant.role, service=held.grant.service, by=held.by, counts=held.counts)
        for held in one.roles
    ]
    return PersonAnswer(
        name=one.name,
        title=one.title,
        program=one.program,
        disabled=one.disabled,
        factors=list(one.factors),
        roles=roles,
        seen_at=one.seen_at,
    )
