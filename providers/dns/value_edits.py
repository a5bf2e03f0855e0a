"""One record set changed value by value, for hosts where every value is a record of its own.

The order is fixed by the values alone, so the states on the way are known: a set
that is found in one of them was begun by us, and going on from there walks the
rest of the same way. No state is empty unless the set begins or ends so.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from providers.dns.record_sets import RecordSet


@dataclass(frozen=True, slots=True, order=True)
class Value:
    """One value with its TTL in seconds."""

    text: str
    ttl: int


@dataclass(frozen=True, slots=True)
class Edit:
    """One write: a value put in another's place, added (`old` is None) or removed (`new` is None)."""

    old: Value | None
    new: Value | None

    def carry_out(self, held: list[Value]) -> None:
        """As the write does, on what is held."""
        if self.old is not None:
            held.remove(self.old)
        if self.new is not None:
            held.append(self.new)


def edits(held: Iterable[Value], wanted: RecordSet, *, in_place: bool) -> tuple[Edit, ...]:
    """What leads from the values held to exactly the wanted ones, in order; empty when they are there.

    `in_place`: a value may take another's place. Otherwise new ones come before old ones go, and TTLs change in place.

    A server gives out the lowest TTL of a set. So with `in_place` the order is one in which no state on the way looks
    like either end: of the values whose TTL alone changes, all but one go and come back.
    """
    present = sorted(held)
    missing = values_of(wanted)
    for value in list(missing):
        if value in present:
            present.remove(value)
            missing.remove(value)
    renewed: list[Edit] = []
    for value in list(missing):
        same = next((one for one in present if one.text == value.text), None)
        if same is not None:
            renewed.append(Edit(same, value))
            present.remove(same)
            missing.remove(value)
    if not in_place:
        return (*renewed, *(Edit(None, new) for new in missing), *(Edit(old, None) for old in present))
    kept, apart = renewed[:1], renewed[1:]
    # What goes and comes back is lacking like any other value, so that it is once it has gone.
    missing = sorted([*missing, *(edit.new for edit in apart if edit.new is not None)])
    paired = min(len(present), len(missing))
    lowers = any(edit.old is not None and edit.new is not None and edit.old.ttl > edit.new.ttl for edit in kept)
    return (
        *(Edit(edit.old, None) for edit in apart),
        *(kept if lowers else ()),
        *(Edit(old, new) for old, new in zip(present[:paired], missing[:paired], strict=True)),
        *(Edit(old, None) for old in present[paired:]),
        *(() if lowers else kept),
        *(Edit(None, new) for new in missing[paired:]),
    )


def values_of(one: RecordSet) -> list[Value]:
    """The set's values, sorted."""
    return [] if one.ttl is None else [Value(text, one.ttl) for text in sorted(one.values)]


def record_set(like: RecordSet, values: Iterable[Value]) -> RecordSet:
    """The values as a record set of the same key; of several TTLs a server gives out the lowest."""
    held = list(values)
    if not held:
        return RecordSet(*like.key)
    return RecordSet(*like.key, min(one.ttl for one in held), tuple(sorted({one.text for one in held})))


def states(start: RecordSet, end: RecordSet, *, in_place: bool) -> list[RecordSet]:
    """Every state on the way from one to the other, both included."""
    held = values_of(start)
    passed = [start]
    for edit in edits(held, end, in_place=in_place):
        edit.carry_out(held)
        passed.append(record_set(start, held))
    return passed
