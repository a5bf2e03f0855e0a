"""Who keeps the audit's checkpoints: the block `policy.audit` of bascule.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.domain.salvage import Part
from providers.wants import Name, Seconds

Bucket = Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.\-]+[a-z0-9]$")]
Prefix = Annotated[str, Field(max_length=200, pattern=r"^(?:[A-Za-z0-9_\-]+/)*$", description="such as bascule/audit/")]


class Witness(Part):
    """A bucket at a store of the scope's `storage` block, or a channel of its `notify` block.

    `retain`: how long the bucket's object lock holds each checkpoint; 0 asks for none. A channel is told of every
    run's end, and otherwise once a day.
    """

    scope: Name = "live"
    storage: Name | None = None
    bucket: Bucket | None = None
    prefix: Prefix = ""
    retain: Seconds = Field(default=365 * 86400.0, ge=0, le=30 * 365 * 86400.0)
    lock: Literal["compliance", "governance"] = "compliance"
    notify: Name | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.storage is None) == (self.notify is None) or (self.storage is None) != (self.bucket is None):
            raise PydanticCustomError(
                "one_place",
                "A witness is a bucket of a store, or a channel.",
                {"remedy": "Write `storage` with `bucket`, or `notify`."},
            )
        return self

    @property
    def name(self) -> str:
        """The same as long as it is the same place."""
        if self.notify is not None:
            return f"notify:{self.scope}/{self.notify}"
        return f"storage:{self.scope}/{self.storage}/{self.bucket}/{self.prefix}"


class Audit(Part):
    """`every`: seconds between two checkpoints while something changed; one is made at every run's end besides."""

    every: Seconds = Field(default=600.0, ge=60, le=86400.0)
    witnesses: tuple[Witness, ...] = Field(default=(), max_length=10)
