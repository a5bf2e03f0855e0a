"""Names that carry tags, for clouds whose servers and volumes have no tags of their own.

`portal--bascule--r-20261125-abcdef--portal-failover--server` is `portal` of run
`r-20261125-abcdef`, step `portal-failover/server`. The text is made of letters,
digits and hyphens, so that it is a legal host name where a cloud derives one from
it, and it reads back to exactly the tags it was made from.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from providers.base import ProviderError
from providers.compute.proof import MARK, RUN_TAG, STEP_TAG

LONGEST = 255
"""Characters of a name in OpenStack's Compute and Block Storage APIs, which many clouds are made of."""
SEPARATOR = f"--{MARK}--"
DIGEST = re.compile(r"H[0-9a-f]{20}\Z")
"""Stands for a step that is too long; quoted text has no capital but X."""
_ESCAPE = re.compile(r"X([0-9a-f]{2})")
_QUOTED = re.compile(r"(?:[a-z0-9-]|X[0-9a-f]{2})*\Z")


@dataclass(frozen=True, slots=True)
class Marked:
    """What a text says: the plain name, and the tags; none when the text has no mark."""

    name: str
    tags: frozenset[str]


def marked(name: str, tags: Iterable[str]) -> str:
    """The text for this name and these tags; without tags, the name itself.

    Raises ProviderError(permanent) when the name looks marked already, when the text
    would be too long, or for tags other than those of one run and step.
    """
    told = frozenset(tags)
    if SEPARATOR in name:
        raise ProviderError(f"The name {name} has `{SEPARATOR}` in it; choose another name.", permanent=True)
    if not told:
        return name
    run, step = _one(told, RUN_TAG), _one(told, STEP_TAG)
    if run is None or step is None or len(told) != 3 or MARK not in told:
        raise ProviderError(f"The tags {', '.join(sorted(told))} are not those of one run and step.", permanent=True)
    head = f"{name}{SEPARATOR}{_quoted(run)}--"
    path = "--".join(_quoted(part) for part in step.split("/"))
    text = head + (path if len(head) + len(path) <= LONGEST else _digest(step))
    if len(text) > LONGEST:
        raise ProviderError(f"The name {name} is too long to carry the run and step; shorten it.", permanent=True)
    return text


def read(text: str, heard: Iterable[str] = ()) -> Marked:
    """What a name says. A step that was too long is known again among the tags `heard`, else shown as its digest."""
    name, mark, rest = text.partition(SEPARATOR)
    run, between, path = rest.partition("--")
    if not mark or not between or not path or not _QUOTED.match(run):
        return Marked(text, frozenset())
    step = _step(path, heard)
    if step is None:
        return Marked(text, frozenset())
    return Marked(name, frozenset({MARK, f"{RUN_TAG}{_plain(run)}", f"{STEP_TAG}{step}"}))


def _step(path: str, heard: Iterable[str]) -> str | None:
    if DIGEST.match(path):
        steps = (tag.removeprefix(STEP_TAG) for tag in heard if tag.startswith(STEP_TAG))
        return next((step for step in steps if _digest(step) == path), path)
    return "/".join(_plain(part) for part in path.split("--")) if _QUOTED.match(path) else None


def _one(tags: frozenset[str], prefix: str) -> str | None:
    found = [tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)]
    return found[0] if len(found) == 1 and found[0] else None


def _digest(step: str) -> str:
    return f"H{hashlib.sha256(step.encode()).hexdigest()[:20]}"


def _quoted(text: str) -> str:
    """Letters, digits and single inner hyphens stand; every other byte becomes `Xhh`."""
    parts = re.split(r"([a-z0-9]+(?:-[a-z0-9]+)*)", text)
    return "".join(part if n % 2 else _escaped(part) for n, part in enumerate(parts))


def _escaped(text: str) -> str:
    return "".join(f"X{byte:02x}" for byte in text.encode())


def _plain(text: str) -> str:
    """The reverse of `_quoted`."""
    latin = _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), text)
    return latin.encode("latin-1").decode("utf-8", errors="replace")
