"""The words that every kind's inputs are written in: durations, names, zones, texts for people."""

import ipaddress
import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"^(?:\d{1,9}(?:ms|s|m|h|d)){1,9}\Z", re.ASCII)
_MOST_SECONDS = 1e9


def seconds(text: object) -> float:
    """`1h30m`, `10m`, `500ms` -> seconds. Raises ValueError with the accepted form."""
    if isinstance(text, timedelta):
        return text.total_seconds()
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError("a duration such as 30s, 10m or 1h30m")
    if not isinstance(text, str):
        if not 0 <= text <= _MOST_SECONDS:
            raise ValueError("a duration such as 30s, 10m or 1h30m")
        return float(text)
    if not _DURATION.match(text):
        raise ValueError("a duration such as 30s, 10m or 1h30m")
    return sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|s|m|h|d)", text))


Seconds = Annotated[
    float,
    BeforeValidator(seconds, json_schema_input_type=str),
    Field(examples=["30s", "10m", "1h30m"], json_schema_extra={"pattern": r"^(\d{1,9}(ms|s|m|h|d)){1,9}$"}),
]
"""A duration, written `30s`, `10m`, `1h30m`; in code, seconds."""

HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_.:][A-Za-z0-9_.:\-]*$")]
"""A name or address; never one that a program could take for an option."""
Zone = Annotated[
    str, Field(max_length=253, pattern=r"^(?:[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9])?\.)+[a-z0-9\-]{2,63}$")
]
Port = Annotated[int, Field(ge=1, le=65535)]
EstatePath = Annotated[
    str, Field(max_length=500, pattern=r"^\.?[A-Za-z0-9_\-][A-Za-z0-9_.\-]*(?:/\.?[A-Za-z0-9_\-][A-Za-z0-9_.\-]*)*/?$")
]
"""A file of the estate, relative to its root; never absolute, never `..`."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?$")]
"""A short lower-case name with digits and hyphens."""
SecretRef = Annotated[str, Field(pattern=r"^secret://[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?$")]


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise PydanticCustomError(
            "no_network", "This is not a network.", {"remedy": 'Write it such as 192.0.2.0/24 or "2001:db8::/32".'}
        ) from None
    return text


Network = Annotated[str, Field(max_length=60), AfterValidator(_network)]
"""`192.0.2.0/24` or `2001:db8::/32`."""


class Wish(BaseModel):
    """The base of every `with` block: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Words(Wish):
    """A text for people, in French and in English."""

    fr: str = Field(min_length=1, max_length=4000)
    en: str = Field(min_length=1, max_length=4000)


WebAddress = Annotated[
    str,
    Field(
        max_length=500,
        pattern=r"^https?://[^\s/@?#]+(?:/[^\s?#]*)?$",
        description="a URL that begins with http:// or https://, without user, password and query",
    ),
]
"""Where a service is on the web. Credentials go apart from it, and in clear only to this machine."""


class AtAddress(Wish):
    """The base of checks that ask a place by the name it shall have, before that name leads there."""

    address: HostName | None = Field(default=None, description="connect here instead of what the name resolves to")

    def instead(self) -> dict[str, str]:
        """Each host of this check's URLs, in lower case, with the address that takes its place."""
        urls = [value for name, value in self if name in ("url", "safe_url", "issuer", "page") and value]
        return {urlsplit(url).hostname or "": self.address for url in urls} if self.address else {}
