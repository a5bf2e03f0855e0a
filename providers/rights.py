"""What a credential may do, against what Bascule does with it: the findings of an examination, as values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How one right stands to what Bascule needs."""

    HELD = "held"
    """Needed, and there."""
    MISSING = "missing"
    """Needed, and not there: something would fail."""
    NEEDLESS = "needless"
    """There, and Bascule never uses it: whoever steals the credential can do more with it than Bascule does."""
    UNKNOWN = "unknown"
    """It can't be told without changing something, or the vendor does not say."""


@dataclass(frozen=True, slots=True)
class Right:
    """One right, or one thing that has to be there. `advice`: what to do, in one sentence; never a secret."""

    name: str
    state: State
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found of one entry of a scope.

    `where`: the vendor and place, or the file. `kind` and `entry`: where it stands in the scope (`compute`, `ovh`).
    `ok`: nothing that a run needs is missing or broken. `message`: one sentence for a person.
    """

    where: str
    kind: str
    entry: str
    ok: bool
    message: str = ""
    rights: tuple[Right, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The plain form: what `json.dumps` takes."""
        return {
            "where": self.where,
            "kind": self.kind,
            "entry": self.entry,
            "ok": self.ok,
            "message": self.message,
            "rights": [{"name": one.name, "state": one.state.value, "advice": one.advice} for one in self.rights],
        }


@dataclass(frozen=True, slots=True)
class BucketUse:
    """A bucket that the estate's runbooks name at a store, and what they do there."""

    name: str
    read: bool = False
    written: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be examined: one entry of a scope.

    `buckets`: for an object store, those that the runbooks name. `now`: seconds since the epoch, to judge expiries by.
    `images`: for a cloud, the images that the runbooks start servers from.
    """

    kind: str
    entry: str
    driver: str = ""
    now: float = 0.0
    buckets: tuple[BucketUse, ...] = field(default=())
    images: tuple[str, ...] = field(default=())

    def found(self, where: str, rights: Iterable[Right], message: str = "") -> Examination:
        """An examination that came to its end: it is well unless a right is missing."""
        told = tuple(rights)
        missing = sum(right.state is State.MISSING for right in told)
        return Examination(where, self.kind, self.entry, not missing, message, told)

    def failed(self, where: str, message: str, rights: Iterable[Right] = ()) -> Examination:
        """An examination that found the entry broken, or out of reach."""
        return Examination(where, self.kind, self.entry, False, message, tuple(rights))


def needs(held: Mapping[str, bool | None], advice: str) -> list[Right]:
    """Needed rights by name: True held, False missing (with the advice), None unknown."""
    states = {True: State.HELD, False: State.MISSING, None: State.UNKNOWN}
    return [Right(name, states[there], advice if there is False else "") for name, there in held.items()]
