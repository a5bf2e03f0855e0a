"""Writes deliveries: those that wait go into one transaction, and each is answered after its commit."""

import logging
import threading
from collections import deque
from concurrent.futures import Future

from orchestrator.store.database import Database, DatabaseAwayError
from orchestrator.store.deliveries import Delivery, Kept, keep

log = logging.getLogger("bascule.signals")

TOGETHER = 200
"""Deliveries of one transaction: it holds SQLite's only writer for some hundredths of a second."""
ROOM = 5000
"""Deliveries that may wait."""
ROOM_BYTES = 64 * 1024 * 1024
"""Bytes of bodies that may wait."""


class NoRoom(Exception):
    """More waits to be written than may; the sender is to come again."""


class DeliveryWriter:
    """A thread with a bounded queue. Nobody waits for it but through the future that `submit` answers."""

    def __init__(self, database: Database, *, room: int = ROOM, room_bytes: int = ROOM_BYTES) -> None:
        self._database = database
        self._room = room
        self._room_bytes = room_bytes
        self._waiting: deque[tuple[Delivery, Future[Kept]]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._open = False
        self._thread = threading.Thread(target=self._work, name="deliveries", daemon=True)

    def start(self) -> None:
        self._open = True
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and take nothing more."""
        with self._changed:
            began, self._open = self._open, False
            self._changed.notify()
        if began:
            self._thread.join()

    def submit(self, delivery: Delivery) -> "Future[Kept]":
        """Queue a delivery; the future has its end, or the database's error. Raises NoRoom."""
        size = len(delivery.body)
        future: Future[Kept] = Future()
        with self._changed:
            full = len(self._waiting) >= self._room or self._bytes + size > self._room_bytes
            if full or not self._open:
                raise NoRoom
            self._waiting.append((delivery, future))
            self._bytes += size
            self._changed.notify()
        return future

    def _work(self) -> None:
        while batch := self._next():
            self._write(batch)

    def _next(self) -> "list[tuple[Delivery, Future[Kept]]]":
        """Those that wait, at most TOGETHER; empty when all is written and nothing more comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open)
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER))]
            self._bytes -= sum(len(delivery.body) for delivery, _ in taken)
        return taken

    def _write(self, batch: "list[tuple[Delivery, Future[Kept]]]") -> None:
        """All in one transaction; if that fails, one by one, so that none takes the others with it."""
        wanted = [(delivery, future) for delivery, future in batch if future.set_running_or_notify_cancel()]
        try:
            with self._database.write() as conn:
                kept = [keep(conn, delivery) for delivery, _ in wanted]
        except Exception:
            log.exception("%d deliveries could not be written together; they are now written one by one", len(wanted))
            self._write_alone(wanted)
            return
        for (_, future), one in zip(wanted, kept, strict=True):
            future.set_result(one)

    def _write_alone(self, wanted: "list[tuple[Delivery, Future[Kept]]]") -> None:
        """One by one, until it shows that the database itself is away."""
        away: Exception | None = None
        for delivery, future in wanted:
            if away is not None:
                future.set_exception(away)
                continue
            try:
                with self._database.write() as conn:
                    one = keep(conn, delivery)
            except Exception as alone:
                log.exception("a delivery of %s could not be written", delivery.source)
                future.set_exception(alone)
                away = alone if isinstance(alone, DatabaseAwayError) else None
            else:
                future.set_result(one)
