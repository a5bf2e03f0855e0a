"""A swap as octoDNS's plan, and what a DNS host holds as record sets.

The wanted zone is the present one with only the swap's record sets replaced, and
the plan keeps only changes of those: nothing else can be deleted by it. octoDNS's
safety thresholds are set to what the swap itself may change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from octodns.provider.plan import Plan
from octodns.record import Record, Rrset
from octodns.record.change import Change, Create, Delete, Update
from octodns.zone import Zone

from providers.dns.record_sets import Key, RecordSet, RecordSets, canonical_values, owner
from providers.dns.swap import Swap

APEX_NS: Key = ("@", "NS")

# Left to itself octoDNS enables these at the first record, which in several threads are several: one then empties the
# table that another walks.
Record.enable_validators({"legacy"})


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """One value as the host's API tells it: `name` relative or `@`, `ttl` in seconds, `value` in zone-file form."""

    name: str
    type: str
    ttl: int
    value: str

    @property
    def key(self) -> Key:
        return self.name.lower() or "@", self.type


class ZoneApi(Protocol):
    """An octoDNS provider that also tells what the host holds, string bounds of a TXT included.

    It is made for one call and one zone, and reads the zone once: what `held` tells is what it plans from.
    """

    SUPPORTS_ROOT_NS: bool

    def held(self, zone: str) -> Iterable[HeldRecord]: ...

    def populate(self, zone: Zone, target: bool = ..., lenient: bool = ...) -> bool: ...

    def plan(self, desired: Zone, processors: Any = ..., lenient: bool = ...) -> Plan | None: ...

    def apply(self, plan: Plan) -> int: ...


def record_sets(records: Iterable[HeldRecord], keys: Iterable[Key], zone: str) -> RecordSets:
    """The record sets of these keys, in their order; of several TTLs in one set a server gives out the lowest."""
    found: dict[Key, list[HeldRecord]] = {key: [] for key in keys}
    for record in records:
        if record.key in found:
            found[record.key].append(record)
    return tuple(_record_set(key, held, zone) for key, held in found.items())


def _record_set(key: Key, held: list[HeldRecord], zone: str) -> RecordSet:
    if not held:
        return RecordSet(*key)
    values = canonical_values(key[1], (record.value for record in held), zone)
    return RecordSet(*key, min(record.ttl for record in held), values)


def planned(api: ZoneApi, swap: Swap, held: RecordSets) -> Plan | None:
    """octoDNS's plan of what is left of the swap, where `held` is there now; None when nothing is.

    Raises octoDNS's exceptions for what the host's provider can't hold, and for an unsafe plan.
    """
    desired = Zone(f"{swap.zone}.", [])
    api.populate(desired, lenient=True)
    for one in swap.wanted:
        _put(desired, one, swap.zone)
    if not api.SUPPORTS_ROOT_NS and desired.root_ns is not None:
        desired.remove_record(desired.root_ns)  # octoDNS then leaves the zone's own NS set out of the plan
    made = api.plan(desired, lenient=True)
    if made is None:
        existing = Zone(f"{swap.zone}.", [])
        api.populate(existing, target=True, lenient=True)
        made = Plan(existing, desired, [], True)
    there = {one.key: one for one in held}
    keys = [one.key for one in swap.wanted if one != there[one.key]]
    changes = _changes(made, keys)
    if not changes:
        return None
    share = len(keys) / max(len(made.existing.records), 1)
    ours = Plan(made.existing, made.desired, changes, True, share, share)
    if APEX_NS not in keys:  # octoDNS vetoes any change of the zone's own NS set; here the step names it
        ours.raise_if_unsafe()
    ours.changes = _in_safe_order(ours.changes)
    return ours


