"""What the target lacks of the source, told by checksums."""

from collections.abc import Mapping
from dataclasses import dataclass

from providers.storage.store import LARGEST, Bucket, Entry

SIDE = ".bascule/"
"""Keys below are Bascule's own notes and saved copies: never copied, never compared."""
SOURCE = "bascule-source"
"""Metadata of a copied object: the checksum its content had at the source."""


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
        keys = sorted(entry.key for entry in self.same)
        return {"objects": len(keys), "bytes": sum(entry.size for entry in self.same), "keys": keys}

    @property
    def too_large(self) -> list[str]:
        """Keys of objects that one upload cannot carry."""
        return [entry.key for entry in self.lacking if entry.size > LARGEST]


def entries(bucket: Bucket, prefix: str) -> dict[str, Entry]:
    """The bucket's objects under the prefix, without Bascule's own."""
    return {entry.key: entry for entry in bucket.entries(prefix) if not entry.key.startswith(SIDE)}


def difference(source: Bucket, wanted: Mapping[str, Entry], target: Bucket, there: Mapping[str, Entry]) -> Difference:
    """Compare listings; where checksums differ in kind, ask for the one noted when the object was copied."""
    lacking: list[Entry] = []
    same: list[Entry] = []
    for key in sorted(wanted):
        equal = key in there and _equal(source, wanted[key], target, there[key])
        (same if equal else lacking).append(wanted[key])
    return Difference(tuple(lacking), tuple(same), {e.key: there[e.key].etag for e in lacking if e.key in there})


def _equal(source: Bucket, wanted: Entry, target: Bucket, there: Entry) -> bool:
    """Stores that took an object in parts or encrypted it have checksums of their own.

    The note goes with the object and is lost when anybody overwrites it, so it
    speaks for the present content; it is read in both directions, for the way back.
    """
    if wanted.size != there.size:
        return False
    if wanted.etag == there.etag:
        return True
    return _noted(target, wanted.key) == wanted.etag or _noted(source, wanted.key) == there.etag


def _noted(bucket: Bucket, key: str) -> str | None:
    head = bucket.head(key)
    return head.meta.get(SOURCE) if head else None
