"""The estate as people read it: its files at a commit, what differs between two, and what its objectives were."""

import datetime
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.domain.bundle import read_bundle
from orchestrator.domain.charter import changes, charter_of
from orchestrator.domain.estate import FILE, read_estate_sheet
from orchestrator.domain.estate_changes import Meaning, is_runbook, meaning
from orchestrator.domain.problem import Problem
from orchestrator.estate_git import DIFFERENCE_TIMEOUT, Difference, EstateGitError, EstateMirror
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import NotFound
from orchestrator.operations.trust import SHORT
from orchestrator.store import estates
from orchestrator.store.database import Database
from orchestrator.store.estates import Accepted

MOST_TEXT = 512 * 1024
"""Bytes of a file that are shown."""
MOST_DIFFERENCES = 40
"""Files of which it is shown what differs; further ones are named."""
TIME_FOR_ALL = 10.0
"""Seconds for all differences together."""


@dataclass(frozen=True, slots=True)
class FileText:
    """`binary`: it is no text, and none is shown. `size`: bytes of the whole file; `cut`: there is more than shown."""

    path: str
    text: str
    size: int
    cut: bool
    binary: bool


@dataclass(frozen=True, slots=True)
class FileChange:
    """`difference` is None where it is not shown: too many files differ, or it took too long."""

    path: str
    before: bool
    after: bool
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`charter`: what of it two people sign, as dotted paths and names of files."""

    files: tuple[FileChange, ...]
    meaning: Meaning
    charter: tuple[str, ...]


class EstateReading:
    """Reads commits that are in the mirror; what was read of one never changes, so some of it is kept in memory."""

    def __init__(self, database: Database, mirror: EstateMirror, estates: Estates, clock: Callable[[], float]) -> None:
        self._database = database
        self._mirror = mirror
        self._estates = estates
        self._clock = clock
        self._objectives = functools.lru_cache(maxsize=500)(self._read_objectives)
        self._judged = functools.lru_cache(maxsize=4)(self._judge)

    def history(self, limit: int, before: int | None = None) -> list[Accepted]:
        """How commits were accepted, the newest first."""
        with self._database.read() as conn:
            return estates.history(conn, limit, before)

    def problems(self, commit: str) -> list[Problem]:
        """What is wrong with a commit today, by what Bascule knows now. Raises NotFound."""
        today = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC).date()
        return self._judged(commit, today)

    def paths(self, commit: str) -> list[str]:
        """Of all files at a commit, in alphabetical order. Raises NotFound."""
        return sorted(self._entries(commit))

    def file(self, commit: str, path: str) -> FileText:
        """Raises NotFound."""
        if path not in self._entries(commit):
            raise NotFound(f"There is no file {path} at the commit {commit[:SHORT]}.")
        content = self._mirror.content(commit, path) or b""
        binary = b"\0" in content[:8192]
        shown = b"" if binary else content[:MOST_TEXT]
        return FileText(path, shown.decode("utf-8", "replace"), len(content), len(content) > MOST_TEXT, binary)

    def compare(self, before: str, after: str) -> Comparison:
        """What differs between two commits, in bounded time. Raises NotFound."""
        old, new = self._entries(before), self._entries(after)
        moved = self._mirror.moved(before, after)
        told = [path for path in moved if path == FILE or is_runbook(path)]
        contents = [
            {path: self._content(commit, path) for path in told if path in entries}
            for commit, entries in ((before, old), (after, new))
        ]
        charters = [
            charter_of(self._mirror.content(commit, FILE), entries) for commit, entries in ((before, old), (after, new))
        ]
        return Comparison(tuple(self._differences(moved)), meaning(*contents), tuple(changes(*charters)))

    def objectives(self, commit: str) -> Mapping[str, float]:
        """Service -> the longest it may be away, in seconds, as that commit says; empty where it is not here."""
        try:
            return self._objectives(commit)
        except EstateGitError:
            return {}

    def _differences(self, moved: Mapping[str, tuple[str | None, str | None]]) -> list[FileChange]:
        ends = time.monotonic() + TIME_FOR_ALL
        found = []
        for number, (path, (old, new)) in enumerate(moved.items()):
            left = ends - time.monotonic()
            shown = number < MOST_DIFFERENCES and left > 0
            difference = self._mirror.difference(old, new, min(left, DIFFERENCE_TIMEOUT)) if shown else None
            found.append(FileChange(path, old is not None, new is not None, difference))
        return found

    def _content(self, commit: str, path: str) -> bytes:
        return self._mirror.content(commit, path) or b""

    def _entries(self, commit: str) -> dict[str, str]:
        try:
            return self._mirror.entries(commit)
        except EstateGitError as error:
            raise NotFound(f"The estate's commit {commit[:SHORT]} can't be read here: {error}") from error

    def _judge(self, commit: str, today: datetime.date) -> list[Problem]:
        self._entries(commit)
        return read_bundle(self._mirror.files(commit), self._estates.shipped, judged=True, today=today)[1]

    def _read_objectives(self, commit: str) -> Mapping[str, float]:
        sheet, _ = read_estate_sheet(self._mirror.content(commit, FILE) or b"", FILE)
        services = sheet.estate.services if sheet is not None else {}
        return {name: service.rto for name, service in services.items() if service.rto is not None}
