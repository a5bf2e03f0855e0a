"""What of an estate two people sign: its policy, its signals, its scopes, and the files that these rest on. Pure.

Scopes count whole, not their modes, networks and secrets alone: a credential is worth as much as the address that it
is sent to, and whoever may exchange a zone's servers needs no key of it. Files below `catalogue/` are the facts that
the policy judges by; a file that a scope names may be the authority that proves an address.
"""

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.bundle import CATALOGUE
from orchestrator.domain.estate import FILE
from orchestrator.domain.yaml_text import read_yaml

BLOCKS = ("policy", "signals", "scopes")


@dataclass(frozen=True, slots=True)
class Charter:
    """`blocks`: the blocks of bascule.yaml as data; `files`: path -> id of the content."""

    blocks: Mapping[str, Any]
    files: Mapping[str, str]


NOTHING = Charter({}, {})


def charter_of(sheet: bytes | None, files: Mapping[str, str]) -> Charter:
    """`sheet`: bascule.yaml; `files`: path -> id of the content of every file.

    A sheet that can't be read counts whole.
    """
    own = {path: id_ for path, id_ in files.items() if path.startswith(f"{CATALOGUE}/")}
    document = None if sheet is None else read_yaml(sheet, FILE)[0]
    if document is None or not isinstance(document.data, Mapping):
        return Charter({}, own | {path: id_ for path, id_ in files.items() if path == FILE})
    blocks = {name: document.data[name] for name in BLOCKS if name in document.data}
    named = {posixpath.normpath(text) for text in _texts(blocks)}
    return Charter(blocks, own | {path: files[path] for path in named if path in files})


def changes(before: Charter, after: Charter) -> list[str]:
    """Where the two differ, as dotted paths and names of files; nothing when they say the same."""
    paths = [*_differences(before.blocks, after.blocks)]
    files = [path for path in {**before.files, **after.files} if before.files.get(path) != after.files.get(path)]
    return sorted({*paths, *files})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Compared as they are written, the order of keys included: to Python, 1, 1.0 and true are the same."""
    if json.dumps(before) == json.dumps(after):
        return
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        yield path
        return
    below = [
        found
        for key in dict.fromkeys([*before, *after])
        for found in _differences(before.get(key, _ABSENT), after.get(key, _ABSENT), f"{path}.{key}" if path else key)
    ]
    yield from below or [path or "the order of blocks"]


_ABSENT = "\0absent"
"""No text that is read from a file holds NUL."""
