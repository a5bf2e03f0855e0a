"""Messages to people, sent from a queue: again after a while when a channel does not take one, never silently lost."""

import hashlib
import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace

from orchestrator.engine.spec import ActionSpec
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import RequestError
from orchestrator.store import notices
from orchestrator.store.database import Database
from orchestrator.store.runs import Row
from providers.base import ProviderError, Tag

log = logging.getLogger("bascule.notices")

LOOK_EVERY = 2.0
SEND_FOR = 60.0
"""Seconds that one message may take; for twice as long it is nobody else's."""
STOPS_WITHIN = 10.0
FIRST_WAIT, LONGEST_WAIT = 15.0, 1800.0
"""Seconds until a message is tried again: twice as long each time, up to the longest."""
MOST_TRIES = 60
"""Over a day."""
DOUBTFUL_TRIES = 5
"""Where some of a channel's people may have been told: not so often that they stop reading."""


class Notices:
    """`start` begins to send, `stop` ends it."""

    def __init__(
        self, database: Database, estates: Estates, workshop: EstateWorkshop, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._estates = estates
        self._workshop = workshop
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_sending, name="notices", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOPS_WITHIN)

    def send_next(self) -> bool:
        """Send one that is due; False when none is."""
        with self._database.read() as conn:
            if not notices.is_due(conn, self._clock()):
                return False
        with self._database.write() as conn:
            row = notices.claim(conn, self._clock(), 2 * SEND_FOR)
        if row is None:
            return False
        try:
            told = self._send(row)
        except ProviderError as error:
            self._put_off(row, error.message, DOUBTFUL_TRIES if error.effect_possible else MOST_TRIES)
            return True
        except Exception as error:
            log.exception("the message %r could not be sent", row.title["en"])
            self._put_off(row, f"{type(error).__name__}; the service's log has the details.")
            return True
        with self._database.write() as conn:
            notices.sent(conn, row.id, told)
        self._workshop.discard(_run_id(row))
        return True

    def _keep_sending(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            try:
                while not self._stopping.is_set() and self.send_next():
                    pass
            except Exception:
                log.exception("messages could not be sent once; the next look comes by itself")

    def _send(self, row: Row) -> str:
        """Raises ProviderError. A message whose receipt is there was taken before a crash, and is not sent again."""
        message = {"channel": row.channel, "title": row.title, "body": row.body}
        spec = ActionSpec.model_validate({"uses": "notify.send", "with": message})
        run = SimpleNamespace(id=_run_id(row), commit=self._commit(row), scope=row.scope)
        action = self._workshop.action(run, "send", spec, {}, SEND_FOR)
        found = action.provider.apply(action.want, Tag(run.id, "send"), {}, log.info)
        return str(found.message)

    def _commit(self, row: Row) -> str:
        """The newest, so that a channel that is mended is used; else the one that the message was written at."""
        try:
            commit = self._estates.newest()
            channels = self._estates.bundle(commit).estate.scopes[row.scope].notify
        except (RequestError, KeyError):
            return str(row.commit)
        return commit if row.channel in channels else str(row.commit)

    def _put_off(self, row: Row, why: str, most: int = MOST_TRIES) -> None:
        over = row.tries >= most
        again = None if over else self._clock() + min(FIRST_WAIT * 2 ** (row.tries - 1), LONGEST_WAIT)
        log.warning("the message %r was not taken by %s: %s", row.title["en"], row.channel, why)
        with self._database.write() as conn:
            notices.failed(conn, row.id, why, again)


def _run_id(row: Row) -> str:
    """Where its receipt lies: another one for each message that was ever written, in whatever database."""
    return "notice-" + hashlib.sha256(f"{row.key} {row.created_at!r}".encode()).hexdigest()[:24]
