"""Checkpoints of the audit: made now and then and at the end of every run, and given to witnesses from a queue.

Nothing waits for it: neither a run nor a person. What a witness does not take is tried again.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from orchestrator.domain.audit.checkpoint import Checkpoint, Head, NoCheckpoint, Signed, read
from orchestrator.domain.audit.policy import Audit, Witness
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import RequestError
from orchestrator.store import checkpoints, notices
from orchestrator.store.audit_key import NoKey, signing_key
from orchestrator.store.checkpoints import Due
from orchestrator.store.database import Connection, Database
from orchestrator.store.runs import Row
from providers.base import ProviderError
from providers.kept import Kept

log = logging.getLogger("bascule.audit")

LOOK_EVERY = 2.0
AFTER_NO_KEY = 300.0
"""Seconds until the key is looked for again."""
SEND_FOR = 60.0
"""Seconds that a witness may take; for twice as long a checkpoint is nobody else's to give."""
STOPS_WITHIN = 10.0
FIRST_WAIT, LONGEST_WAIT = 15.0, 1800.0
"""Seconds until a checkpoint is offered again: twice as long each time, up to the longest."""
TOLD_EVERY = 86400.0
"""Seconds between two messages to a channel while no run ends."""
DIRECTORY = "directory:"
_TITLE: Mapping[str, str] = {"fr": "Bascule, audit : point de contrôle", "en": "Bascule, audit: checkpoint"}


