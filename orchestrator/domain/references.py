"""References `${{ a.b.c }}`: plain dotted paths into parameters, step outputs, the estate, the scope and the run.

A value that is one reference and nothing else takes the type of what it names; a
reference inside a longer text is put into that text. There are no expressions.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from orchestrator.domain.problem import Path

Reference = tuple[str, ...]
"""A dotted path, split: `steps.server.outputs.address` is four parts."""


class _UnknownYet:
    """The one value of its type; `is` tells it."""

    def __repr__(self) -> str:
        return "UNKNOWN_YET"


UNKNOWN_YET: Final = _UnknownYet()
"""What a lookup answers for a value that only a later moment knows: the reference stays as it is written."""

_OPEN = "${{"
_SHOWN = 60
"""Characters of a wrong reference that are told."""
_REFERENCE = re.compile(r"\$\{\{([^{}]*)\}\}")
_DOTTED = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")


def value_at(value: Any, path: Path) -> Any:
    """What stands at `path` of plain data; None where there is nothing."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def is_open(value: object) -> bool:
    """True when the value is text with a reference in it, well written or not."""
    return isinstance(value, str) and _OPEN in value


def find_references(value: Any) -> list[tuple[Path, Reference]]:
    """Every well-written reference below `value`, with the path to the text that holds it."""
    return [
        (path, tuple(inner.split(".")))
        for path, text in _texts(value, ())
        for inner in _inner(text)
        if _DOTTED.fullmatch(inner)
    ]


def find_malformed(value: Any) -> list[tuple[Path, str]]:
    """The texts below `value` with a `${{` that is no reference: their paths, and what stands there."""
    return [(path, wrong) for path, text in _texts(value, ()) if (wrong := _malformed(text)) is not None]


def find_in_keys(value: Any) -> list[Path]:
    """The paths of keys that hold `${{`: a key can't be a reference."""
    return [path for path, key in _keys(value, ()) if _OPEN in key]


def whole_reference(value: object) -> Reference | None:
    """The reference that `value` is, when it is one reference and nothing else."""
    if not isinstance(value, str):
        return None
    found = _REFERENCE.fullmatch(value.strip())
    inner = found.group(1).strip() if found else ""
    return tuple(inner.split(".")) if _DOTTED.fullmatch(inner) else None


def substitute(value: Any, lookup: Callable[[Reference], object]) -> Any:
    """The value with what `lookup` answers in place of its references; the given value is not changed."""
    if isinstance(value, str):
        return _substitute_text(value, lookup)
    if isinstance(value, Mapping):
        return {key: substitute(inner, lookup) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [substitute(inner, lookup) for inner in value]
    return value


def _substitute_text(text: str, lookup: Callable[[Reference], object]) -> object:
    if _OPEN not in text:
        return text
    whole = whole_reference(text)
    if whole is not None:
        found = lookup(whole)
        return text if found is UNKNOWN_YET else found

    def put(match: re.Match[str]) -> str:
        inner = match.group(1).strip()
        if not _DOTTED.fullmatch(inner):
            return match.group(0)
        found = lookup(tuple(inner.split(".")))
        return match.group(0) if found is UNKNOWN_YET else as_text(found)

    return _REFERENCE.sub(put, text)


def as_text(value: object) -> str:
    """A value as it is put into a longer text: text as it is, everything else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _inner(text: str) -> Iterator[str]:
    return (match.group(1).strip() for match in _REFERENCE.finditer(text))


def _malformed(text: str) -> str | None:
    """The first `${{` of a text that begins no reference, with some of what follows."""
    at = text.find(_OPEN)
    while at >= 0:
        match = _REFERENCE.match(text, at)
        if match is None or not _DOTTED.fullmatch(match.group(1).strip()):
            end = text.find("}}", at, at + _SHOWN)
            return text[at : end + 2] if end >= 0 else text[at : at + _SHOWN]
        at = text.find(_OPEN, match.end())
    return None


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if _OPEN in value:
            yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))


def _keys(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield (*path, key), str(key)
            yield from _keys(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _keys(inner, (*path, index))
