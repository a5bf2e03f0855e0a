"""`storage.verify`: every object of the source is at the target with the same content. Changes nothing."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.storage.crew import Crew, OutOfTime
from providers.storage.difference import Difference, by_notes, difference, entries
from providers.storage.ledger import Ledger
from providers.storage.pair import Pair, crew_of
from providers.storage.progress import Progress
from providers.storage.store import Bucket, Entry
from providers.vendor_http import Deadline, provider_errors, repeated
from providers.wants import Verify

LEDGER = "compared.jsonl"
SAMPLE = 200
"""Objects read in full when a sample is asked for without a size."""


@dataclass(frozen=True, slots=True)
class _Call:
    pair: Pair
    crew: Crew[Pair]
    ledger: Ledger
    deadline: Deadline


class StorageVerify:
    """Compares two buckets: their listings, and on demand the content itself of some or all objects."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def observe(self, want: Verify, tag: Tag, before: JsonMap | None) -> Finding:
        """By listing only: a look is to be quick."""
        with self._call(want) as call:
            left, _ = _compare(call, want)
            return _found(left, want)

    def apply(self, want: Verify, tag: Tag, before: JsonMap, report: Report) -> Finding:
        report(f"Comparing {want.source.bucket} at {want.source.store} with {want.target.bucket}")
        with self._call(want) as call:
            left, there = _compare(call, want)
            found = _found(left, want)
            if found.presence is not Presence.ALREADY:
                raise ProviderError(found.message, permanent=False)
            if want.how == "listing":
                return found
            picked = left.same if want.how == "full" else sampled(left.same, want.sample, tag)
            self._read(call, [(entry, there[entry.key]) for entry in picked], want, report)
        message = f"{found.message} The content of {len(picked)} was read on both sides and is the same."
        return Finding(found.presence, found.values, found.outputs, message=message)

    def undo(self, want: Verify, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        return Finding(Presence.ABSENT, message="A comparison changes nothing.")

    @contextmanager
    def _call(self, want: Verify) -> Iterator[_Call]:
        deadline = Deadline(self._context.deadline)
        pair = Pair.of(self._context, want, deadline)
        with Ledger(self._context.workspace / LEDGER) as ledger, crew_of(self._context, want, pair, deadline) as crew:
            try:
                yield _Call(pair, crew, ledger, deadline)
            finally:
                pair.close()

    def _read(self, call: _Call, both: list[tuple[Entry, Entry]], want: Verify, report: Report) -> None:
        """Read what no earlier attempt of this step has read. Raises ProviderError when something differs."""
        progress = Progress("Read", len(both), sum(one.size for one, _ in both), report, call.deadline.now)
        left = [one for one in both if not call.ledger.get("read", *_facts(one))]
        for one in set(both) - set(left):
            progress.found(one[0].size)
            progress.done_objects += 1
        different: list[str] = []
        read = 0
        try:
            for pair, equal in call.crew.each(_same_content, left):
                read += 1
                progress.done(pair[0].size)
                if equal:
                    call.ledger.add("read", *_facts(pair), True)
                else:
                    different.append(pair[0].key)
        except OutOfTime:
            raise ProviderError(
                f"{progress.line}; the time of one attempt is over, and the next one goes on with the rest.",
                permanent=False,
                retry_after=0.0,
                advanced=read > 0,
            ) from None
        except ProviderError as error:
            error.advanced = read > 0 and not error.permanent
            raise
        if different:
            keys = ", ".join(sorted(different)[:3]) + (", …" if len(different) > 3 else "")
            raise ProviderError(
                f"Of {len(both)} objects read, {want.target.bucket} has {len(different)} with other content although "
                f"their checksums agree ({keys}); remove these at the target, copy again, then verify.",
                permanent=False,
            )


def sampled(same: tuple[Entry, ...], sample: int | float | None, tag: Tag) -> tuple[Entry, ...]:
    """A number or share of the objects; which, only the run decides, so every attempt of it reads the same ones."""
    size = SAMPLE if sample is None else sample
    count = ceil(size * len(same)) if isinstance(size, float) else size
    ranked = sorted(same, key=lambda entry: hashlib.sha256(f"{tag.run}/{entry.key}".encode()).digest())
    return tuple(ranked[:count])


def _compare(call: _Call, want: Verify) -> tuple[Difference, dict[str, Entry]]:
    pair = call.pair
    with provider_errors(pair.source.connection, pair.source.where):
        wanted = entries(pair.source, want.prefix)
    with provider_errors(pair.target.connection, pair.target.where):
        there = entries(pair.target, want.prefix) if pair.target.exists() else {}
        return difference(wanted, there, by_notes(call.crew, call.ledger)), there


def _facts(both: tuple[Entry, Entry]) -> tuple[str, str, str]:
    return both[0].key, both[0].etag, both[1].etag


def _same_content(pair: Pair, both: tuple[Entry, Entry]) -> tuple[tuple[Entry, Entry], bool]:
    key = both[0].key
    with provider_errors(pair.source.connection, pair.source.where):
        here = repeated(pair.source.deadline)(_sha256, pair.source, key)
    with provider_errors(pair.target.connection, pair.target.where):
        there = repeated(pair.target.deadline)(_sha256, pair.target, key)
    return both, here == there


def _sha256(bucket: Bucket, key: str) -> bytes:
    digest = hashlib.sha256()
    for piece in bucket.stream(key):
        digest.update(piece)
    return digest.digest()


def _found(left: Difference, want: Verify) -> Finding:
    if left.lacking:
        return Finding(Presence.ABSENT, left.values, message=_lacking(left, want))
    outputs = {name: left.outputs[name] for name in ("objects", "bytes")}
    message = f"All {len(left.same)} objects of {want.source.bucket} are at {want.target.bucket}."
    return Finding(Presence.ALREADY, left.values, outputs, message=message)


def _lacking(left: Difference, want: Verify) -> str:
    missing = [entry.key for entry in left.lacking if entry.key not in left.there]
    different = [entry.key for entry in left.lacking if entry.key in left.there]
    parts = [
        f"{len(keys)} {word} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})"
        for keys, word in ((missing, "missing"), (different, "different"))
        if keys
    ]
    total = len(left.lacking) + len(left.same)
    return f"Of {total} objects, {want.target.bucket} has {' and '.join(parts)}; copy again, then verify."