class Checkpoints:
    """`start` begins to make and give them, `stop` ends it.

    `folder`: the installation's own, with the key; `outside`: a directory that the service's operator named.
    """

    def __init__(
        self,
        database: Database,
        estates: Estates,
        workshop: EstateWorkshop,
        clock: Callable[[], float],
        folder: Path,
        outside: Path | None,
    ) -> None:
        self._database = database
        self._estates = estates
        self._workshop = workshop
        self._clock = clock
        self._folder = folder
        self._directories = [f"{DIRECTORY}{one}" for one in (folder / "checkpoints", outside) if one is not None]
        self._unchanged_at = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="audit", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOPS_WITHIN)

    def look(self) -> Checkpoint | None:
        """Make a checkpoint if one is due. Raises NoKey."""
        now = self._clock()
        policy = self._policy()
        with self._database.read() as conn:
            last = checkpoints.newest(conn)
            ended = last is not None and checkpoints.run_ended(conn, last.covered)
            waited = last is None or now - max(last.at, self._unchanged_at) >= policy.every
            if not ended and not waited:
                return None
            heads = checkpoints.heads(conn)
        known = _chains(last)
        if heads == known:
            self._unchanged_at = now
            return None
        _warn_of_loss(known, heads)
        return self._make(last, heads, now, policy, ended=ended)

    def give_next(self) -> bool:
        """Give one that is due to its witness; False when none is."""
        now = self._clock()
        with self._database.read() as conn:
            if not checkpoints.is_due(conn, now, self._directories):
                return False
        with self._database.write() as conn:
            due = checkpoints.claim(conn, now, 2 * SEND_FOR, self._directories)
        if due is None:
            return False
        try:
            told = self._give(due)
        except ProviderError as error:
            self._put_off(due, error.message)
        except (OSError, RequestError) as error:
            self._put_off(due, str(error))
        except Exception as error:
            log.exception("checkpoint %d could not be given to %s", due.number, due.witness)
            self._put_off(due, f"{type(error).__name__}; the service's log has the details.")
        else:
            with self._database.write() as conn:
                checkpoints.sent(conn, due.number, due.witness, told)
        return True

    def _keep_looking(self) -> None:
        over = False
        while not over:
            over = self._stopping.wait(LOOK_EVERY)  # once more at the end: what ended last is witnessed too
            try:
                self.look()
                while self.give_next() and not self._stopping.is_set():
                    pass
            except NoKey as error:
                log.error("no checkpoint of the audit can be made: %s", error)
                over = over or self._stopping.wait(AFTER_NO_KEY)
            except Exception:
                log.exception("the audit had no checkpoint once; the next look comes by itself")

    def _policy(self) -> Audit:
        try:
            return self._estates.bundle(self._estates.newest()).estate.policy.audit
        except RequestError:
            return Audit()

    def _make(
        self, last: Row | None, heads: Mapping[str, Head], now: float, policy: Audit, *, ended: bool
    ) -> Checkpoint | None:
        key = signing_key(self._folder)
        number, previous = (1, None) if last is None else (last.number + 1, last.digest)
        point = Checkpoint(number, float(now), previous, key.public, heads)
        signed = Signed(point, key.sign(point.text.encode()))
        places = [one.name for one in policy.witnesses if one.storage is not None]
        with self._database.write() as conn:
            if not checkpoints.keep(conn, signed, [*self._directories, *places]):
                return None
            self._tell(conn, point, [one for one in policy.witnesses if one.notify is not None], ended=ended)
        return point

    def _tell(self, conn: Connection, point: Checkpoint, channels: Sequence[Witness], *, ended: bool) -> None:
        told = notices.newest(conn, "checkpoint:")
        if not channels or (told is not None and not ended and point.at - told < TOLD_EVERY):
            return
        for one in channels:
            key = f"checkpoint:{point.number}:{one.scope}"
            commit = self._estates.newest()
            notices.add(conn, key, commit, one.scope, [one.notify or ""], _TITLE, _words(point), point.at)

    def _give(self, due: Due) -> str:
        """Raises ProviderError, OSError, RequestError."""
        signed = read(due.line)
        if due.witness.startswith(DIRECTORY):
            return f"Written to {checkpoints.write_file(Path(due.witness.removeprefix(DIRECTORY)), signed)}."
        commit = self._estates.newest()
        witnesses = self._estates.bundle(commit).estate.policy.audit.witnesses
        found = next((one for one in witnesses if one.name == due.witness), None)
        if found is None:
            raise ProviderError("The estate does not name this witness any more.", permanent=True)
        want = Kept(
            found.storage or "",
            found.bucket or "",
            f"{found.prefix}{checkpoints.file_name(signed.checkpoint)}",
            f"{signed.line}\n".encode(),
            signed.checkpoint.at + found.retain if found.retain else None,
            found.lock.upper(),
        )
        return self._workshop.keep_object(commit, found.scope, want, SEND_FOR)

    def _put_off(self, due: Due, why: str) -> None:
        """Tried again without end while the estate names the witness: a gap is noticed by nobody else."""
        log.warning("checkpoint %d was not taken by %s: %s", due.number, due.witness, why)
        gone = not due.witness.startswith(DIRECTORY) and due.witness not in {w.name for w in self._policy().witnesses}
        again = None if gone else self._clock() + min(FIRST_WAIT * 2 ** min(due.tries - 1, 20), LONGEST_WAIT)
        with self._database.write() as conn:
            checkpoints.failed(conn, due.number, due.witness, why, again)


def _chains(last: Row | None) -> Mapping[str, Head]:
    if last is None:
        return {}
    try:
        return read(last.line).checkpoint.chains
    except NoCheckpoint:
        return {}


def _warn_of_loss(known: Mapping[str, Head], now: Mapping[str, Head]) -> None:
    """The earliest word of a chain that was cut; who verifies sees it as well."""
    for chain, head in known.items():
        if chain not in now or now[chain].length < head.length:
            log.error(
                "the audit's chain %s is shorter than the last checkpoint saw it: run `bascule audit verify`", chain
            )


def _words(point: Checkpoint) -> Mapping[str, str]:
    entries = sum(one.length for one in point.chains.values())
    said = f"{point.number}:{point.digest}"
    return {
        "fr": (
            f"Point de contrôle {point.number} : {len(point.chains)} chaînes, {entries} entrées. Gardez ce message.\n"
            f"bascule audit verify --seen {said}"
        ),
        "en": (
            f"Checkpoint {point.number}: {len(point.chains)} chains, {entries} entries. Keep this message.\n"
            f"bascule audit verify --seen {said}"
        ),
    }
