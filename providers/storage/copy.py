"""`storage.copy`: what the target lacks is copied; what is only there stays.

Proof: a note at the target that names what is going to be written, and the run,
step and source checksum in the metadata of each object written. What is
overwritten is saved inside the target bucket first. A copy that was interrupted
goes on where it stopped, because what arrived compares as equal.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.storage.difference import SOURCE, Difference, difference, entries
from providers.storage.manifest import Manifest, forget, load, save, saved_key
from providers.storage.store import Bucket, Entry, Head
from providers.storage.taking_back import RUN, STEP, is_ours, restorations, restore
from providers.vendor_http import Deadline, provider_errors
from providers.wants import Copy

BUCKET_MISSED = "bucket-was-missing"
"""A file of the workspace, written before the bucket is made: the bucket alone carries no tag."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both buckets for the length of one call."""

    source: Bucket
    target: Bucket
    deadline: Deadline

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Errors name both buckets, and say whether the target may have been written to."""
        with provider_errors(self.target.connection, f"{self.target.where}, copied from {self.source.where},"):
            yield


@dataclass(frozen=True, slots=True)
class _State:
    """What one look at both buckets shows."""

    wanted: dict[str, Entry]
    left: Difference
    manifest: Manifest | None
    bucket: bool


class StorageCopy:
    """Copies between two S3 stores of the scope."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def observe(self, want: Copy, tag: Tag, before: JsonMap | None) -> Finding:
        pair = self._pair(want)
        try:
            wanted = _wanted(pair, want)
        except ProviderError as error:
            if before is not None:
                raise
            message = f"What there is to copy is not known: {error.message}"
            return Finding(Presence.ABSENT, {"source": "unreadable"}, message=message)
        with pair.errors():
            return _found(self._look(pair, want, tag, before, wanted), want)

    def apply(self, want: Copy, tag: Tag, before: JsonMap, report: Report) -> Finding:
        pair = self._pair(want)
        wanted = _wanted(pair, want)
        with pair.errors():
            state = self._look(pair, want, tag, before, wanted)
            if state.left.too_large:
                raise ProviderError(
                    f"{pair.source.where} has objects over 5 GB, which one upload cannot carry "
                    f"({', '.join(state.left.too_large[:3])}); copy these by hand and run the step again.",
                    permanent=True,
                )
            if state.bucket and not state.left.lacking:
                return _found(state, want)
            manifest = self._prepare(pair, tag, state)
            for done, entry in enumerate(state.left.lacking, start=1):
                report(f"Copying {entry.key} ({entry.size} bytes), {done} of {len(state.left.lacking)}")
                _save_old(pair.target, tag, manifest, entry.key)
                self._copy_one(pair, tag, entry)
            after = self._look(pair, want, tag, before, wanted)
            if after.left.lacking:
                raise ProviderError(
                    f"{pair.target.where} does not show {len(after.left.lacking)} objects that were copied; try again.",
                    permanent=False,
                    effect_possible=True,
                )
            return _found(after, want)

    def undo(self, want: Copy, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """Puts back all that this step wrote, or nothing when others changed some of it since."""
        if not effect:
            return Finding(Presence.ABSENT, message="Nothing was copied, so nothing is taken back.")
        target = Bucket(self._context, want.target.store, want.target.bucket, Deadline(self._context.deadline))
        with provider_errors(target.connection, target.where):
            if not target.exists():
                return Finding(Presence.ABSENT, message=f"{target.where} does not exist.")
            manifest = load(target, tag) or Manifest(made_bucket=bool(effect.get("made_bucket")))
            back, changed = restorations(target, tag, manifest)
            if changed:
                keys = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
                message = f"{target.where}: others changed {keys} since, so nothing was taken back; decide by hand."
                return Finding(Presence.CONFLICT, effect=effect, message=message)
            restore(target, tag, back, report)
            forget(target, tag)
            if manifest.made_bucket and not target.remove_if_empty():
                return Finding(Presence.ABSENT, message=f"{target.where} stays: others have put objects into it.")
        return Finding(Presence.ABSENT, message=f"{target.where} is as it was before.")

    def _prepare(self, pair: _Pair, tag: Tag, state: _State) -> Manifest:
        """Make the bucket, and note what is going to be written before it is."""
        if not state.bucket:
            (self._context.workspace / BUCKET_MISSED).touch()
            pair.target.create()
        noted = state.manifest or Manifest(made_bucket=not state.bucket)
        manifest = noted.including(state.left.lacking, state.left.there)
        if manifest is not state.manifest or not state.bucket:
            save(pair.target, tag, manifest, self._context.workspace)
        return manifest

    def _copy_one(self, pair: _Pair, tag: Tag, entry: Entry) -> None:
        with tempfile.NamedTemporaryFile(dir=self._context.workspace) as spool:
            file = Path(spool.name)
            # The target's connection says whether an effect is possible, whoever fails.
            with provider_errors(pair.target.connection, pair.source.where):
                head, digest = pair.source.download(entry.key, file)
            if head.md5 and head.etag != digest.hexdigest():
                raise ProviderError(
                    f"{pair.source.where}: {entry.key} arrived damaged; run the step again.",
                    permanent=False,
                    effect_possible=True,
                )
            pair.target.upload(entry.key, file, digest.digest(), head.headers, _marked(head, tag))

    def _look(self, pair: _Pair, want: Copy, tag: Tag, before: JsonMap | None, wanted: dict[str, Entry]) -> _State:
        """Compare, and find this step's note.

        A bucket without a note that did not exist when the step began is ours too:
        the step was interrupted between the two.
        """
        bucket = pair.target.exists()
        there = entries(pair.target, want.prefix) if bucket else {}
        manifest = load(pair.target, tag) if bucket else None
        missed = (before or {}).get("bucket") == "missing" or (self._context.workspace / BUCKET_MISSED).exists()
        if bucket and manifest is None and before is not None and missed:
            manifest = Manifest(made_bucket=True)
        return _State(wanted, difference(pair.source, wanted, pair.target, there), manifest, bucket)

    def _pair(self, want: Copy) -> _Pair:
        deadline = Deadline(self._context.deadline)
        source = Bucket(self._context, want.source.store, want.source.bucket, deadline)
        return _Pair(source, Bucket(self._context, want.target.store, want.target.bucket, deadline), deadline)


def _wanted(pair: _Pair, want: Copy) -> dict[str, Entry]:
    with provider_errors(pair.source.connection, pair.source.where):
        return entries(pair.source, want.prefix)


def _found(state: _State, want: Copy) -> Finding:
    values = {**state.left.values, "bucket": "present" if state.bucket else "missing"}
    effect = _effect(state.manifest, want) if state.manifest else {}
    if state.left.lacking or not state.bucket:
        message = f"{len(state.left.lacking)} of {len(state.wanted)} objects to copy to {want.target.bucket}."
        return Finding(Presence.ABSENT, values, effect=effect, message=message)
    message = f"All {len(state.wanted)} objects are at {want.target.bucket}."
    presence = Presence.OURS if state.manifest else Presence.ALREADY
    return Finding(presence, values, state.left.outputs, effect, message)


def _effect(manifest: Manifest, want: Copy) -> dict[str, object]:
    """Small, because the note at the target has the rest."""
    return {"store": want.target.store, "bucket": want.target.bucket, "made_bucket": manifest.made_bucket}


def _save_old(target: Bucket, tag: Tag, manifest: Manifest, key: str) -> None:
    """Save what is there before it is overwritten; what is saved already, or ours, stays as it is."""
    if manifest.was.get(key) is None or target.head(saved_key(tag, key)) is not None:
        return
    head = target.head(key)
    if head is not None and not is_ours(head, tag):
        target.copy_within(key, saved_key(tag, key), head.etag)


def _marked(head: Head, tag: Tag) -> dict[str, str]:
    """The source's own metadata, and whose copy it is, in place of an earlier copy's marks."""
    return {**head.meta, RUN: tag.run, STEP: tag.step, SOURCE: head.etag}
