"""The notes a copy leaves at the target before it writes anything: which keys, and what was there before.

They are the copy's proof and its undo log. Each is written ahead of the objects
it names, never changed, and names a thousand of them at most, so that a copy of
any length rewrites nothing; after a crash they name at least every object that
the step wrote.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from providers.base import Tag
from providers.storage.content import Content
from providers.storage.difference import SIDE
from providers.storage.store import Bucket

KEYS = 1000
"""Keys to a note, at most."""


def home(tag: Tag) -> str:
    """Where one step keeps its notes and saved copies; a nested step's `/` may not reach into another's home."""
    return f"{SIDE}{tag.run}/{tag.step.replace('/', ':')}/"


def saved_key(tag: Tag, key: str) -> str:
    """Where an object is saved before it is overwritten."""
    return f"{home(tag)}objects/{key}"


@dataclass(frozen=True, slots=True)
class Note:
    """`was`: each key to write, with the checksum of what was there before, or None.

    `made_bucket`: the bucket did not exist before.
    `others`: ids of uploads in parts that were under way before, so not ours.
    """

    was: Mapping[str, str | None] = field(default_factory=dict)
    made_bucket: bool = False
    others: tuple[str, ...] = ()


@dataclass(slots=True)
class Notes:
    """All notes of one step. What is recorded first stays, because it is older than our own writes."""

    was: dict[str, str | None] = field(default_factory=dict)
    made_bucket: bool = False
    others: set[str] = field(default_factory=set)
    count: int = 0

    def include(self, note: Note) -> None:
        for key, etag in note.was.items():
            self.was.setdefault(key, etag)
        self.made_bucket = self.made_bucket or note.made_bucket
        self.others.update(note.others)
        self.count += 1


def load(bucket: Bucket, tag: Tag) -> Notes:
    """Every note at the target; `count` is 0 when this step wrote nothing there."""
    notes = Notes()
    for note in _each(bucket, tag):
        notes.include(note)
    return notes


def first(bucket: Bucket, tag: Tag) -> Note | None:
    """The first note: enough to know that the step was here, and whether it made the bucket."""
    return next(_each(bucket, tag), None)


def _each(bucket: Bucket, tag: Tag) -> Iterator[Note]:
    for entry in bucket.entries(home(tag) + "notes/"):
        content = bucket.read(entry.key)
        if content is not None:
            noted = json.loads(content)
            yield Note(noted["was"], noted["made_bucket"], tuple(noted["others"]))


def save(bucket: Bucket, tag: Tag, number: int, note: Note, folder: Path) -> None:
    """`number`: how many notes there are already; it names the note."""
    text = json.dumps({"was": dict(note.was), "made_bucket": note.made_bucket, "others": list(note.others)})
    with Content.of(text.encode(), folder) as content:
        bucket.upload(f"{home(tag)}notes/{number:06}.json", content, {"content-type": "application/json"}, {})
