"""`storage.verify`: every object of the source is at the target with the same content. Changes nothing."""

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.storage.difference import Difference, difference, entries
from providers.storage.store import Bucket
from providers.vendor_http import Deadline, provider_errors
from providers.wants import Verify


class StorageVerify:
    """Compares two buckets by checksums."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def observe(self, want: Verify, tag: Tag, before: JsonMap | None) -> Finding:
        left = self._compare(want)
        if left.lacking:
            return Finding(Presence.ABSENT, left.values, message=_lacking(left, want))
        outputs = {name: left.outputs[name] for name in ("objects", "bytes")}
        message = f"All {len(left.same)} objects of {want.source.bucket} are at {want.target.bucket}."
        return Finding(Presence.ALREADY, left.values, outputs, message=message)

    def apply(self, want: Verify, tag: Tag, before: JsonMap, report: Report) -> Finding:
        report(f"Comparing {want.source.bucket} at {want.source.store} with {want.target.bucket}")
        found = self.observe(want, tag, before)
        if found.presence is not Presence.ALREADY:
            raise ProviderError(found.message, permanent=False)
        return found

    def undo(self, want: Verify, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        return Finding(Presence.ABSENT, message="A comparison changes nothing.")

    def _compare(self, want: Verify) -> Difference:
        deadline = Deadline(self._context.deadline)
        source = Bucket(self._context, want.source.store, want.source.bucket, deadline)
        target = Bucket(self._context, want.target.store, want.target.bucket, deadline)
        with provider_errors(source.connection, source.where):
            wanted = entries(source, want.prefix)
        with provider_errors(target.connection, target.where):
            there = entries(target, want.prefix) if target.exists() else {}
            return difference(source, wanted, target, there)


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
