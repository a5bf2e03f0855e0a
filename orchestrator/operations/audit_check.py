"""`audit verify`: every chain against itself, its row, signed checkpoints, and what other chains say of it."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.domain.audit.chain import ADMINISTRATION, plain, run_chain
from orchestrator.domain.audit.checkpoint import Flaw, Head, NoCheckpoint, Signed, Witnessed, witness
from orchestrator.domain.audit.examination import Examined, Finding, Mark, Stored, examine
from orchestrator.store.audit_key import is_genuine
from orchestrator.store.audit_reading import Source, Unreadable

_TELLS = frozenset({"run.created", "run.adopted", "run.finished"})
"""Entries of the administration's chain that say how long a run's chain was."""


@dataclass(slots=True)
class Verified:
    """What was found. `faulty`: chains with findings; `unread`: checkpoints that are none, with where they stand."""

    chains: int = 0
    entries: int = 0
    bytes: int = 0
    seconds: float = 0.0
    marks: int = 0
    faulty: list[Examined] = field(default_factory=list)
    heads: dict[str, Head] = field(default_factory=dict)
    witnessed: Witnessed = field(default_factory=lambda: Witnessed((), ()))
    unread: list[tuple[str, str]] = field(default_factory=list)
    broken_off: str = ""
    first_key: str = ""
    """The key that was believed because nobody named one."""

    @property
    def whole(self) -> bool:
        return not (self.faulty or self.witnessed.flaws or self.unread or self.broken_off)

    @property
    def findings(self) -> Iterator[Finding]:
        for one in self.faulty:
            yield from one.findings

    @property
    def flaws(self) -> tuple[Flaw, ...]:
        return self.witnessed.flaws


Found = tuple[str, Signed | NoCheckpoint]
"""A checkpoint, or why it is none, with where it stands."""


def verify(
    source: Source,
    given: Iterable[Found],
    trusted: frozenset[str],
    seen: Mapping[int, str] | None = None,
) -> Verified:
    """Read everything once. `given`: checkpoints beside the source's own, which must have been read before it was
    opened: a later one may know more than the source. `trusted`: public keys; without any, the first checkpoint's.
    """
    began = time.perf_counter()
    found = Verified()
    signed = [one for one in (*given, *source.checkpoints()) if _is_signed(one, found)]
    points = [point for _, point in signed if isinstance(point, Signed)]
    if not trusted and points:
        found.first_key = min(points, key=lambda one: one.checkpoint.number).checkpoint.key
        trusted = frozenset({found.first_key})
    found.witnessed = witness(points, is_genuine, trusted, seen)
    _Reading(source, found).read()
    found.seconds = time.perf_counter() - began
    return found


def _is_signed(one: Found, found: Verified) -> bool:
    where, point = one
    if isinstance(point, NoCheckpoint):
        found.unread.append((where, str(point)))
        return False
    return True


class _Reading:
    """One pass over all chains; the administration's comes first, and its words are marks for the others."""

    def __init__(self, source: Source, found: Verified) -> None:
        self._source = source
        self._found = found
        self._heads = source.heads()
        self._marks = found.witnessed.marks()

    def read(self) -> None:
        seen: set[str] = set()
        try:
            for chain, entries in self._source.chains():
                seen.add(chain)
                self._examine(chain, self._listened(entries) if chain == ADMINISTRATION else entries)
        except Unreadable as error:
            self._found.broken_off = str(error)
            return
        for chain in sorted({*self._heads, *self._marks} - seen):
            self._examine(chain, ())

    def _examine(self, chain: str, entries: Iterable[Stored]) -> None:
        said = self._heads.get(chain)
        marks = self._marks.pop(chain, [])
        length, head = (None, None) if said is None else (said.length, said.head)
        one = examine(chain, entries, length, head, marks)
        self._found.chains += 1
        self._found.entries += one.entries
        self._found.bytes += one.bytes
        self._found.marks += one.marks
        self._found.heads[chain] = Head(one.entries, one.head)
        if not one.whole:
            self._found.faulty.append(one)

    def _listened(self, entries: Iterable[Stored]) -> Iterator[Stored]:
        for entry in entries:
            if entry.kind in _TELLS:
                self._mark(entry)
            yield entry

    def _mark(self, entry: Stored) -> None:
        """An entry that was made unreadable is a finding of its own chain."""
        try:
            said = plain(entry.data)
            mark = Mark(
                int(said["length"]), str(said["head"]), f"entry {entry.seq} of {ADMINISTRATION}", float(entry.at)
            )
            self._marks.setdefault(run_chain(str(said["run"])), []).append(mark)
        except (ValueError, KeyError, TypeError, RecursionError):
            return
