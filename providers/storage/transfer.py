"""One object from source to target: whole while it is small, else in parts that survive a crash."""

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from providers.base import ProviderError, Tag
from providers.storage import uploads
from providers.storage.content import Content
from providers.storage.crew import Crew
from providers.storage.difference import SOURCE
from providers.storage.ledger import Ledger
from providers.storage.notes import saved_key
from providers.storage.pair import Pair
from providers.storage.progress import Progress
from providers.storage.store import LARGEST, Bucket, Entry, Head
from providers.storage.taking_back import RUN, STEP, is_ours
from providers.storage.uploads import Arrived, Slice
from providers.storage.versions import ENABLED, NULL
from providers.vendor_http import RefusedError


@dataclass(frozen=True, slots=True)
class Job:
    """What every object of one copy shares.

    `versioning` of the target: where old versions are kept, nothing needs to be saved before it is overwritten.
    """

    tag: Tag
    folder: Path
    ledger: Ledger
    versioning: str
    was: Mapping[str, str | None]

    def marked(self, head: Head) -> dict[str, str]:
        """The source's own metadata, and whose copy it is, in place of an earlier copy's marks."""
        return {**head.meta, RUN: self.tag.run, STEP: self.tag.step, SOURCE: head.etag}

    def save_old(self, target: Bucket, key: str) -> None:
        """Save what is there before it is overwritten; what is saved already, or ours, stays as it is."""
        if self.was.get(key) is None or self.versioning == ENABLED:
            return
        if target.head(saved_key(self.tag, key)) is not None:
            return
        head = target.head(key)
        kept = head is None or is_ours(head, self.tag) or head.version not in (None, NULL)
        if head is not None and not kept:
            if head.size > LARGEST:
                raise ProviderError(
                    f"{target.where}: {key} would be overwritten, and with over 5 GB it cannot be saved first; "
                    "move it away, or turn the bucket's versioning on.",
                    permanent=True,
                    effect_possible=True,
                )
            target.copy_within(key, saved_key(self.tag, key), head.etag)


def copy_whole(job: Job, pair: Pair, entry: Entry) -> Entry:
    """A small object: one read, one write."""
    with pair.errors(), Content(job.folder) as content:
        job.save_old(pair.target, entry.key)
        with pair.source_errors():
            head = pair.source.download(entry.key, content)
        if head.md5 and head.etag != content.md5.hex():
            raise ProviderError(
                f"{pair.source.where}: {entry.key} arrived damaged; run the step again.",
                permanent=False,
                effect_possible=True,
            )
        stored = pair.target.upload(entry.key, content, head.headers, job.marked(head))
        if stored and stored != head.etag:
            job.ledger.add("same", entry.key, head.etag, stored, True)
    return entry


def begun_by_us(ledger: Ledger, key: str, open_: Sequence[str], others: Container[str]) -> list[str]:
    """Of the uploads of a key that are under way: those that this step began.

    Others' were there before it, or are besides one whose beginning is on record here.
    """
    since = [upload for upload in open_ if upload not in others]
    known = [upload for upload in since if ledger.get("upload", key, upload) is not None]
    return known or since


