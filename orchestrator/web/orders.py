"""What people and programs send to the API."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from orchestrator.domain.model import Direction
from orchestrator.store.journal import SYSTEM


def _no_controls(text: str) -> str:
    if any((ord(sign) < 32 and sign not in "\n\t") or 127 <= ord(sign) < 160 for sign in text):
        raise ValueError("control characters are not allowed")
    return text


def _a_person(name: str) -> str:
    if name.casefold() == SYSTEM:
        raise ValueError(f"{SYSTEM!r} is the service itself; name the person")
    if "\n" in name or "\t" in name:
        raise ValueError("a name is one line")
    return name


def _storable(value: Any) -> Any:
    """Databases refuse NUL and half of a surrogate pair, JSON knows neither infinity nor NaN."""
    if isinstance(value, str):
        _no_controls(value).encode()
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


Person = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_no_controls),
    AfterValidator(_a_person),
]
Remark = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000), AfterValidator(_no_controls)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,99}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._\-]{1,80}$")]

RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,59}$")]
PlanDigest = Annotated[str, Path(pattern=r"^[A-Za-z0-9:._\-]{1,80}$")]
StepId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~/\-]{0,199}$")]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=False)


class PlanOrder(_Order):
    services: list[Name] = Field(min_length=1, max_length=200)
    scope: Name = "rehearsal"
    direction: Direction = Direction.FAILOVER
    parameters: Annotated[dict[Name, JsonValue], AfterValidator(_storable)] = Field(default_factory=dict)


class InventoryOrder(_Order):
    scope: Name
    source: Name | None = None


class RunOrder(_Order):
    digest: Digest
    by: Person = Field(alias="as")
    reason: Remark = ""


class ReleaseOrder(_Order):
    digest: Digest
    by: Person = Field(alias="as")
    comment: Remark = ""


class RunDecision(_Order):
    by: Person = Field(alias="as")
    reason: Remark = ""


class HaltOrder(_Order):
    """Engages or lifts the kill switch."""

    by: Person = Field(alias="as")
    reason: Annotated[Remark, Field(min_length=1)]


class StepDecision(_Order):
    """`accept_drift` belongs to a retry; a reason and a comment are the same to the journal."""

    by: Person = Field(alias="as")
    reason: Remark = ""
    comment: Remark = ""
    accept_drift: bool = False

    @property
    def remark(self) -> str:
        return self.reason or self.comment


ThingId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class KeepOrder(_Order):
    """A thing that carries Bascule's tags and has no run behind it stays; the reason is kept."""

    scope: Name
    id: Annotated[ThingId, AfterValidator(_no_controls)]
    by: Person = Field(alias="as")
    reason: Remark = ""


class ReleaseResource(KeepOrder):
    """It goes. `name` must be the thing's own: a slip of the pen in the id then releases nothing."""

    name: Annotated[str, StringConstraints(max_length=300), AfterValidator(_no_controls)]


class DoctorOrder(_Order):
    scope: Name = "live"


DomainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._\-]{0,252}$")]


class MapOrder(_Order):
    """Without domains, the scope's zones are looked at."""

    scope: Name = "live"
    domains: list[DomainName] = Field(default_factory=list, max_length=500)


class SyncOrder(_Order):
    by: Person = Field(alias="as")
