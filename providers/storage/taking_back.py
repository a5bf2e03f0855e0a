"""Taking a copy back: what was overwritten returns, what was created goes, what others changed since stays."""

from collections.abc import Sequence
from dataclasses import dataclass

from providers.base import Report, Tag
from providers.storage.manifest import Manifest, saved_key
from providers.storage.store import Bucket, Head

RUN, STEP = "bascule-run", "bascule-step"
"""Metadata that says which run and step wrote an object; whoever overwrites the object drops it."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """One object to put back: `saved` is the checksum of the saved copy, None to delete what was created."""

    key: str
    saved: str | None


def is_ours(head: Head, tag: Tag) -> bool:
    """Whether this step wrote the object's present content."""
    return head.meta.get(RUN) == tag.run and head.meta.get(STEP) == tag.step


def restorations(target: Bucket, tag: Tag, manifest: Manifest) -> tuple[list[Restoration], list[str]]:
    """What is to be put back, and the keys that others changed since. Reads only."""
    back: list[Restoration] = []
    changed: list[str] = []
    for key, was in sorted(manifest.was.items()):
        now = target.head(key)
        saved = target.head(saved_key(tag, key)) if was is not None else None
        if now is not None and is_ours(now, tag):
            if was is None or saved is not None:
                back.append(Restoration(key, saved.etag if saved else None))
            else:
                changed.append(f"{key} (its saved copy is gone)")
        elif not _as_before(now, was, saved):
            changed.append(key)
    return back, changed


def _as_before(now: Head | None, was: str | None, saved: Head | None) -> bool:
    """Not written yet, or put back already; an object in parts has another checksum once it was copied back."""
    if now is None or was is None:
        return now is None and was is None
    return now.etag == was or (saved is not None and now.etag == saved.etag)


def restore(target: Bucket, tag: Tag, back: Sequence[Restoration], report: Report) -> None:
    """Put everything back; each part may be repeated."""
    for done, one in enumerate(back, start=1):
        report(f"Taking back {one.key}, {done} of {len(back)}")
        if one.saved is None:
            target.delete(one.key)
        else:
            target.copy_within(saved_key(tag, one.key), one.key, one.saved)
