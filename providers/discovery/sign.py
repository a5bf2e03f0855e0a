"""What was seen from outside: one sign each, with the record or page that shows it, and what could not be looked at."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from providers.base import JsonMap

Kind = Literal[
    "mx",
    "spf",
    "ns",
    "caa",
    "txt",
    "srv",
    "cname",
    "mta-sts",
    "network",
    "issuer",
    "script",
    "style",
    "font",
    "image",
    "media",
    "frame",
    "form",
    "other",
    "redirect",
    "login",
    "inside",
]
"""How it shows: `network` by an address, `issuer` by a certificate, `login` by where people are sent to sign in,
`inside` by an inventory; those from `script` to `other` are what a page loads or sends."""


@dataclass(frozen=True, slots=True, order=True)
class Sign:
    """One thing that shows whom a domain depends on.

    `domain`: the organisation's domain that was looked at. `at`: the name or page where it was seen.
    `value`: what it points to: a host in lower case and without final dot, a network's name, a
    certificate's organisation, a text.
    `through`: the hosts in between, where one third party's record led to the next.
    """

    domain: str
    kind: Kind
    at: str
    value: str
    evidence: str
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Unread:
    """What could not be looked at, and why, in one sentence. That it is absent does not follow."""

    domain: str
    kind: Literal["record", "page", "certificate"]
    what: str
    message: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """Everything that was seen of these domains at `read_at` (seconds since the epoch, UTC)."""

    scope: str
    domains: tuple[str, ...]
    read_at: float
    signs: tuple[Sign, ...]
    unread: tuple[Unread, ...] = ()

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return found


@cache
def _adapter() -> TypeAdapter[Discovery]:
    return TypeAdapter(Discovery)


def discovery_from_json(data: JsonMap) -> Discovery:
    """Raises ValueError when it is none."""
    return _adapter().validate_python(data)
