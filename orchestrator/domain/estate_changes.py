"""What a change of the estate's files means: which services, runbooks and rules are others than before. Pure.

Files are read as far as they can be: a commit that was refused is compared as well.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.domain.bundle import RUNBOOKS
from orchestrator.domain.estate import FILE, written_block
from orchestrator.domain.yaml_text import read_yaml

How = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Changed:
    """`parts`: of a service its settings, of a runbook its steps and whatever else stands at its top."""

    name: str
    how: How
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Meaning:
    """`unread`: files that can't be read as YAML, before or after, so that nothing is known of them."""

    services: tuple[Changed, ...]
    runbooks: tuple[Changed, ...]
    unread: tuple[str, ...]


def meaning(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Meaning:
    """`before`, `after`: the contents of the files that differ, by path; bascule.yaml and runbooks are looked at."""
    unread: list[str] = []
    old, new = (written_block(_data(files, FILE, unread), "services") for files in (before, after))
    services = tuple(Changed(name, how, parts) for name, how, parts in _compared(old, new))
    return Meaning(services, tuple(_runbooks(before, after, unread)), tuple(dict.fromkeys(unread)))


def is_runbook(path: str) -> bool:
    return path.startswith(f"{RUNBOOKS}/") and path.endswith(".yaml") and path.count("/") == 1


def _runbooks(before: Mapping[str, bytes], after: Mapping[str, bytes], unread: list[str]) -> Iterator[Changed]:
    for path in sorted({**before, **after}):
        if not is_runbook(path):
            continue
        name = path.removeprefix(f"{RUNBOOKS}/").removesuffix(".yaml")
        if path not in before or path not in after:
            yield Changed(name, "removed" if path in before else "added")
            continue
        old, new = _data(before, path, unread), _data(after, path, unread)
        steps = [f"steps.{step}" for step, _, _ in _compared(written_block(old, "steps"), written_block(new, "steps"))]
        tops = [key for key, _, _ in _compared(written_block(old), written_block(new)) if key != "steps"]
        yield Changed(name, "changed", (*tops, *steps))


def _compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, How, tuple[str, ...]]]:
    """Each key whose value differs, in the order of its writing, with what differs below it."""
    for key in dict.fromkeys([*before, *after]):
        if key not in before:
            yield key, "added", ()
        elif key not in after:
            yield key, "removed", ()
        elif _text(before[key]) != _text(after[key]):
            old, new = before[key], after[key]
            both = isinstance(old, Mapping) and isinstance(new, Mapping)
            yield key, "changed", tuple(inner for inner, _, _ in _compared(old, new)) if both else ()


def _text(value: Any) -> str:
    return json.dumps(value, default=str)


def _data(files: Mapping[str, bytes], path: str, unread: list[str]) -> Any:
    if path not in files:
        return None
    document, _ = read_yaml(files[path], path)
    if document is None or not isinstance(document.data, Mapping):
        unread.append(path)
        return None
    return document.data
