"""Taking a copy back: what was overwritten returns, what was created goes, what others changed since stays."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from providers.base import Tag
from providers.storage.notes import Notes, home, saved_key
from providers.storage.store import Bucket, Head
from providers.storage.versions import NULL, Version, versions
from providers.vendor_http import RefusedError

RUN, STEP = "bascule-run", "bascule-step"
"""Metadata that says which run and step wrote an object; whoever overwrites the object drops it."""

Stacks = Mapping[str, Sequence[Version]]
"""Of each key its versions and delete markers, the newest first."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one key shows. `changed`: others changed it since, in words.

    `saved`: the checksum of the saved copy that returns. `ours`: versions to remove, None where there are no versions.
    `held`: what keeps ours from being removed.
    """

    key: str
    changed: str = ""
    saved: str | None = None
    ours: tuple[str | None, ...] = ()
    held: str = ""

    @property
    def is_to_do(self) -> bool:
        return self.saved is not None or bool(self.ours)


def is_ours(head: Head, tag: Tag) -> bool:
    """Whether this step wrote the object's present content."""
    return head.meta.get(RUN) == tag.run and head.meta.get(STEP) == tag.step


def stacks(target: Bucket, prefix: str, notes: Notes) -> dict[str, list[Version]]:
    """The versions of the keys that the notes name."""
    grouped: dict[str, list[Version]] = defaultdict(list)
    for version in versions(target, prefix):
        if version.key in notes.was:
            grouped[version.key].append(version)
    return dict(grouped)


def look(target: Bucket, tag: Tag, key: str, was: str | None) -> Found:
    """One key of a bucket without versions. Reads only."""
    now = target.head(key)
    saved = target.head(saved_key(tag, key)) if was is not None else None
    if now is not None and is_ours(now, tag):
        if was is None:
            return Found(key, ours=(now.version,), held=now.held)
        return Found(key, saved=saved.etag) if saved else Found(key, changed=f"{key} (its saved copy is gone)")
    return Found(key) if _as_before(now.etag if now else None, was, saved) else Found(key, changed=key)


def look_at_versions(target: Bucket, tag: Tag, key: str, was: str | None, stack: Sequence[Version]) -> Found:
    """One key of a bucket that keeps versions: ours are those on top, under delete markers of others at most."""
    markers = list(takewhile(lambda version: version.marker, stack))
    ours: list[str | None] = []
    held, beneath = "", None
    for version in stack[len(markers) :]:
        head = None if version.marker or version.etag == was else target.head(key, version.id)
        if head is None or not is_ours(head, tag):
            beneath = version
            break
        ours.append(version.id)
        held = held or head.held
    saved = target.head(saved_key(tag, key)) if was is not None else None
    before = beneath.etag if beneath and not beneath.marker else None
    now = None if markers else before
    if not ours or markers:
        # A delete marker that others put on top is theirs and stays; under it, ours is nobody's loss.
        as_before = _as_before(now, was, saved)
        return Found(key, ours=tuple(ours), held=held) if as_before else Found(key, changed=key)
    if was is None or before == was:
        return Found(key, ours=tuple(ours), held=held)
    if saved is None:
        return Found(key, changed=f"{key} (what it was before is gone)")
    # The saved copy takes the place of the null version; versions with an id would stay above nothing.
    return Found(key, saved=saved.etag, ours=tuple(one for one in ours if one != NULL), held=held)


def _as_before(now: str | None, was: str | None, saved: Head | None) -> bool:
    """Not written yet, or put back already; an object in parts has another checksum once it was copied back."""
    if now is None or was is None:
        return now is None and was is None
    return now == was or (saved is not None and now == saved.etag)


@dataclass(slots=True)
class Kept:
    """What a lock keeps at the target: keys, and the reason of the first."""

    keys: list[str] = field(default_factory=list)
    reason: str = ""

    def add(self, key: str, reason: str) -> None:
        self.keys.append(key)
        self.reason = self.reason or reason


def restore(target: Bucket, tag: Tag, one: Found) -> tuple[str, str] | None:
    """Put one key back; may be repeated. Key and reason when a lock keeps what we wrote."""
    if one.saved is not None:
        target.copy_within(saved_key(tag, one.key), one.key, one.saved)
    for version in one.ours:
        try:
            target.delete(one.key, version)
        except RefusedError as error:
            if error.code not in (400, 403, 405) or not one.held:
                raise
            return one.key, one.held
    return None


def forget(target: Bucket, tag: Tag, versioned: bool) -> tuple[str, str] | None:
    """Remove the notes first, then the saved copies: without the notes there is nothing left to restore.

    Key and reason when a lock keeps them.
    """
    kept: tuple[str, str] | None = None
    if versioned:
        named: list[tuple[str, str | None]] = [(one.key, one.id) for one in versions(target, home(tag))]
    else:
        named = [(one.key, None) for one in target.entries(home(tag))]
    for key, version in named:
        try:
            target.delete(key, version)
        except RefusedError as error:
            head = target.head(key, version) if error.code in (400, 403, 405) else None
            if head is None or not head.held:
                raise
            kept = kept or (key, head.held)
    return kept
