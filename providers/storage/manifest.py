"""The note a copy leaves at the target before it writes anything: which keys, and what was there before.

It is the copy's proof and its undo log. It is written ahead, so that after a
crash it names at least every object that the step wrote.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from providers.base import Tag
from providers.storage.difference import SIDE
from providers.storage.store import Bucket, Entry


def home(tag: Tag) -> str:
    """Where one step keeps its note and saved copies; a nested step's `/` may not reach into another's home."""
    return f"{SIDE}{tag.run}/{tag.step.replace('/', ':')}/"


def saved_key(tag: Tag, key: str) -> str:
    """Where an object is saved before it is overwritten."""
    return f"{home(tag)}objects/{key}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`was`: each key to write, with the checksum of what was there before, or None.

    `made_bucket`: the bucket did not exist before.
    """

    was: Mapping[str, str | None] = field(default_factory=dict)
    made_bucket: bool = False

    def including(self, lacking: Iterable[Entry], there: Mapping[str, str]) -> "Manifest":
        """With more keys; what is recorded already stays, because it is older than our own writes."""
        more = {entry.key: there.get(entry.key) for entry in lacking if entry.key not in self.was}
        return replace(self, was={**self.was, **more}) if more else self


def load(bucket: Bucket, tag: Tag) -> Manifest | None:
    """The note at the target; None when this step wrote nothing there."""
    content = bucket.read(home(tag) + "manifest.json")
    if content is None:
        return None
    noted = json.loads(content)
    return Manifest(was=noted["was"], made_bucket=noted["made_bucket"])


def save(bucket: Bucket, tag: Tag, manifest: Manifest, workspace: Path) -> None:
    content = json.dumps({"was": dict(manifest.was), "made_bucket": manifest.made_bucket}).encode()
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    with tempfile.NamedTemporaryFile(dir=workspace) as file:
        file.write(content)
        file.flush()
        key = home(tag) + "manifest.json"
        bucket.upload(key, Path(file.name), digest, {"content-type": "application/json"}, {})


def forget(bucket: Bucket, tag: Tag) -> None:
    """Remove the note first, then the saved copies: without the note there is nothing left to restore."""
    bucket.delete(home(tag) + "manifest.json")
    for entry in list(bucket.entries(home(tag))):
        bucket.delete(entry.key)
