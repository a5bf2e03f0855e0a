"""What people and programs send to the API."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
)

from orchestrator.domain.authority import is_nobody
from orchestrator.domain.model import Direction
from orchestrator.operations.request import MOST_SAID


def no_controls(text: str) -> str:
    """The text itself. Raises ValueError where it holds what no line of a journal or a terminal is to hold."""
    if any((ord(sign) < 32 and sign not in "\n\t") or 127 <= ord(sign) < 160 for sign in text):
        raise ValueError("control characters are not allowed")
    return text


def _plain(given: Any) -> Any:
    """Before the space around it goes, so that what is refused is what the API's description says."""
    return no_controls(given) if isinstance(given, str) else given


def _one_line(given: Any) -> Any:
    if isinstance(given, str) and ("\n" in given or "\t" in given):
        raise ValueError("a name is one line")
    return _plain(given)


def _a_person(name: str) -> str:
    if is_nobody(name.casefold()):
        raise ValueError(f"{name!r} is what the service itself goes by; name the person")
    return name


def _storable(value: Any) -> Any:
    """Databases refuse NUL and half of a surrogate pair, JSON knows neither infinity nor NaN."""
    if isinstance(value, str):
        no_controls(value).encode()
    elif isinstance(value, float) and not abs(value) < float("inf"):
        raise ValueError("numbers are finite")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _storable(key)
            _storable(inner)
    elif isinstance(value, list):
        for inner in value:
            _storable(inner)
    return value


_LINE = Field(json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f-\x9f]+$"})
"""For the description of the API: what the validators below refuse."""
_TEXT = Field(json_schema_extra={"pattern": r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"})

Person = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_a_person),
    BeforeValidator(_one_line),
    _LINE,
]
Remark = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MOST_SAID), BeforeValidator(_plain), _TEXT]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,99}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._\-]{1,80}$")]

RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,59}$")]
PlanDigest = Annotated[str, Path(pattern=r"^[A-Za-z0-9:._\-]{1,80}$")]
StepId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~/\-]{0,199}$")]


class _Order(BaseModel):
    """`as`: for whoever holds the installation's token alone; people act in their own name, and need not say it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)


class PlanOrder(_Order):
    services: list[Name] = Field(min_length=1, max_length=200)
    scope: Name = "rehearsal"
    direction: Direction = Direction.FAILOVER
    parameters: Annotated[dict[Name, JsonValue], AfterValidator(_storable)] = Field(default_factory=dict)


class InventoryOrder(_Order):
    scope: Name
    source: Name | None = None


class KeyAnswer(_Order):
    """What a security key answered: `challenge` as it was given, `answer` as the browser made it (JSON, Base64url)."""

    challenge: Annotated[str, StringConstraints(min_length=20, max_length=100)]
    answer: Annotated[dict[Name, JsonValue], AfterValidator(_storable)]


class RunOrder(_Order):
    digest: Digest
    by: Person | None = Field(default=None, alias="as")
    reason: Remark = ""


class ReleaseOrder(_Order):
    """`key`: of an approver who has a security key, which signs the digest."""

    digest: Digest
    by: Person | None = Field(default=None, alias="as")
    comment: Remark = ""
    key: KeyAnswer | None = None


class RunDecision(_Order):
    by: Person | None = Field(default=None, alias="as")
    reason: Remark = ""


class HaltOrder(_Order):
    """Engages or lifts the kill switch."""

    by: Person | None = Field(default=None, alias="as")
    reason: Annotated[Remark, Field(min_length=1)]


class StepDecision(_Order):
    """`accept_drift` belongs to a retry, `key` to an approval; a reason and a comment are the same to the journal."""

    by: Person | None = Field(default=None, alias="as")
    reason: Remark = ""
    comment: Remark = ""
    accept_drift: bool = False
    key: KeyAnswer | None = None

    @property
    def remark(self) -> str:
        return self.reason or self.comment


ThingId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    BeforeValidator(_one_line),
    _LINE,
]


class KeepOrder(_Order):
    """A thing that carries Bascule's tags and has no run behind it stays; the reason is kept."""

    scope: Name
    id: ThingId
    by: Person | None = Field(default=None, alias="as")
    reason: Remark = ""


class ReleaseResource(KeepOrder):
    """It goes. `name` must be the thing's own: a slip of the pen in the id then releases nothing."""

    name: Annotated[str, StringConstraints(max_length=300), BeforeValidator(_plain), _TEXT]


class DoctorOrder(_Order):
    scope: Name = "live"


DomainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._\-]{0,252}$")]


class MapOrder(_Order):
    """Without domains, the scope's zones are looked at."""

    scope: Name = "live"
    domains: list[DomainName] = Field(default_factory=list, max_length=500)


class AcknowledgeOrder(_Order):
    by: Person | None = Field(default=None, alias="as")
    comment: Remark = ""


class SyncOrder(_Order):
    by: Person | None = Field(default=None, alias="as")


class AcceptOrder(_Order):
    """Accepts a history that was rewritten. `commit`: the branch's newest; twelve digits are enough."""

    by: Person | None = Field(default=None, alias="as")
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{12,64}$")]
    reason: Annotated[Remark, Field(min_length=1)]


class SecretOrder(_Order):
    by: Person | None = Field(default=None, alias="as")


class SetSecretOrder(SecretOrder):
    value: Annotated[SecretStr, Field(min_length=1, max_length=65536)]


class SealOrder(SecretOrder):
    """Without a scope, the plain files of all."""

    scope: Name | None = None


class RotateOrder(SecretOrder):
    """`new_key` false: everything is sealed by the first key that is there."""

    new_key: bool = True
    drop_old: bool = False
