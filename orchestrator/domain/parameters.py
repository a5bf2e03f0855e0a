"""The types of a runbook's parameters, which values fit them, and how people type them."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from providers.wants import HostName, Seconds, SecretRef, WebAddress, Zone


def _is_a(kind: Any) -> Callable[[object], bool]:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def fits(value: object) -> bool:
        try:
            adapter.validate_python(value)
        except ValidationError:
            return False
        return True

    return fits


_TYPES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "a text"),
    "integer": (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    "domain": (_is_a(Zone), "a domain in lower case without a final dot, such as example.net"),
    "hostname": (_is_a(HostName), "a host name or an IP address, such as mx.example.net"),
    "duration": (_is_a(Seconds), "a duration such as 30s, 10m or 1h30m"),
    "list": (lambda value: isinstance(value, list), "a list"),
    "secret": (_is_a(SecretRef), "a reference to a secret, such as secret://mistral-key"),
    "url": (_is_a(WebAddress), "a web address such as https://cloud.example.net, without user and query"),
    "mapping": (lambda value: isinstance(value, Mapping), "a mapping"),
}

PARAMETER_TYPES = ("string", "integer", "boolean", "domain", "hostname", "duration", "list", "mapping", "secret", "url")


def misfit(kind: str, value: object) -> str:
    """What a value of this type must be, when the given one is not; empty when it fits."""
    fits, wanted = _TYPES[kind]
    return "" if fits(value) else wanted


def named_values(lines: Iterable[str]) -> dict[str, Any]:
    """`NAME=VALUE` each; a value that is JSON keeps its type, anything else is text. Empty lines say nothing.

    Raises ValueError.
    """
    found: dict[str, Any] = {}
    for line in lines:
        name, sign, value = line.partition("=")
        if not line.strip():
            continue
        if not sign or not name.strip():
            raise ValueError(f"{line!r} is not NAME=VALUE.")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value.strip()
    return found
