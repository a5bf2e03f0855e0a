"""`storage.copy`: what the target lacks is copied; what is only there stays.

Proof: notes at the target that name what is going to be written, and the run,
step and source checksum in the metadata of each object written. What is
overwritten is saved inside the target bucket first, unless the bucket keeps
versions itself. A copy that was interrupted goes on where it stopped, because
what arrived compares as equal, and parts of large objects are known by theirs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from providers.base import HALTED, Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.storage import notes as noting
from providers.storage import uploads
from providers.storage.crew import Crew, OutOfTime
from providers.storage.difference import Difference, by_notes, difference, entries
from providers.storage.ledger import Ledger
from providers.storage.notes import Note, Notes
from providers.storage.open_writes import OpenWrites
from providers.storage.pair import Pair, crew_of
from providers.storage.progress import Progress, amount
from providers.storage.store import Bucket, Entry
from providers.storage.transfer import InParts, Job, begun_by_us, copy_whole
from providers.storage.undoing import Undoing
from providers.storage.versions import NULL, SUSPENDED, Keeping, keeping, versions
from providers.vendor_http import Deadline, provider_errors
from providers.wants import Copy

BUCKET_MISSED = "bucket-was-missing"
"""A file of the workspace, written before the bucket is made: the bucket alone carries no tag."""
LEDGER = "objects.jsonl"


@dataclass(frozen=True, slots=True)
class _State:
    """What one look at both buckets shows. `note`: the first of this step's, if there is one."""

    wanted: dict[str, Entry]
    left: Difference
    note: Note | None
    bucket: bool
    keeping: Keeping


@dataclass(frozen=True, slots=True)
class _Call:
    """One call's tools."""

    pair: Pair
    crew: Crew[Pair]
    ledger: Ledger
    deadline: Deadline

    @property
    def wrote(self) -> bool:
        return any(one.target.connection.wrote for one in (self.pair, *self.crew.tools))


