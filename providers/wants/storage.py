"""What steps of the kinds `storage.*` ask for: copies between stores, and their comparison."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import Name, Wish


class Place(Wish):
    """A bucket at a store of the scope's `storage` block."""

    store: Name
    bucket: str = Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.\-]+[a-z0-9]$")


class Copy(Wish):
    """`storage.copy`: objects missing or different at the target are copied; what is only there stays."""

    source: Place = Field(alias="from")
    target: Place = Field(alias="to")
    prefix: str = Field(default="", max_length=1000)


def _sample(value: object) -> int | float:
    """`200` -> 200 objects; `5%` -> 0.05, a share. Raises ValueError with the accepted form."""
    if isinstance(value, float) and 0 < value <= 1:
        return value  # a share that was read before
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000_000:
        return value
    if isinstance(value, str) and _SHARE.match(value) and 0 < float(value[:-1]) <= 100:
        return float(value[:-1]) / 100
    raise ValueError("a number of objects or a share of them, such as 200 or 5%")


_SHARE = re.compile(r"^\d{1,3}(?:\.\d{1,6})?%\Z", re.ASCII)

Sample = Annotated[
    int | float,
    BeforeValidator(_sample, json_schema_input_type=int | str),
    Field(
        examples=[200, "5%"],
        description="a number of objects or a share of them, such as 200 or 5%",
        json_schema_extra={"pattern": r"^\d{1,3}(\.\d{1,6})?%$"},
    ),
]
"""How many objects are read: a number, or a share written `5%`; in code, an int or a float up to 1."""


class Verify(Wish):
    """`storage.verify`: every object of the source is at the target with the same content. Changes nothing."""

    source: Place = Field(alias="from")
    target: Place = Field(alias="to")
    prefix: str = Field(default="", max_length=1000)
    how: Literal["listing", "sample", "full"] = Field(
        default="listing", description="by the stores' checksums, or by reading some or all objects on both sides"
    )
    sample: Sample | None = None

    @model_validator(mode="after")
    def _sample_is_meant(self) -> Self:
        if self.sample is not None and self.how != "sample":
            raise PydanticCustomError(
                "needless_sample",
                "A sample has a size, and this comparison takes none.",
                {"remedy": "Write `how: sample`, or remove `sample`."},
            )
        return self
