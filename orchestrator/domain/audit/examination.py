"""A chain held against itself, against what its row says of it, and against marks that others kept.

An entry is judged by the hash that is written beside the one before it, so each change is found where it was made and
does not spoil what follows. Whoever rewrites every hash from some entry on makes a chain that agrees with itself: that
is a fork, and only a mark shows it. A mark says what a chain's hash was at a length: a signed checkpoint does, and an
entry of another chain may.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from orchestrator.domain.audit.chain import NotCanonical, entry_text, genesis, link, recanonical

MOST_FINDINGS = 100
"""Kept of one chain; more are counted."""
COMPARED = 16
"""Broken entries among which moved ones are looked for."""


class Fault(StrEnum):
    EDITED = "edited"
    """The entry is not what its hash says, or its hash does not follow from the one before."""
    MISSING = "missing"
    """Entries before this one are not there."""
    REORDERED = "reordered"
    """The entry is genuine and stands in another's place."""
    CUT = "cut"
    """Entries at the end are not there any more."""
    FORKED = "forked"
    """The chain agrees with itself, and is another than the one that was seen."""
    HEAD = "head"
    """The chain ends otherwise than its row says."""
    LOST = "lost"
    """The whole chain is gone."""
    UNREADABLE = "unreadable"
    """The database can't say what stands there."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A chain had this hash at this length. `by`: who says so; `at`: since when, UTC seconds."""

    length: int
    head: str
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a chain at an entry. `at`: the entry's own time, as it stands there now, or the mark's."""

    chain: str
    fault: Fault
    seq: int
    at: float | None
    message: str


class Stored(NamedTuple):
    """An entry as it is stored: anything may be in it. `data` is JSON text in any spelling."""

    seq: Any
    at: Any
    kind: Any
    actor: Any
    step: Any
    attempt: Any
    data: Any
    hash: Any


@dataclass(slots=True)
class Examined:
    """A chain after its examination. `bytes`: what was hashed of its entries; `found`: all, also those not kept."""

    chain: str
    entries: int = 0
    bytes: int = 0
    head: str = ""
    last_at: float | None = None
    marks: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return not self.found

    def add(self, fault: Fault, seq: int, at: float | None, message: str) -> None:
        self.found += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(self.chain, fault, seq, at, message))


def examine(
    chain: str, entries: Iterable[Stored], length: int | None, head: str | None, marks: Sequence[Mark] = ()
) -> Examined:
    """Read a chain once, in ascending order of `seq`. `length` and `head`: what its row says; None: there is no row.

    Memory does not grow with the chain.
    """
    found = Examined(chain)
    look = _Look(found, sorted(marks, key=lambda mark: mark.length))
    for entry in entries:
        look.take(entry)
    look.end(length, head)
    return found


class _Look:
    """One reading of one chain."""

    def __init__(self, found: Examined, marks: list[Mark]) -> None:
        self._found = found
        self._marks = marks
        self._next_mark = 0
        self._agreed: Mark | None = None
        self._forked = False
        self._seq = 0
        self._hash = genesis(found.chain)
        self._broken: list[tuple[Stored, str]] = []
        """Entries whose hash does not fit, and the hash that stands before each."""
        self._found.head = self._hash
        self._compare()

    def take(self, entry: Stored) -> None:
        seq, at = entry.seq, entry.at
        if not isinstance(seq, int):
            self._edited(entry._replace(seq=self._seq + 1))
            return
        follows = seq == self._seq + 1
        if not follows:
            self._gap(entry)
        text = _text_of(entry)
        if text is None:
            self._break(entry)
        elif follows and link(self._hash, text) != entry.hash:
            text = _respelled(entry)
            if text is None or link(self._hash, text) != entry.hash:
                self._break(entry)
        found = self._found
        found.entries += 1
        found.bytes += _size(text or "")
        found.last_at = at if isinstance(at, float) else None
        if follows or seq > self._seq:
            self._seq = seq
        found.head = self._hash = str(entry.hash)
        if self._next_mark < len(self._marks):
            self._compare()

    def end(self, length: int | None, head: str | None) -> None:
        self._settle_broken()
        longest = self._marks[-1] if self._marks else None
        if longest is not None and longest.length > self._seq:
            self._cut(longest)
        if length is None and self._seq:
            self._end_differs(Fault.HEAD, self._seq, "There are entries, and no row that says how the chain ends.")
        elif length is not None and length != self._seq:
            fault, seq = (Fault.CUT, self._seq) if length > self._seq else (Fault.HEAD, length + 1)
            self._end_differs(fault, seq, f"The chain's row says {length} entries; the last one here is {self._seq}.")
        elif length is not None and (head or genesis(self._found.chain)) != self._hash:
            self._end_differs(Fault.HEAD, self._seq, "The chain's row tells another hash of its end.")

    def _cut(self, mark: Mark) -> None:
        if self._seq:
            self._found.add(
                Fault.CUT, self._seq, mark.at, f"It ends with entry {self._seq}; {mark.by} saw {mark.length}."
            )
        else:
            self._found.add(Fault.LOST, 0, mark.at, f"The whole chain is gone; {mark.by} saw {mark.length} of it.")

    def _end_differs(self, fault: Fault, seq: int, message: str) -> None:
        self._found.add(fault, seq, self._found.last_at, message)

    def _gap(self, entry: Stored) -> None:
        if entry.seq <= self._seq:
            self._found.add(Fault.EDITED, entry.seq, _time(entry), "There is more than one entry of this number.")
            return
        first, last = self._seq + 1, entry.seq - 1
        which = f"Entry {first} is" if first == last else f"Entries {first} to {last} are"
        self._found.add(Fault.MISSING, first, _time(entry), f"{which} not there.")

    def _break(self, entry: Stored) -> None:
        if len(self._broken) < COMPARED:
            self._broken.append((entry, self._hash))
        else:
            self._edited(entry)

    def _edited(self, entry: Stored) -> None:
        self._found.add(
            Fault.EDITED,
            entry.seq,
            _time(entry),
            "The entry is not what its hash says, or the one before it was rewritten.",
        )

    def _compare(self) -> None:
        """Marks of this length. Past the first that disagrees, no later one says anything new."""
        while self._next_mark < len(self._marks) and self._marks[self._next_mark].length <= self._seq:
            mark = self._marks[self._next_mark]
            self._next_mark += 1
            if mark.length < self._seq or self._forked:
                continue  # its entry is missing, which was found
            self._found.marks += 1
            if mark.head == self._hash:
                self._agreed = mark
                continue
            self._forked = True
            since = "its beginning" if self._agreed is None else f"entry {self._agreed.length} ({self._agreed.by})"
            message = f"{mark.by} saw another entry {mark.length}: something after {since} was rewritten."
            self._found.add(Fault.FORKED, mark.length, mark.at, message)

    def _settle_broken(self) -> None:
        """A broken entry whose text belongs to another broken place was moved."""
        hashes = {str(entry.hash) for entry, _ in self._broken}
        before = hashes | {previous for _, previous in self._broken}
        places = [entry.seq for entry, _ in self._broken]
        for entry, _ in self._broken:
            home = _home(entry, places, before, hashes)
            if home is None:
                self._edited(entry)
            else:
                message = f"This is entry {home}, moved here."
                self._found.add(Fault.REORDERED, entry.seq, _time(entry), message)


def _home(entry: Stored, places: Sequence[int], before: set[str], hashes: set[str]) -> int | None:
    """The other place that an entry comes from, if any."""
    for place in places:
        if place == entry.seq:
            continue
        text = _respelled(entry, place)
        if text is not None and any(link(previous, text) in hashes for previous in before):
            return place
    return None


def _text_of(entry: Stored) -> str | None:
    """The entry with its data as they are spelled; None where a column holds what none of ours does.

    Where this text gives the hash it is the canonical one, byte for byte.
    """
    seq, at, kind, actor, step, attempt, data, _ = entry
    right = (
        isinstance(at, float)
        and isinstance(kind, str)
        and isinstance(actor, str)
        and isinstance(attempt, int)
        and isinstance(data, str)
        and (step is None or isinstance(step, str))
    )
    return entry_text(seq, at, kind, actor, step, attempt, data) if right else None


def _respelled(entry: Stored, seq: int | None = None) -> str | None:
    """The entry with its data in canonical form, as if it had another number; None when they have none."""
    if _text_of(entry) is None:
        return None
    try:
        data = recanonical(entry.data)
    except NotCanonical:
        return None
    number = entry.seq if seq is None else seq
    return entry_text(number, entry.at, entry.kind, entry.actor, entry.step, entry.attempt, data)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _time(entry: Stored) -> float | None:
    return entry.at if isinstance(entry.at, float) else None
