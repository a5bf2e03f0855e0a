"""The audit, verified beside the running service and told to whoever looks: how far it is, and what was found.

It is `bascule audit verify` of this installation: the same examination, of the same checkpoints, by the same key. Each
is an entry of the administration's chain itself, so that it is known when the audit was last looked at and by whom.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.domain.audit.checkpoint import Flaw, Head, NoCheckpoint, Signed
from orchestrator.domain.audit.examination import Finding, Stored
from orchestrator.operations.audit_check import Found, Verified, verify
from orchestrator.operations.request import RequestError
from orchestrator.store import administration, audit, identities
from orchestrator.store.audit_key import public_key
from orchestrator.store.audit_reading import Chains, NotReadable, Source, export_lines, open_database
from orchestrator.store.checkpoints import read_files
from orchestrator.store.database import Database

log = logging.getLogger("bascule.audit")

KIND = "audit.verified"
MOST_SHOWN = 50
"""Of each kind of finding that is kept; the command line tells them all."""
TURN = 500
"""Entries between two moments that are left to everything else."""
GIVES_WAY = 0.001
"""Seconds of such a moment: runs go before their examination."""
STOPS_WITHIN = 10.0
CHUNK = 64 * 1024
"""Bytes of an export that are sent together, about."""


class ExportUnderWay(RequestError):
    """There is one export at a time."""

    code = "busy"


@dataclass(frozen=True, slots=True)
class UnderWay:
    """`total`: entries that the database's rows tell of; the last checkpoints come after them."""

    by: str
    since: float
    read: int
    total: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `found`: all findings; `findings` are the first. `failure`: why it could not be verified at all.

    `details` is false for one that was made by another process, or before this one started: then there are none.
    """

    by: str
    at: float
    seconds: float = 0.0
    whole: bool = False
    chains: int = 0
    entries: int = 0
    checkpoints: int = 0
    newest: tuple[int, float] | None = None
    found: int = 0
    findings: tuple[Finding, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    broken_off: str = ""
    first_key: str = ""
    failure: str = ""
    details: bool = True


class AuditVerification:
    """One examination at a time, in a thread of its own. `folder`: the installation's key and checkpoints."""

    def __init__(self, database: Database, folder: Path, clock: Callable[[], float]) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._exporting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._watched: _Watched | None = None
        self._asked: tuple[str, float] = ("", 0.0)
        self._last: Report | None = None

    def start(self, by: str) -> bool:
        """Begin, unless one is under way already: then it is that one."""
        with self._lock:
            if self._is_busy() or self._stopping.is_set():
                return False
            self._asked = (by, self._clock())
            self._watched = None
            self._thread = threading.Thread(target=self._work, args=self._asked, name="audit-verify", daemon=True)
            self._thread.start()
            return True

    def stop(self) -> None:
        self._stopping.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout=STOPS_WITHIN)

    def under_way(self) -> UnderWay | None:
        with self._lock:
            if not self._is_busy():
                return None
            watched, (by, since) = self._watched, self._asked
        return UnderWay(by, since, watched.read if watched else 0, watched.total if watched else 0)

    def last(self) -> Report | None:
        """What was found the last time, by this process or by any."""
        with self._database.read() as conn:
            row = administration.newest(conn, KIND)
            known = identities.names(conn) if row is not None else {}
        if self._last is not None and (row is None or row.at <= self._last.at):
            return self._last
        if row is None:
            return None
        return _remembered(known.get(row.actor, row.actor), row.at, row.data)

    def export(self) -> Iterator[bytes]:
        """All chains as JSON Lines, in pieces. Raises ExportUnderWay, NotReadable; Unreadable in the middle."""
        if not self._exporting.acquire(blocking=False):
            raise ExportUnderWay("An export is under way already: take it when that one has ended.")
        try:
            with open_database(self._database.url) as source:
                yield from _pieces(export_lines(source, self._clock()))
        finally:
            self._exporting.release()

    def _is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _work(self, by: str, _since: float) -> None:
        try:
            report = self._verify(by)
        except _Stopped:
            return
        except (NotReadable, OSError) as error:
            report = Report(by, self._clock(), failure=str(error))
        except Exception as error:
            log.exception("the audit could not be verified")
            report = Report(by, self._clock(), failure=f"{type(error).__name__}; the service's log has the details.")
        if not (report.whole or report.failure):
            log.error("the audit is not whole: run `bascule audit verify`")
        self._last = report
        with self._database.write() as conn:
            audit.record(conn, KIND, by, _summary(report), report.at)

    def _verify(self, by: str) -> Report:
        given = list(_checkpoints(self._folder / "checkpoints"))
        key = public_key(self._folder)
        with open_database(self._database.url) as source:
            self._watched = watched = _Watched(source, self._stopping)
            found = verify(watched, given, frozenset({key} if key else ()))
        return _report(found, by, self._clock())


class _Stopped(Exception):
    """The service ends before the examination does."""


class _Watched:
    """A source that counts what is read of it, and now and then lets everything else go first."""

    def __init__(self, source: Source, stopping: threading.Event) -> None:
        self._source = source
        self._stopping = stopping
        self.read = 0
        self.total = sum(head.length for head in source.heads().values())

    def heads(self) -> Mapping[str, Head]:
        return self._source.heads()

    def checkpoints(self) -> Iterator[tuple[str, Signed | NoCheckpoint]]:
        return self._source.checkpoints()

    def chains(self) -> Chains:
        for chain, entries in self._source.chains():
            yield chain, self._counted(entries)

    def _counted(self, entries: Iterator[Stored]) -> Iterator[Stored]:
        for entry in entries:
            self.read += 1
            if self.read % TURN == 0 and self._stopping.wait(GIVES_WAY):
                raise _Stopped
            yield entry


def _checkpoints(folder: Path) -> Iterator[Found]:
    """Raises OSError."""
    if folder.is_dir():
        yield from read_files(folder)


def _report(found: Verified, by: str, at: float) -> Report:
    genuine = found.witnessed.genuine
    return Report(
        by=by,
        at=at,
        seconds=found.seconds,
        whole=found.whole,
        chains=found.chains,
        entries=found.entries,
        checkpoints=len(genuine),
        newest=(genuine[-1].number, genuine[-1].at) if genuine else None,
        found=sum(one.found for one in found.faulty),
        findings=tuple(found.findings)[:MOST_SHOWN],
        flaws=found.flaws[:MOST_SHOWN],
        unread=tuple(found.unread[:MOST_SHOWN]),
        broken_off=found.broken_off,
        first_key=found.first_key,
    )


_KEPT = ("seconds", "whole", "chains", "entries", "checkpoints", "found", "failure")


def _summary(report: Report) -> dict[str, Any]:
    said = {name: getattr(report, name) for name in _KEPT}
    return {**said, "flaws": len(report.flaws) + len(report.unread), "broken_off": report.broken_off}


def _remembered(by: str, at: float, data: Mapping[str, Any]) -> Report:
    said = {name: data[name] for name in (*_KEPT, "broken_off") if name in data}
    return Report(by, at, **said, details=False)


def _pieces(lines: Iterator[str]) -> Iterator[bytes]:
    piece = bytearray()
    for line in lines:
        piece += line.encode("utf-8", "backslashreplace") + b"\n"
        if len(piece) >= CHUNK:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
