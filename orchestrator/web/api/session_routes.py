"""Signing in and out over the API, and one's own account: factors, sessions, tokens."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import Grant, Permission, Role
from orchestrator.operations.decisions import hold_point
from orchestrator.operations.people.security_key import Asked
from orchestrator.operations.people.sign_in import Opened
from orchestrator.operations.request import Denied, NotFound
from orchestrator.store import runs
from orchestrator.web.api.orders import Digest, KeyAnswer, Remark
from orchestrator.web.api.orders import Name as PlainName
from orchestrator.web.edge.authority import Acting, require, sees
from orchestrator.web.parts import Given

router = APIRouter(tags=["people"])

Login = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._\-]{0,62}$")]
Password = Annotated[SecretStr, Field(max_length=200)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9 ]{0,10}$")]
_ONE_LINE = r"^[^\x00-\x1f]+$"
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_ONE_LINE)]
Agent = Annotated[str, Header(alias="user-agent", max_length=1000)]
ShortId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]
KeyId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,400}$")]


class SaidModel(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GrantSaid(SaidModel):
    """A role, for one service or (empty) for the whole organisation."""

    role: Role
    service: Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._\-]{0,99})?$")] = ""

    @property
    def grant(self) -> Grant:
        return Grant(self.role, self.service)


class SignInOrder(SaidModel):
    """`code`: of the authenticator app; left out by who has no second factor yet."""

    name: Login
    password: Password
    code: Code = ""


class NameOrder(SaidModel):
    name: Login


class KeySignIn(KeyAnswer):
    name: Login


class GlassOrder(SaidModel):
    codes: list[Annotated[SecretStr, Field(max_length=100)]] = Field(min_length=2, max_length=20)
    reason: Annotated[Remark, Field(min_length=1)]


class AcceptInvitation(SaidModel):
    """`name` is chosen by the first admin alone."""

    secret: SecretStr
    name: Login | None = None
    password: Password


class ProofOrder(SaidModel):
    code: Code = ""
    key: KeyAnswer | None = None


class ApprovalOf(SaidModel):
    """What is to be approved: a plan's digest, and the step of a run where it is a hold point."""

    digest: Digest
    run: PlainName | None = None
    step: Annotated[str, StringConstraints(max_length=200)] | None = None


class PasswordOrder(SaidModel):
    old: Password
    new: Password


class TotpOrder(SaidModel):
    secret: SecretStr
    code: Code


class NewKey(KeyAnswer):
    label: Label


class TokenOrder(SaidModel):
    """`owner`: oneself, or a program. `days`: how long it lasts."""

    owner: Login | None = None
    label: Label
    roles: list[GrantSaid] = Field(min_length=1, max_length=50)
    days: Annotated[float, Field(gt=0, le=366)] = 90


class OpenedAnswer(BaseModel):
    """`token` is told once; it opens the API as a bearer until `expires_at` (UTC seconds)."""

    token: str
    name: str
    proof: str
    expires_at: float


class AskedAnswer(BaseModel):
    """`options`: for `navigator.credentials`, binary values as Base64url."""

    challenge: str
    options: dict[str, Any]


class SessionAnswer(BaseModel):
    id: str
    proof: str
    agent: str
    created_at: float
    seen_at: float
    expires_at: float


class SessionsAnswer(BaseModel):
    sessions: list[SessionAnswer]


class MeAnswer(BaseModel):
    """`proof`: how it was shown who it is; `machine` with the installation's token, whose name is nobody's."""

    name: str
    proof: str
    proved_at: float
    roles: list[GrantSaid]
    has_key: bool


class TotpAnswer(BaseModel):
    secret: str
    link: str


class KeyInfo(BaseModel):
    id: str
    label: str
    created_at: float
    used_at: float | None


class KeysAnswer(BaseModel):
    keys: list[KeyInfo]


class TokenAnswer(BaseModel):
    id: str
    owner: str
    label: str
    roles: list[GrantSaid]
    created_at: float
    created_by: str
    expires_at: float
    used_at: float | None


class TokensAnswer(BaseModel):
    tokens: list[TokenAnswer]


class TokenMade(BaseModel):
    """`token` is told once."""

    id: str
    token: str
    expires_at: float