@dataclass(slots=True)
class InParts:
    """A large object under way. Parts go side by side; those that arrived are known by their checksums.

    `begun`: ids of uploads of this key that this step may have begun in an earlier attempt.
    """

    job: Job
    pair: Pair
    crew: Crew[Pair]
    progress: Progress
    entry: Entry
    begun: list[str]
    upload: str = ""
    arrived: Mapping[int, Arrived] = field(default_factory=dict)

    def copy(self) -> None:
        target, key = self.pair.target, self.entry.key
        with self.pair.errors():
            self.job.save_old(target, key)
            self._adopt()
            plan = uploads.slices(self.entry.size, target.limits)
            parts: dict[int, str] = {}
            for one in plan:
                if self._is_there(one):
                    parts[one.number] = self.arrived[one.number].etag
                    self.progress.found(one.size)
            left = [one for one in plan if one.number not in parts]
            if not self.upload:
                parts[1] = self._first(left.pop(0))
            for one, etag in self.crew.each(self._send, left):
                parts[one.number] = etag
                self.progress.moved(one.size)
            stored = uploads.complete(target, key, self.upload, sorted(parts.items()))
            self._check(parts, stored)
            self.job.ledger.add("same", key, self.entry.etag, stored, True)

    def _adopt(self) -> None:
        """Go on with the upload that an earlier attempt began, unless the object has changed since."""
        for upload in self.begun:
            there = uploads.arrived(self.pair.target, self.entry.key, upload)
            if there is None:
                continue
            etag = self.job.ledger.get("upload", self.entry.key, upload)
            if etag in (None, self.entry.etag):
                self.upload, self.arrived = upload, there
                return
            uploads.abort(self.pair.target, self.entry.key, upload)

    def _is_there(self, one: Slice) -> bool:
        there = self.arrived.get(one.number)
        if there is None or there.size != one.size:
            return False
        facts = (self.upload, one.number, self.entry.etag)
        return there.etag in (self.job.ledger.get("part", *facts), self.job.ledger.get("sent", *facts))

    def _first(self, one: Slice) -> str:
        """The first part comes before the upload begins: its answer has the object's headers."""
        with Content(self.job.folder) as content:
            head = self._download(self.pair, one, content)
            key = self.entry.key
            self.upload = uploads.begin(self.pair.target, key, head.headers, self.job.marked(head))
            self.job.ledger.add("upload", key, self.upload, self.entry.etag)
            etag = self._put(self.pair, one, content)
        self.progress.moved(one.size)
        return etag

    def _send(self, pair: Pair, one: Slice) -> tuple[Slice, str]:
        with pair.errors(), Content(self.job.folder) as content:
            self._download(pair, one, content)
            there = self.arrived.get(one.number)
            if there is not None and (there.etag, there.size) == (content.md5.hex(), content.size):
                return one, there.etag
            return one, self._put(pair, one, content)

    def _download(self, pair: Pair, one: Slice, content: Content) -> Head:
        with pair.source_errors():
            try:
                return pair.source.download(self.entry.key, content, (one.start, one.end), self.entry.etag)
            except RefusedError as error:
                if error.code not in (404, 412):
                    raise
                raise ProviderError(
                    f"{pair.source.where}: {self.entry.key} was changed while it was copied; the step copies it anew.",
                    permanent=False,
                    effect_possible=True,
                ) from error

    def _put(self, pair: Pair, one: Slice, content: Content) -> str:
        facts = (self.upload, one.number, self.entry.etag)
        # Before it is sent: a part that arrived is then known, whatever becomes of this process.
        self.job.ledger.add("part", *facts, content.md5.hex())
        try:
            etag = uploads.put(pair.target, self.entry.key, self.upload, one.number, content)
        except RefusedError as error:
            if error.code != 404:
                raise
            raise ProviderError(
                f"{pair.target.where} has ended the upload of {self.entry.key} by itself; the step begins it anew.",
                permanent=False,
                effect_possible=True,
            ) from error
        if etag != content.md5.hex():
            self.job.ledger.add("sent", *facts, etag)
        return etag

    def _check(self, parts: Mapping[int, str], stored: str) -> None:
        """A store whose parts' checksums are MD5 gives the object the MD5 of these, and the number of parts."""
        sums = [self.job.ledger.get("part", self.upload, n, self.entry.etag) for n in sorted(parts)]
        if sums != [etag for _, etag in sorted(parts.items())] or "-" not in stored:
            return
        expected = hashlib.md5(b"".join(map(bytes.fromhex, sums)), usedforsecurity=False).hexdigest()
        if stored != f"{expected}-{len(sums)}":
            raise ProviderError(
                f"{self.pair.target.where}: {self.entry.key} is not what was sent; remove it there and copy again.",
                permanent=True,
                effect_possible=True,
            )
