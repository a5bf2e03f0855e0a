"""The undo of `storage.copy`, from its look at every key to the removal of its own notes."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.storage import notes as noting
from providers.storage import taking_back, uploads
from providers.storage.crew import Crew, OutOfTime
from providers.storage.ledger import Ledger
from providers.storage.notes import Notes
from providers.storage.open_writes import OpenWrites
from providers.storage.progress import Progress
from providers.storage.store import Bucket
from providers.storage.taking_back import Found, Kept
from providers.storage.transfer import begun_by_us
from providers.storage.versions import keeping
from providers.vendor_http import Deadline, provider_errors
from providers.wants import Copy

Item = TypeVar("Item")
Result = TypeVar("Result")

NAMED = 5
"""Keys that a message names."""


class Undoing:
    """One call of the undo."""

    def __init__(self, context: Context, want: Copy, tag: Tag, effect: JsonMap, ledger: Ledger, report: Report) -> None:
        self._tag = tag
        self._want = want
        self._effect = effect
        self._ledger = ledger
        self._report = report
        self._deadline = Deadline.of(context)
        self._make = partial(Bucket, context, want.target.store, want.target.bucket, self._deadline)
        self._target = self._make()
        self._open_writes = OpenWrites(context.workspace)

    def take_back(self) -> Finding:
        """PENDING while a write of ours may still arrive; raises ProviderError, permanent when a lock keeps something.

        The notes at the target stay as long, because they name what such a write would have to be taken back to.
        """
        try:
            found = self._take_back()
        finally:
            self._target.close()
        return self._awaited() if found.presence is Presence.ABSENT and self._open_writes.left() > 0 else found

    def _awaited(self) -> Finding:
        message = f"The answer to a write to {self._target.where} was lost; it may still arrive."
        left = max(self._open_writes.left(), 0.1)
        return Finding(Presence.PENDING, effect=self._effect, message=message, again_after=left)

    def _take_back(self) -> Finding:
        target = self._target
        with (
            provider_errors(target.connection, target.where),
            Crew(self._make, target.limits.parallel, self._deadline) as crew,
        ):
            if not target.exists():
                return Finding(Presence.ABSENT, message=f"{target.where} does not exist.")
            notes = noting.load(target, self._tag)
            notes.made_bucket = notes.made_bucket or bool(self._effect.get("made_bucket"))
            versioned = bool(keeping(target).versioning)
            found = self._look(crew, notes, versioned)
            changed = [one.changed for one in found if one.changed]
            if changed:
                message = f"{target.where}: others changed {_named(changed)} since, so nothing was taken back; "
                return Finding(Presence.CONFLICT, effect=self._effect, message=message + "decide by hand.")
            self._abort_uploads(notes)
            kept = self._restore(crew, [one for one in found if one.is_to_do])
            if self._open_writes.left() > 0:
                return self._awaited()
            if not kept.keys:
                own = taking_back.forget(target, self._tag, versioned)
                if own is not None:
                    kept.add(*own)
            if kept.keys:
                raise self._locked(kept)
            if notes.made_bucket and not target.remove_if_empty():
                return Finding(Presence.ABSENT, message=f"{target.where} stays: others have put objects into it.")
        return Finding(Presence.ABSENT, message=f"{target.where} is as it was before.")

    def _look(self, crew: Crew[Bucket], notes: Notes, versioned: bool) -> list[Found]:
        stacks = taking_back.stacks(self._target, self._want.prefix, notes) if versioned else {}

        def look(target: Bucket, item: tuple[str, str | None]) -> Found:
            key, was = item
            with provider_errors(target.connection, target.where):
                if versioned:
                    return taking_back.look_at_versions(target, self._tag, key, was, stacks.get(key, ()))
                return taking_back.look(target, self._tag, key, was)

        return sorted(self._each(crew, look, notes.was.items(), writes=False), key=lambda one: one.key)

    def _restore(self, crew: Crew[Bucket], todo: list[Found]) -> Kept:
        progress = Progress("Took back", len(todo), 0, self._report, self._deadline.now)
        kept = Kept()

        def restore(target: Bucket, one: Found) -> tuple[str, str] | None:
            with provider_errors(target.connection, target.where):
                return taking_back.restore(target, self._tag, one)

        for locked in self._each(crew, restore, todo, writes=True):
            progress.done()
            if locked is not None:
                kept.add(*locked)
        return kept

    def _each(
        self, crew: Crew[Bucket], work: Callable[[Bucket, Item], Result], items: Iterable[Item], *, writes: bool
    ) -> Iterator[Result]:
        """The results; what ends early says whether the next call has less to do."""
        done = 0
        try:
            for result in crew.each(work, items):
                done += 1
                yield result
        except OutOfTime:
            raise ProviderError(
                f"{self._target.where} is not yet as it was before, and the time of one attempt is over; "
                "the undo goes on with the rest.",
                permanent=False,
                effect_possible=writes,
                retry_after=0.0,
                advanced=writes and done > 0,
            ) from None
        except ProviderError as error:
            error.advanced = writes and done > 0 and not error.permanent
            raise

    def _abort_uploads(self, notes: Notes) -> None:
        """What was begun in parts and not finished holds space at the target, and shows in no listing of objects."""
        for key, open_ in uploads.under_way(self._target, self._want.prefix).items():
            if key in notes.was:
                for upload in begun_by_us(self._ledger, key, open_, notes.others):
                    uploads.abort(self._target, key, upload)

    def _locked(self, kept: Kept) -> ProviderError:
        return ProviderError(
            f"{self._target.where}: {len(kept.keys)} objects are locked by {kept.reason} and stay "
            f"({_named(kept.keys)}); everything else was taken back. "
            "Run the undo again when the lock has ended, or leave them.",
            permanent=True,
            effect_possible=True,
        )


def _named(keys: list[str]) -> str:
    return ", ".join(keys[:NAMED]) + (f" and {len(keys) - NAMED} more" if len(keys) > NAMED else "")