@router.post("/sessions", status_code=201, openapi_extra={"security": []})
def sign_in(order: SignInOrder, given: Given, user_agent: Agent = "") -> OpenedAnswer:
    """Begin a session with name, password and one-time code."""
    people = given.service.people
    return opened(people.sign_in.with_password(order.name, order.password.get_secret_value(), order.code, user_agent))


@router.post("/sessions/key/challenge", openapi_extra={"security": []})
def ask_key(order: NameOrder, given: Given) -> AskedAnswer:
    """What a security key is asked to sign, to sign in. Says nothing of whether there is such a person."""
    return asked(given.service.people.keys.ask_to_sign_in(order.name))


@router.post("/sessions/key", status_code=201, openapi_extra={"security": []})
def sign_in_with_key(order: KeySignIn, given: Given, user_agent: Agent = "") -> OpenedAnswer:
    """Begin a session with a security key."""
    return opened(given.service.people.sign_in.with_key(order.name, order.challenge, order.answer, user_agent))


@router.post("/sessions/break-glass", status_code=201, openapi_extra={"security": []})
def break_glass(order: GlassOrder, given: Given, user_agent: Agent = "") -> OpenedAnswer:
    """Open a session with sealed codes. Everybody is told."""
    codes = [one.get_secret_value() for one in order.codes]
    return opened(given.service.people.break_glass.open(codes, order.reason, user_agent))


@router.post("/invitations/accept", status_code=201, openapi_extra={"security": []})
def accept_invitation(order: AcceptInvitation, given: Given, user_agent: Agent = "") -> OpenedAnswer:
    """Choose a password with an invitation's link; a second factor is enrolled next."""
    secret, password = order.secret.get_secret_value(), order.password.get_secret_value()
    return opened(given.service.people.enrolment.accept(secret, order.name or "", password, user_agent))


@router.get("/session")
def who_am_i(acting: Acting) -> MeAnswer:
    """Who the caller is, and what they may do."""
    return MeAnswer(
        name=acting.name,
        proof=acting.proof.value,
        proved_at=acting.proved_at,
        roles=[GrantSaid(role=one.role, service=one.service) for one in acting.grants],
        has_key=acting.keyed,
    )


@router.delete("/session", status_code=204, response_class=Response)
def sign_out(acting: Acting, given: Given) -> None:
    """End this session."""
    given.service.people.sign_in.sign_out(acting)


@router.post("/session/challenge")
def ask_own_key(acting: Acting, given: Given) -> AskedAnswer:
    """What one's security key is asked to sign, to show it again."""
    return asked(given.service.people.keys.ask_to_sign_in(acting.name))


@router.post("/session/proof", status_code=204, response_class=Response)
def prove(order: ProofOrder, acting: Acting, given: Given) -> None:
    """Show one's second factor again: a one-time code, or the security key."""
    if order.key is not None:
        given.service.people.sign_in.prove_with_key(acting, order.key.challenge, order.key.answer)
    else:
        given.service.people.sign_in.prove(acting, order.code)


@router.get("/sessions")
def list_sessions(acting: Acting, given: Given) -> SessionsAnswer:
    """One's own sessions, the newest first."""
    rows = given.service.people.sign_in.sessions_of(acting)
    return SessionsAnswer(sessions=[SessionAnswer.model_validate(dict(row._mapping)) for row in rows])


@router.delete("/sessions", status_code=204, response_class=Response)
def sign_out_everywhere(acting: Acting, given: Given) -> None:
    """End all of one's own sessions, this one as well."""
    given.service.people.sign_in.sign_out_everywhere(acting)


@router.post("/sessions/{session_id}/end", status_code=204, response_class=Response)
def end_session(session_id: ShortId, acting: Acting, given: Given) -> None:
    """End one of one's own sessions."""
    given.service.people.sign_in.end(acting, session_id)


@router.post("/approvals/challenge")
def ask_to_approve(order: ApprovalOf, acting: Acting, given: Given) -> AskedAnswer:
    """What one's security key signs to approve: made from the digest, so that the signature shows it later."""
    subject = order.digest
    if order.run is not None and order.step is not None:
        with given.service.database.read() as conn:
            run = runs.get_run(conn, order.run)
        if not sees(acting, run.services):
            raise NotFound("There is no such run, or you have no role there.")
        subject = hold_point(run.plan_digest, order.run, order.step)
    return asked(given.service.people.keys.ask_to_approve(acting.name, subject))


