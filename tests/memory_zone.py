"""A zone in memory behind the real `dns.records` and `dns.ttl`: only reading and the message itself are not DNS."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from providers.base import Context, Finding, JsonMap, Presence, Provider, Secret, Tag
from providers.dns.deadline import Deadline
from providers.dns.endpoint import Endpoint
from providers.dns.record_sets import Key, RecordSet, RecordSets, rivals
from providers.dns.swap import Swap, Written
from providers.dns.swap_records import SwapRecords
from providers.dns.ttl import TtlChange
from providers.dns.view import View
from providers.wants import Records, Ttl

TAG = Tag("run-1", "step-1")


@dataclass
class MemoryZone:
    """Record sets by key, and the time that `dns.ttl` waits by."""

    sets: dict[Key, RecordSet]
    now: float = 1_000_000.0

    def held(self, keys: Iterable[Key]) -> RecordSets:
        return tuple(self.sets.get(key, RecordSet(*key)) for key in keys)

    def put(self, wanted: RecordSets) -> None:
        for one in wanted:
            self.sets.pop(one.key, None)
            if one.values:
                self.sets[one.key] = one

    def is_legal(self) -> bool:
        """A CNAME stands alone (RFC 1034 §3.6.2), and no record set is without values."""
        aliases = {name for name, kind in self.sets if kind == "CNAME"}
        others = {name for name, kind in self.sets if kind != "CNAME"}
        return not aliases & others and all(one.values and one.ttl for one in self.sets.values())


class MemoryRecords(SwapRecords):
    def __init__(self, context: Context, zone: MemoryZone) -> None:
        super().__init__(context)
        self._zone = zone

    def _view(self, zone: str, of: RecordSets, deadline: Deadline, *, at_origin: bool = False) -> View:
        del deadline, at_origin
        return View(zone, ((Endpoint("127.0.0.1", 53), self._zone.held(one.key for one in of)),))

    def _obstacle(self, zone: str, wanted: RecordSets, current: RecordSets, deadline: Deadline) -> str:
        del deadline
        there = [one for one in self._zone.held(rivals(wanted, current)) if one.values]
        return f"In {zone} {there[0].name} {there[0].type} is in the way." if there else ""

    def _write(self, swap: Swap, deadline: Deadline) -> Written:
        del deadline
        if self._zone.held(one.key for one in swap.expected) != swap.expected:
            return Written.STALE
        self._zone.put(swap.wanted)
        return Written.DONE


@dataclass
class Done:
    """A step that was done: what undo needs."""

    want: Records | Ttl
    effect: JsonMap
    keys: frozenset[Key] = field(default_factory=frozenset)


class MemoryRun:
    """Does steps as the engine does: looks, applies from what it saw, and waits by the zone's own clock."""

    def __init__(self, zone: MemoryZone, workspace: Path) -> None:
        self.zone = zone
        self._context = Context({}, lambda _: Secret(""), workspace, workspace, 600_000.0, lambda: zone.now)
        self._steps = 0

    def provider(self, want: Records | Ttl) -> Provider[Any]:
        if isinstance(want, Records):
            return MemoryRecords(self._context, self.zone)
        return TtlChange(self._context, lambda context: MemoryRecords(context, self.zone))

    def look(self, want: Records | Ttl) -> Finding:
        return self.provider(want).observe(want, TAG, None)

    def do(self, want: Records | Ttl, before: JsonMap | None = None) -> Done:
        """Raises ProviderError when the step can't be done."""
        seen = self.look(want).values if before is None else before
        found = self.provider(want).apply(want, TAG, seen, _quiet)
        while found.presence is Presence.PENDING:
            self.zone.now += found.again_after
            found = self.provider(want).observe(want, TAG, seen)
        assert found.presence in (Presence.OURS, Presence.ALREADY), found.message
        again = self.provider(want).observe(want, TAG, seen)
        assert (again.presence, again.effect) == (found.presence, found.effect)
        return Done(want, found.effect, _keys(found.effect))

    def take_back(self, done: Done) -> Finding:
        return self.provider(done.want).undo(done.want, TAG, done.effect, _quiet)


def _keys(effect: JsonMap) -> frozenset[Key]:
    records: Sequence[JsonMap] = effect.get("after", ())
    return frozenset((one["name"], one["type"]) for one in records)


def _quiet(_: str) -> None:
    """A report that nobody reads."""