class StorageCopy:
    """Copies between two S3 stores of the scope."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def observe(self, want: Copy, tag: Tag, before: JsonMap | None) -> Finding:
        with self._call(want) as call:
            try:
                wanted = _wanted(call.pair, want)
            except ProviderError as error:
                if before is not None:
                    raise
                message = f"What there is to copy is not known: {error.message}"
                return Finding(Presence.ABSENT, {"source": "unreadable"}, message=message)
            with call.pair.errors():
                return self._unless_open(_found(self._look(call, want, tag, before, wanted), want), want)

    def apply(self, want: Copy, tag: Tag, before: JsonMap, report: Report) -> Finding:
        with self._call(want) as call:
            wanted = _wanted(call.pair, want)
            with call.pair.errors():
                state = self._look(call, want, tag, before, wanted)
                if state.bucket and not state.left.lacking:
                    return self._unless_open(_found(state, want), want)
                _refuse_lossy(call.pair.target, want, state)
                self._copy(call, tag, state, report)
                after = self._look(call, want, tag, before, wanted)
            if after.left.lacking:
                raise ProviderError(
                    f"{call.pair.target.where} does not show {len(after.left.lacking)} objects that were copied, or "
                    "they have changed at the source since; try again.",
                    permanent=False,
                    effect_possible=True,
                )
            return self._unless_open(_found(after, want), want)

    def undo(self, want: Copy, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """Puts back all that this step wrote, or nothing when others changed some of it since."""
        if not effect:
            return Finding(Presence.ABSENT, message="Nothing was copied, so nothing is taken back.")
        with Ledger(self._context.workspace / LEDGER) as ledger:
            return Undoing(self._context, want, tag, effect, ledger, report).take_back()

    def _unless_open(self, found: Finding, want: Copy) -> Finding:
        """What was found, as far as it can be said while a write may arrive: what is lacking may be sent again."""
        left = OpenWrites(self._context.workspace).left()
        if left <= 0:
            return found
        effect = found.effect or _effect(Note(), want)
        if found.presence is Presence.ABSENT:
            return replace(found, effect=effect)
        message = f"The answer to a write to {want.target.bucket} was lost; it may still arrive."
        return replace(found, presence=Presence.PENDING, effect=effect, message=message, again_after=left)

    @contextmanager
    def _call(self, want: Copy) -> Iterator[_Call]:
        deadline = Deadline.of(self._context)
        pair = Pair.of(self._context, want, deadline)
        with Ledger(self._context.workspace / LEDGER) as ledger, crew_of(self._context, want, pair, deadline) as crew:
            try:
                yield _Call(pair, crew, ledger, deadline)
            finally:
                pair.close()

    def _copy(self, call: _Call, tag: Tag, state: _State, report: Report) -> None:
        lacking = state.left.lacking
        size = sum(entry.size for entry in lacking)
        report(f"Copying {len(lacking)} objects, {amount(size)}, to {call.pair.target.where}")
        progress = Progress("Copied", len(lacking), size, report, call.deadline.now)
        try:
            notes = self._begin(call, tag, state)
            job = Job(tag, self._context.workspace, call.ledger, state.keeping.versioning, notes.was)
            for chunk in _chunks(lacking):
                self._note(call, tag, notes, chunk, state)
                _copy_chunk(call, job, notes, chunk, progress)
        except OutOfTime:
            why = HALTED if call.deadline.halted() else "the time of one attempt is over"
            raise ProviderError(
                f"{progress.line}; {why}, and the next attempt goes on with the rest.",
                permanent=False,
                effect_possible=True,
                retry_after=0.0,
                advanced=progress.advanced,
            ) from None
        except ProviderError as error:
            error.effect_possible = error.effect_possible or call.wrote
            error.advanced = progress.advanced and not error.permanent
            raise

    def _begin(self, call: _Call, tag: Tag, state: _State) -> Notes:
        """Make the bucket; what was noted already is read."""
        with call.pair.errors():
            if state.bucket:
                notes = noting.load(call.pair.target, tag)
                notes.made_bucket = notes.made_bucket or (state.note is not None and state.note.made_bucket)
                return notes
            (self._context.workspace / BUCKET_MISSED).touch()
            call.pair.target.create()
            notes = Notes(made_bucket=True)
            if not state.left.lacking:
                self._save(call, tag, notes, Note(made_bucket=True))
            return notes

    def _note(self, call: _Call, tag: Tag, notes: Notes, chunk: list[Entry], state: _State) -> None:
        """Note what is going to be written before it is."""
        fresh = [entry for entry in chunk if entry.key not in notes.was]
        if not fresh and notes.count:
            return
        with call.pair.errors():
            others: tuple[str, ...] = ()
            large = {entry.key for entry in fresh if entry.size > call.pair.target.limits.part}
            if large:
                open_ = uploads.under_way(call.pair.target, _common(large))
                others = tuple(upload for key in sorted(large) for upload in open_.get(key, ()))
            was = {entry.key: state.left.there.get(entry.key) for entry in fresh}
            self._save(call, tag, notes, Note(was, notes.made_bucket, others))

    def _save(self, call: _Call, tag: Tag, notes: Notes, note: Note) -> None:
        noting.save(call.pair.target, tag, notes.count, note, self._context.workspace)
        notes.include(note)

    def _look(self, call: _Call, want: Copy, tag: Tag, before: JsonMap | None, wanted: dict[str, Entry]) -> _State:
        """Compare, and find this step's note.

        A bucket without a note that did not exist when the step began is ours too:
        the step was interrupted between the two.
        """
        target = call.pair.target
        bucket = target.exists()
        there = entries(target, want.prefix) if bucket else {}
        note = noting.first(target, tag) if bucket else None
        missed = (before or {}).get("bucket") == "missing" or (self._context.workspace / BUCKET_MISSED).exists()
        if bucket and note is None and before is not None and missed:
            note = Note(made_bucket=True)
        left = difference(wanted, there, by_notes(call.crew, call.ledger))
        return _State(wanted, left, note, bucket, keeping(target) if bucket else Keeping())


def _copy_chunk(call: _Call, job: Job, notes: Notes, chunk: list[Entry], progress: Progress) -> None:
    part = call.pair.target.limits.part
    for entry in call.crew.each(partial(copy_whole, job), [entry for entry in chunk if entry.size <= part]):
        progress.done(entry.size)
    large = [entry for entry in chunk if entry.size > part]
    if not large:
        return
    with call.pair.errors():
        open_ = uploads.under_way(call.pair.target, _common({entry.key for entry in large}))
    for entry in large:
        begun = begun_by_us(job.ledger, entry.key, open_.get(entry.key, ()), notes.others)
        InParts(job, call.pair, call.crew, progress, entry, begun).copy()
        progress.done()


def _refuse_lossy(target: Bucket, want: Copy, state: _State) -> None:
    """Where versioning is suspended, a write replaces the null version, even one that is not the newest.

    Such a version, or a delete marker in its place, could not be put back where it was.
    """
    if state.keeping.versioning != SUSPENDED:
        return
    lacking = {entry.key for entry in state.left.lacking}
    current = {key for key in lacking if key in state.left.there}
    seen: set[str] = set()
    lost: list[str] = []
    for version in versions(target, want.prefix):
        newest = version.key not in seen
        seen.add(version.key)
        if version.key in lacking and version.id == NULL and not (newest and version.key in current):
            lost.append(version.key)
    if lost:
        raise ProviderError(
            f"{target.where}: its versioning is suspended, and copying would destroy earlier versions that could not "
            f"be put back ({', '.join(lost[:3])}); turn versioning on, then run the step again.",
            permanent=True,
        )


def _chunks(lacking: tuple[Entry, ...]) -> Iterator[list[Entry]]:
    for at in range(0, len(lacking), noting.KEYS):
        yield list(lacking[at : at + noting.KEYS])


def _common(keys: set[str]) -> str:
    """The longest prefix that all these keys have: listings of it are short."""
    least, most = min(keys), max(keys)
    return least[: next((n for n, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), len(least))]


def _wanted(pair: Pair, want: Copy) -> dict[str, Entry]:
    with provider_errors(pair.source.connection, pair.source.where):
        return entries(pair.source, want.prefix)


def _found(state: _State, want: Copy) -> Finding:
    kept = state.keeping
    values = {**state.left.values, "bucket": "present" if state.bucket else "missing", **kept.values}
    effect = _effect(state.note, want) if state.note else {}
    warning = (
        f" The bucket keeps what is written ({kept.retention}): until then an undo cannot remove it."
        if kept.retention
        else ""
    )
    if state.left.lacking or not state.bucket:
        message = f"{len(state.left.lacking)} of {len(state.wanted)} objects to copy to {want.target.bucket}.{warning}"
        return Finding(Presence.ABSENT, values, effect=effect, message=message)
    message = f"All {len(state.wanted)} objects are at {want.target.bucket}.{warning}"
    presence = Presence.OURS if state.note else Presence.ALREADY
    return Finding(presence, values, state.left.outputs, effect, message)


def _effect(note: Note, want: Copy) -> dict[str, object]:
    """Small, because the notes at the target have the rest."""
    return {"store": want.target.store, "bucket": want.target.bucket, "made_bucket": note.made_bucket}