@router.post("/account/password", status_code=204, response_class=Response)
def change_password(order: PasswordOrder, acting: Acting, given: Given) -> None:
    """Choose another password; one's other sessions end."""
    old, new = order.old.get_secret_value(), order.new.get_secret_value()
    given.service.people.enrolment.change_password(acting, old, new)


@router.post("/account/totp")
def begin_totp(acting: Acting, given: Given) -> TotpAnswer:
    """A new secret for an authenticator app; it counts once its first code was shown."""
    made = given.service.people.enrolment.begin_totp(acting)
    return TotpAnswer(secret=made.secret, link=made.link)


@router.post("/account/totp/confirm", status_code=204, response_class=Response)
def confirm_totp(order: TotpOrder, acting: Acting, given: Given) -> None:
    """Show the first code of a new secret."""
    given.service.people.enrolment.confirm_totp(acting, order.secret.get_secret_value(), order.code)


@router.get("/account/keys")
def list_keys(acting: Acting, given: Given) -> KeysAnswer:
    """One's own security keys."""
    rows = given.service.people.enrolment.keys_of(acting)
    return KeysAnswer(keys=[KeyInfo.model_validate(dict(row._mapping)) for row in rows])


@router.post("/account/keys/challenge")
def begin_key(acting: Acting, given: Given) -> AskedAnswer:
    """What a new security key is asked for."""
    return asked(given.service.people.enrolment.begin_key(acting))


@router.post("/account/keys", status_code=204, response_class=Response)
def add_key(order: NewKey, acting: Acting, given: Given) -> None:
    """Keep a new security key."""
    given.service.people.enrolment.add_key(acting, order.challenge, order.answer, order.label)


@router.post("/account/keys/{key_id}/remove", status_code=204, response_class=Response)
def remove_key(key_id: KeyId, acting: Acting, given: Given) -> None:
    """Remove one of one's security keys; the last factor stays."""
    given.service.people.enrolment.remove_key(acting, key_id)


@router.get("/tokens")
def list_tokens(acting: Acting, given: Given, all: bool = False) -> TokensAnswer:  # noqa: A002 - the word people use
    """One's own tokens; with `all`, everybody's, for who manages people."""
    if all:
        require(given, acting, Permission.MANAGE)
    rows = given.service.people.tokens.listed("" if all else acting.name or "-")
    return TokensAnswer(
        tokens=[
            TokenAnswer(
                **{name: getattr(row, name) for name in TokenAnswer.model_fields if name not in ("owner", "roles")},
                owner=row.person,
                roles=[GrantSaid(role=Role(role), service=service) for role, service in row.grants],
            )
            for row in rows
        ]
    )


@router.post("/tokens", status_code=201)
def make_token(order: TokenOrder, acting: Acting, given: Given) -> TokenMade:
    """A token of one's own, or of a program (for who manages people)."""
    owner = order.owner or acting.name
    if not acting.is_person and owner == acting.name:
        raise Denied("The installation's token makes tokens of programs alone: name one, or sign in.")
    if owner != acting.name:
        require(given, acting, Permission.MANAGE)
    else:
        require_second_factor(acting)
    grants = [one.grant for one in order.roles]
    made = given.service.people.tokens.make(owner, order.label, grants, order.days, acting)
    return TokenMade(id=made.id, token=made.secret, expires_at=made.expires_at)


@router.delete("/tokens/{token_id}", status_code=204, response_class=Response)
def revoke_token(token_id: ShortId, acting: Acting, given: Given) -> None:
    """End one of one's own tokens; who manages people, anybody's."""
    manages = acting.lacks(Permission.MANAGE, now=given.service.progress.clock()) is None
    given.service.people.tokens.revoke(token_id, acting, manages=manages)


def require_second_factor(acting: Actor) -> None:
    """A token makes no further tokens, and a password alone none either. Raises Denied."""
    if not acting.shows_second_factor:
        raise Denied("Sign in with your second factor for that: a token does not make tokens.")


def opened(made: Opened) -> OpenedAnswer:
    actor = made.actor
    return OpenedAnswer(token=made.secret, name=actor.name, proof=actor.proof.value, expires_at=made.expires_at)


def asked(found: Asked) -> AskedAnswer:
    return AskedAnswer(challenge=found.challenge, options=dict(found.options))
