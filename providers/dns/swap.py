"""One compare-and-swap of record sets, and what is known after its message was sent."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from providers.base import ProviderError
from providers.dns.record_sets import RecordSets, changed, differences, only


@dataclass(frozen=True, slots=True)
class Swap:
    """One change: every record set from what is expected to what shall be, all of them or none.

    Invariant: `expected` and `wanted` have the same keys, and no record set is the same in both.
    """

    zone: str
    expected: RecordSets
    wanted: RecordSets

    @classmethod
    def between(cls, zone: str, expected: RecordSets, wanted: RecordSets) -> Self:
        """The change that leads from one state to the other; what is equal in both stays out of it."""
        keys = changed(expected, wanted)
        return cls(zone, only(expected, keys), only(wanted, keys))

    def __str__(self) -> str:
        return f"{', '.join(f'{one.name} {one.type}' for one in self.wanted)} in {self.zone}"


class Written(Enum):
    """What is known after one message."""

    DONE = auto()
    """The server changed all record sets."""
    STALE = auto()
    """The server found something else than expected, and changed nothing."""
    LOST = auto()
    """No answer came: it may have happened, or may happen yet."""


class StaleError(ProviderError):
    """The record sets are not as expected; `current` is what they are.

    `doubt`: an earlier message of ours had no answer, so it may have happened
    before somebody else changed the record sets again.
    """

    def __init__(self, zone: str, expected: RecordSets, current: RecordSets, *, doubt: bool = False) -> None:
        found = differences(expected, current, zone)
        happened = "Our change may have happened and been changed again" if doubt else "Nothing was changed"
        super().__init__(
            f"{happened}: {found}; plan again from what is there, or restore what was expected."
            if found
            else f"{happened}: {zone} answers what was expected, yet its server holds something else; "
            "look for a wildcard record that answers in its place, or for someone who changes it at this moment.",
            permanent=True,
            effect_possible=doubt,
        )
        self.current = current