def whole(swap: Swap) -> Plan:
    """octoDNS's plan of a swap at a host that changes all of it or nothing, once it holds what is expected.

    Of the zone octoDNS then sees nothing but the swap's record sets, so it can change nothing else.
    """
    existing, desired = Zone(f"{swap.zone}.", []), Zone(f"{swap.zone}.", [])
    changes: list[Change] = []
    for old, new in zip(swap.expected, swap.wanted, strict=True):
        before, after = _put(existing, old, swap.zone), _put(desired, new, swap.zone)
        changes.append(Create(after) if before is None else Delete(before) if after is None else Update(before, after))
    return Plan(existing, desired, changes, True, 1.0, 1.0)


def _changes(made: Plan, keys: Iterable[Key]) -> list[Change]:
    """The changes of these keys: octoDNS's own, and those that it does not see (it joins the strings of a TXT).

    What others changed elsewhere in the zone between two readings is theirs and stays.
    """
    seen: Mapping[Key, Change] = {key_of(change.record): change for change in made.changes}
    before = {key_of(record): record for record in made.existing.records}
    after = {key_of(record): record for record in made.desired.records}
    found = []
    for key in keys:
        if key in seen:
            found.append(seen[key])
        elif key in before and key in after:
            found.append(Update(before[key], after[key]))
    return found


def key_of(record: Record) -> Key:
    """The key of an octoDNS record."""
    return record.name or "@", record._type


def _in_safe_order(changes: Iterable[Change]) -> list[Change]:
    """For hosts that change one record set after the other: what is new first, what goes away last.

    Where something must make room for something else (a CNAME stands alone), the two follow each other.
    """
    creates = sorted((c for c in changes if isinstance(c, Create)), key=_name)
    deletes = sorted((c for c in changes if isinstance(c, Delete)), key=_name)
    updates = sorted((c for c in changes if not isinstance(c, Create | Delete)), key=_name)
    making_room = {_name(c) for c in deletes} & {_name(c) for c in creates}
    rooms = sorted(
        (c for c in [*deletes, *creates] if _name(c) in making_room), key=lambda c: (_name(c), isinstance(c, Create))
    )
    first = [c for c in creates if _name(c) not in making_room]
    last = [c for c in deletes if _name(c) not in making_room]
    return [*first, *updates, *rooms, *last]


def _name(change: Change) -> str:
    name: str = change.record.name
    return name


def _put(zone: Zone, one: RecordSet, zone_name: str) -> Record | None:
    """Make the record set in octoDNS's zone what it shall be; None when that is absent."""
    name = "" if one.name == "@" else one.name
    if not one.values:
        for record in [r for r in zone.records if (r.name, r._type) == (name, one.type)]:
            zone.remove_record(record)
        return None
    made = _record(zone, name, one, zone_name)
    zone.add_record(made, replace=True, lenient=True)
    return made


def _record(zone: Zone, name: str, one: RecordSet, zone_name: str) -> Record:
    if one.type != "TXT":
        fqdn = owner(one.name, zone_name).to_text()
        (record,) = Record.from_rrsets(zone, [Rrset(fqdn, one.type, one.ttl, one.values)], lenient=True)
        return record
    # octoDNS joins the strings of a TXT. Set past its parser, each value is what stands between
    # the outer quotes of its zone-file form, so that each string keeps its own bounds.
    inner = [value[1:-1].replace(";", "\\;") for value in one.values]
    record = Record.new(zone, name, {"type": "TXT", "ttl": one.ttl, "values": inner}, lenient=True)
    record.values = inner
    return record


def texts_of(record: Record) -> list[str]:
    """The zone-file forms of a TXT that `planned` put into a plan."""
    return [f'"{inner}"'.replace("\\;", ";") for inner in record.values]


def set_of(record: Record, zone: str) -> RecordSet:
    """A record that `planned` put into a plan, as the record set it stands for."""
    texts = texts_of(record) if record._type == "TXT" else record.to_rrset().rdatas
    return RecordSet(*key_of(record), record.ttl, canonical_values(record._type, texts, zone))
