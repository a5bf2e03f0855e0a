"""Webhooks in: who may post, what a delivery is about, and how much is kept. They add observations and do nothing else.

Nothing that a sender writes is a parameter, a template or an order: a rule of the estate says which vendor an alert is
about, and the alert says only whether it fires and since when.
"""

import hashlib
import logging
import secrets as randomness
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial

from orchestrator.domain.signals.alert import Reading, Unfit
from orchestrator.domain.signals.formats.registry import IDENTICAL_IS_THE_SAME, READERS
from orchestrator.domain.signals.lookout import spoken_of
from orchestrator.domain.signals.mapping import meaning
from orchestrator.domain.signals.proof import fault_in
from orchestrator.domain.signals.source import SECRETS, Source
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.store import deliveries, observations
from orchestrator.store.database import Connection, Database
from orchestrator.store.deliveries import Delivery, Kept
from orchestrator.store.delivery_writer import DeliveryWriter
from providers.base import ProviderError, Reveal

log = logging.getLogger("bascule.signals")

DAY = 86_400.0
BODIES = 10_000
BODY_BYTES = 64 * 1024 * 1024
"""Of each source: bodies that are kept, and their bytes."""
ROWS = 200_000
ROWS_FOR = 30 * DAY
"""Of each source: deliveries whose repetition is known, and for how long at most."""
OBSERVATIONS = 1_000_000
OBSERVATIONS_FOR = 400 * DAY
"""Of each source: observations that are kept, and for how long at most: a year's rhythm can be replayed."""
AT_ONCE = 1000
"""Rows that the sweep removes in one transaction."""
SWEEP_EVERY = 10.0
"""Seconds between two sweeps while deliveries arrive."""
SWEEP_ANYWAY = 3600.0
ESTATE_FOR = 2.0
"""Seconds that the sources are remembered before the estate is looked at again."""
QUIET = 60.0
"""Seconds between two lines of the log about refused deliveries of one source."""


class NotTheSource(RequestError):
    """No source of this name, or not the source's secret: which of the two is said in the log alone."""

    code = "unauthenticated"


class CannotCheck(RequestError):
    """The source's secret can't be read here: the sender is to come again."""

    code = "busy"


