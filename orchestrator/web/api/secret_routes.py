"""Secrets over HTTP: stored, removed, sealed, their keys changed. A value is taken and never answered."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict

from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import Permission
from orchestrator.web.api.orders import RotateOrder, SealOrder, SecretOrder, SetSecretOrder
from orchestrator.web.edge.authority import Acting, name_of, require
from orchestrator.web.parts import Given, Parts

router = APIRouter(prefix="/secrets", tags=["secrets"])

Scope = Annotated[str, Path(pattern=r"^[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?$")]
SecretName = Annotated[str, Path(pattern=r"^[a-z0-9](?:[a-z0-9\-]{0,198}[a-z0-9])?$")]


class SecretAnswer(BaseModel):
    """Where a secret belongs and how it is kept; times are seconds since the epoch, UTC.

    `source`: `sealed`, `openbao` (the sealed copy of what is there), `file` (plain, in the data directory).
    `opens`: whether its key is here. `newest_key`: whether the key that seals now has sealed it. `checked_at`: when a
    copy was last compared with its original.
    """

    model_config = ConfigDict(from_attributes=True)

    scope: str
    name: str
    source: str
    set_at: float
    set_by: str
    opens: bool
    newest_key: bool
    checked_at: float | None


class SecretsAnswer(BaseModel):
    secrets: list[SecretAnswer]


class StoredAnswer(BaseModel):
    """`created` is false when it took another one's place."""

    model_config = ConfigDict(from_attributes=True)

    scope: str
    name: str
    created: bool


class LeftAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    scope: str
    name: str
    why: str


class SealedAnswer(BaseModel):
    """`sealed`: `scope/name` of what lay in plain files. `left`: what does still, and why."""

    model_config = ConfigDict(from_attributes=True)

    sealed: list[str]
    left: list[LeftAnswer]


class RotatedAnswer(BaseModel):
    """`key`: the id of the key that seals now; `made`: of the new one, empty when none was made.

    `left`: `scope/name` of what could not be sealed anew. `dropped`: old keys let go. `advice`: what is left to do.
    """

    model_config = ConfigDict(from_attributes=True)

    key: str
    made: str
    resealed: int
    left: list[str]
    dropped: int
    advice: list[str]


@router.get("")
def read_secrets(given: Given, acting: Acting) -> SecretsAnswer:
    """Names, ages and sources. Values are never read back."""
    require(given, acting, Permission.MANAGE, ())
    return SecretsAnswer(secrets=[SecretAnswer.model_validate(one) for one in given.service.secrets.listed()])


@router.put("/{scope}/{name}", status_code=201, responses={200: {"model": StoredAnswer, "description": "Replaced"}})
def set_secret(
    scope: Scope, name: SecretName, order: SetSecretOrder, given: Given, acting: Acting, response: Response
) -> StoredAnswer:
    """Seal a value for one scope. Refused when a scope of another mode has the same value."""
    stored = given.service.secrets.set(scope, name, order.value.get_secret_value(), _manager(given, acting, order))
    response.status_code = 201 if stored.created else 200
    return StoredAnswer.model_validate(stored)


@router.delete("/{scope}/{name}", status_code=204)
def remove_secret(scope: Scope, name: SecretName, order: SecretOrder, given: Given, acting: Acting) -> None:
    """Remove a sealed secret. A plain file is removed where it lies."""
    given.service.secrets.remove(scope, name, _manager(given, acting, order))


@router.post("/seal")
def seal(order: SealOrder, given: Given, acting: Acting) -> SealedAnswer:
    """Seal what lies in plain files of the data directory, then destroy these files."""
    sealed = given.service.secrets.seal(_manager(given, acting, order), order.scope or "")
    return SealedAnswer.model_validate(sealed)


@router.post("/rotate")
def rotate(order: RotateOrder, given: Given, acting: Acting) -> RotatedAnswer:
    """Make a new key, seal everything by it while work goes on; with `drop_old`, let go of keys that nothing needs."""
    by = _manager(given, acting, order)
    rotated = given.service.secrets.rotate(by, new_key=order.new_key, drop_old=order.drop_old)
    return RotatedAnswer.model_validate(rotated)


def _manager(given: Parts, acting: Actor, order: SecretOrder) -> str:
    """In whose name it is done. Secrets are the whole organisation's: a role for one service is not enough."""
    require(given, acting, Permission.MANAGE, (), None)
    return name_of(acting, order.by)
