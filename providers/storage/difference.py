"""What the target lacks of the source, told by checksums."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from providers.base import ProviderError
from providers.storage.crew import Crew, OutOfTime
from providers.storage.ledger import Ledger
from providers.storage.pair import Pair
from providers.storage.store import Bucket, Entry

SIDE = ".bascule/"
"""Keys below are Bascule's own notes and saved copies: never copied, never compared."""
SOURCE = "bascule-source"
"""Metadata of a copied object: the checksum its content had at the source."""
MOST_KEYS = 1000
"""Keys that the outputs name; of more objects, only number and bytes are handed on."""

Same = Callable[[list[tuple[Entry, Entry]]], set[str]]
"""Of objects of equal size and different checksums: the keys of those whose content is the same all the same."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`lacking`: of the source, and missing or different at the target; `same`: equal at both.

    `there`: the checksums of what the target has under the keys of `lacking`.
    """

    lacking: tuple[Entry, ...]
    same: tuple[Entry, ...]
    there: Mapping[str, str]

    @property
    def values(self) -> dict[str, int]:
        return {"to_copy": len(self.lacking), "same": len(self.same), "bytes": sum(e.size for e in self.lacking)}

    @property
    def outputs(self) -> dict[str, object]:
        """Of everything that is equal: what later steps may refer to."""
        told: dict[str, object] = {"objects": len(self.same), "bytes": sum(entry.size for entry in self.same)}
        if len(self.same) <= MOST_KEYS:
            told["keys"] = sorted(entry.key for entry in self.same)
        return told


def entries(bucket: Bucket, prefix: str) -> dict[str, Entry]:
    """The bucket's objects under the prefix, without Bascule's own."""
    return {entry.key: entry for entry in bucket.entries(prefix) if not entry.key.startswith(SIDE)}


def difference(wanted: Mapping[str, Entry], there: Mapping[str, Entry], same: Same) -> Difference:
    """Compare listings; where checksums differ in kind, `same` decides."""
    doubtful = [
        (entry, there[key])
        for key, entry in wanted.items()
        if key in there and entry.size == there[key].size and entry.etag != there[key].etag
    ]
    proven = same(doubtful)
    lacking: list[Entry] = []
    equal: list[Entry] = []
    for key in sorted(wanted):
        is_same = key in there and (_equal(wanted[key], there[key]) or key in proven)
        (equal if is_same else lacking).append(wanted[key])
    return Difference(tuple(lacking), tuple(equal), {e.key: there[e.key].etag for e in lacking if e.key in there})


def _equal(wanted: Entry, there: Entry) -> bool:
    return (wanted.size, wanted.etag) == (there.size, there.etag)


def noted_same(crew: Crew[Pair], ledger: Ledger, doubtful: Iterable[tuple[Entry, Entry]]) -> set[str]:
    """By the checksum noted when the object was copied.

    Stores that took an object in parts or encrypted it have checksums of their
    own. The note goes with the object and is lost when anybody overwrites it, so
    it speaks for the present content; it is read in both directions, for the way
    back. What was found out once holds as long as neither checksum changes.
    """
    open_: list[tuple[Entry, Entry]] = []
    proven: set[str] = set()
    for wanted, there in doubtful:
        known = ledger.get("same", wanted.key, wanted.etag, there.etag)
        if known:
            proven.add(wanted.key)
        else:
            open_.append((wanted, there))
    learned = 0
    try:
        for (wanted, there), equal in crew.each(_ask, open_):
            if equal:
                ledger.add("same", wanted.key, wanted.etag, there.etag, True)
                proven.add(wanted.key)
                learned += 1
    except OutOfTime:
        raise ProviderError(
            f"Comparing {len(open_)} objects one by one takes longer than one attempt; the next one goes on with the "
            "rest, or give the step a longer timeout.",
            permanent=False,
            retry_after=0.0,
            advanced=learned > 0,
        ) from None
    return proven


def _ask(pair: Pair, both: tuple[Entry, Entry]) -> tuple[tuple[Entry, Entry], bool]:
    wanted, there = both
    with pair.errors():
        equal = _noted(pair.target, wanted.key) == wanted.etag or _noted(pair.source, wanted.key) == there.etag
    return both, equal


def _noted(bucket: Bucket, key: str) -> str | None:
    head = bucket.head(key)
    return head.meta.get(SOURCE) if head else None


def by_notes(crew: Crew[Pair], ledger: Ledger) -> Same:
    return partial(noted_same, crew, ledger)