class Signals:
    """Receives deliveries. `start` begins to write and to sweep, `stop` writes what waits and ends both."""

    def __init__(
        self,
        database: Database,
        estates: Estates,
        secrets: Callable[[str], Reveal],
        clock: Callable[[], float],
        *,
        bodies: int = BODIES,
    ) -> None:
        self._database = database
        self._estates = estates
        self._reveal = secrets(SECRETS)
        self._clock = clock
        self._bodies = bodies
        self._writer = DeliveryWriter(database)
        self._sources: Mapping[str, Source] = {}
        self._vendors: frozenset[str] = frozenset()
        self._looked: float | None = None
        self._refused: dict[str, float] = {}
        self._stopping = threading.Event()
        self._arrived = threading.Event()
        self._sweeper = threading.Thread(target=self._keep_swept, name="signals-sweep", daemon=True)

    def start(self) -> None:
        self._writer.start()
        self._sweeper.start()

    def stop(self) -> None:
        self._stopping.set()
        self._writer.stop()
        if self._sweeper.is_alive():
            self._sweeper.join()

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> "Future[Kept]":
        """Check a delivery on its raw bytes, then read it; the future ends when it is committed.

        `headers` by lower-case name. Raises NotTheSource, CannotCheck, and the writer's NoRoom.
        """
        received = self._clock()
        source = self._admitted(name, headers, body, received)
        reading = _read(source, headers, body)
        delivery = Delivery(
            source=name,
            key=_key(source, reading, headers, body),
            received=received,
            content_type=headers.get("content-type", ""),
            body=body,
            meaning=meaning(name, source, reading, received, self._vendors),
        )
        future = self._writer.submit(delivery)
        self._arrived.set()
        return future

    def speaks_cloudevents(self, name: str) -> bool:
        """Whether the handshake of CloudEvents' web hooks is answered for this source."""
        source = self._configured().get(name)
        return source is not None and source.format == "cloudevents"

    def sources(self) -> Mapping[str, Source]:
        """The sources of the newest estate; none while no estate was accepted."""
        return self._configured()

    def sweep(self) -> int:
        """Let go of what is beyond the bounds, in short transactions; how many rows it touched."""
        return sum(self._swept(query) for query in self._queries())

    def _admitted(self, name: str, headers: Mapping[str, str], body: bytes, now: float) -> Source:
        source = self._configured().get(name)
        if source is None:
            raise self._refusal(name, "there is no such source in the estate")
        try:
            secret = self._reveal(source.auth.secret).reveal()
        except (ProviderError, UnicodeDecodeError) as error:
            self._say(name, str(error))
            raise CannotCheck("This delivery can't be checked now; the service's log says why.") from error
        fault = fault_in(source, secret, headers, body, now)
        if fault:
            raise self._refusal(name, fault)
        return source

    def _refusal(self, name: str, why: str) -> NotTheSource:
        self._say(name, why)
        return NotTheSource(
            "No source of this name has this secret: compare `signals` of bascule.yaml and the secret of "
            "the scope `signals` with what the sender uses."
        )

    def _say(self, name: str, why: str) -> None:
        """In the log, and not more often than a person would read it; strangers' names share one turn."""
        turn = name if name in self._sources else ""
        now = time.monotonic()
        if now - self._refused.get(turn, -QUIET) >= QUIET:
            self._refused[turn] = now
            log.warning("a delivery to the source %s was refused: %s", name, why)

    def _configured(self) -> Mapping[str, Source]:
        """Looked up anew every ESTATE_FOR seconds: a storm is not to read the database for each delivery."""
        now = time.monotonic()
        if self._looked is None or now - self._looked > ESTATE_FOR:
            try:
                estate = self._estates.bundle(self._estates.newest()).estate
                self._sources = estate.signals.sources
                self._vendors = spoken_of(estate.signals.probes, {one.vendor for one in estate.services.values()})
            except NotFound:
                self._sources = {}
            except RequestError as error:
                log.warning("the sources of the estate can't be read, those known before go on: %s", error)
            self._looked = now
        return self._sources

    def _keep_swept(self) -> None:
        """Sweeps while something arrives, and otherwise now and then: probes observe without any delivery."""
        swept = time.monotonic()
        while not self._stopping.wait(SWEEP_EVERY):
            if self._arrived.is_set() or time.monotonic() - swept >= SWEEP_ANYWAY:
                self._arrived.clear()
                swept = time.monotonic()
                try:
                    self.sweep()
                except Exception:
                    log.exception("old deliveries were not removed once; the next sweep comes by itself")

    def _queries(self) -> "Iterator[Callable[[Connection], int]]":
        now = self._clock()
        with self._database.read() as conn:
            senders = deliveries.sources_seen(conn)
            seers = observations.sources_seen(conn)
        for one in senders:
            bodies, size = self._bodies, BODY_BYTES
            yield partial(deliveries.forget_bodies, source=one, kept=bodies, kept_bytes=size, most=AT_ONCE)
            yield partial(deliveries.forget, source=one, before=now - ROWS_FOR, kept=ROWS, most=AT_ONCE)
        for one in filter(None, seers):  # our own probes are bounded by their budgets
            yield partial(observations.forget_above, source=one, kept=OBSERVATIONS, most=AT_ONCE)
        yield partial(deliveries.forget_beats, before=now - ROWS_FOR, most=AT_ONCE)
        yield partial(observations.forget, before=now - OBSERVATIONS_FOR, most=AT_ONCE)

    def _swept(self, query: "Callable[[Connection], int]") -> int:
        """One query, until it finds nothing more, each time in a transaction that others can go before."""
        gone = 0
        while not self._stopping.is_set():
            with self._database.write() as conn:
                found = query(conn)
            gone += found
            if found < AT_ONCE:
                break
        return gone


def _read(source: Source, headers: Mapping[str, str], body: bytes) -> Reading:
    """What it says; a body of unknown shape is kept, and shown with the reason."""
    try:
        return READERS[source.format](headers, body)
    except Unfit as error:
        return Reading(notes=[str(error)])


def _key(source: Source, reading: Reading, headers: Mapping[str, str], body: bytes) -> str:
    """By the sender's id; by the bytes where they hold the time of the news, or are signed; else each is its own."""
    if reading.delivery:
        return hashlib.sha256(b"id:" + reading.delivery.encode("utf-8", "replace")).hexdigest()
    if source.format in IDENTICAL_IS_THE_SAME:
        return hashlib.sha256(b"body:" + body).hexdigest()
    if source.auth.kind == "hmac":
        timestamp = headers.get((source.auth.timestamp_header or "").lower(), "")
        return hashlib.sha256(f"signed:{timestamp}:".encode("utf-8", "replace") + body).hexdigest()
    return randomness.token_hex(32)
