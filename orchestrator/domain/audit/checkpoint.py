"""A checkpoint: how long every chain was at a moment, and its hash; signed, and bound to the checkpoint before it.

What is signed are the bytes of `text`: canonical JSON (`chain.canonical`) of

    {"at":T,"chains":{NAME:{"head":H,"length":N},...},"form":"bascule-audit-1","key":K,"number":M,"previous":D}

`M` counts from 1, `D` is the digest (SHA-256 of the text) of checkpoint M-1, or null for the first; `K` is the Ed25519
public key, 64 hexadecimal digits. The line that is kept and given to witnesses is

    {"checkpoint":TEXT,"signature":S}

with `S` the Ed25519 signature in 128 hexadecimal digits.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from orchestrator.domain.audit.chain import FORM, NotCanonical, canonical, recanonical
from orchestrator.domain.audit.examination import Mark

_HEX64 = re.compile(r"[0-9a-f]{64}\Z")
_HEX128 = re.compile(r"[0-9a-f]{128}\Z")


class NoCheckpoint(ValueError):
    """A text that is no checkpoint; the message says what it is instead."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain has come."""

    length: int
    head: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`at`: UTC seconds. `key`: the public key that it is signed with. `previous`: None for the first."""

    number: int
    at: float
    previous: str | None
    key: str
    chains: Mapping[str, Head]

    @property
    def text(self) -> str:
        return canonical(
            {
                "at": self.at,
                "chains": {name: {"head": one.head, "length": one.length} for name, one in self.chains.items()},
                "form": FORM,
                "key": self.key,
                "number": self.number,
                "previous": self.previous,
            }
        )

    @property
    def digest(self) -> str:
        return sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint with its signature, genuine or not."""

    checkpoint: Checkpoint
    signature: str

    @property
    def line(self) -> str:
        """Without the end of the line."""
        return f'{{"checkpoint":{self.checkpoint.text},"signature":"{self.signature}"}}'


def read(line: str) -> Signed:
    """A line as witnesses keep it, in any spelling of its JSON. Raises NoCheckpoint."""
    try:
        said = json.loads(recanonical(line))
        checkpoint, signature = said["checkpoint"], said["signature"]
        if checkpoint.get("form") != FORM:
            raise NoCheckpoint(f"its form is {checkpoint.get('form')!r}, not {FORM}")
        return Signed(_checkpoint(checkpoint), _matching(_HEX128, signature))
    except NoCheckpoint:
        raise
    except (NotCanonical, KeyError, TypeError, AttributeError, ValueError) as error:
        raise NoCheckpoint(f"it is no checkpoint ({type(error).__name__})") from error


def _checkpoint(said: Mapping[str, Any]) -> Checkpoint:
    previous = said["previous"]
    return Checkpoint(
        number=_whole(said["number"], 1),
        at=float(said["at"]),
        previous=None if previous is None else _matching(_HEX64, previous),
        key=_matching(_HEX64, said["key"]),
        chains={
            name: Head(_whole(one["length"], 0), _matching(_HEX64, one["head"])) for name, one in said["chains"].items()
        },
    )


def _whole(value: object, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise NoCheckpoint(f"{value!r} is no count")
    return value


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.match(value):
        raise NoCheckpoint("a hash, key or signature has another form")
    return value


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a checkpoint itself."""

    number: int
    at: float
    message: str


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Checkpoints after their examination: only genuine ones make marks. `genuine`: in the order of their numbers."""

    genuine: tuple[Checkpoint, ...]
    flaws: tuple[Flaw, ...]

    def marks(self) -> dict[str, list[Mark]]:
        found: dict[str, list[Mark]] = {}
        for one in self.genuine:
            for name, head in one.chains.items():
                kept = found.setdefault(name, [])
                if not kept or (kept[-1].length, kept[-1].head) != (head.length, head.head):
                    kept.append(Mark(head.length, head.head, f"checkpoint {one.number}", one.at))
        return found


Genuine = Callable[[str, str, bytes], bool]
"""Whether a public key (hexadecimal) made this signature (hexadecimal) of these bytes."""


def witness(
    lines: Iterable[Signed], genuine: Genuine, trusted: frozenset[str], seen: Mapping[int, str] | None = None
) -> Witnessed:
    """Check signatures, and that the checkpoints follow from one another.

    `trusted`: the public keys that count; the others' checkpoints are flaws. `seen`: digests of checkpoints that a
    person has from elsewhere, by number. Two checkpoints of one number that differ are a fork of the history itself.
    """
    flaws: list[Flaw] = []
    kept: dict[int, list[Checkpoint]] = {}
    for one in lines:
        point = one.checkpoint
        if point.key not in trusted:
            flaws.append(Flaw(point.number, point.at, f"It is signed with a key that is not trusted: {point.key}."))
        elif not genuine(point.key, one.signature, point.text.encode()):
            flaws.append(Flaw(point.number, point.at, "Its signature is not genuine."))
        elif all(point.digest != other.digest for other in kept.setdefault(point.number, [])):
            kept[point.number].append(point)
    for number, points in sorted(kept.items()):
        flaws.extend(_flaws(points, kept.get(number - 1, []), (seen or {}).get(number)))
    flaws.extend(
        Flaw(number, 0.0, "It was seen once, and is not here.") for number in sorted({*(seen or {})} - {*kept})
    )
    return Witnessed(tuple(point for _, points in sorted(kept.items()) for point in points), tuple(flaws))


def _flaws(points: list[Checkpoint], before: list[Checkpoint], seen: str | None) -> Iterable[Flaw]:
    """Of the genuine checkpoints of one number."""
    if len(points) > 1:
        yield Flaw(points[0].number, points[0].at, "There are two of this number: the history was forked.")
    for point in points:
        if seen is not None and point.digest != seen:
            yield Flaw(point.number, point.at, f"Its digest is {point.digest}, another than the one that was seen.")
        if before and point.previous not in {one.digest for one in before}:
            yield Flaw(point.number, point.at, f"It does not follow from checkpoint {point.number - 1}.")
        if point.number > 1 and point.previous is None:
            yield Flaw(point.number, point.at, "It says that none was before it.")
