"""The service's own probes: one of its workers looks, and what it saw are observations like all others."""

import logging
import os
import secrets
from collections.abc import Callable, Sequence

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.signals.lookout import lookout_of
from orchestrator.domain.signals.observation import Observation
from orchestrator.engine.workshop import Workshop
from orchestrator.operations.estate import Estates
from orchestrator.operations.looking import Looking, Watched
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.store import leases, observations
from orchestrator.store.database import Database

log = logging.getLogger("bascule.probes")

LEASE = "probes"
LEASE_FOR = 60.0
"""Seconds after which another worker looks, when this one has fallen silent."""
RENEW_EVERY = 15.0


class Probing:
    """`start` begins to look as the newest estate says, `stop` ends it. It does nothing where nothing is configured."""

    def __init__(self, database: Database, estates: Estates, workshop: Workshop, clock: Callable[[], float]) -> None:
        self._database = database
        self._estates = estates
        self._clock = clock
        self._holder = f"w{os.getpid()}-{secrets.token_hex(6)}"
        self._held = False
        self._asked = float("-inf")
        self._known: Watched | None = None
        self._looking = Looking(workshop, self._watched, self._keep, clock, self._mine)

    def start(self) -> None:
        self._looking.start()

    def hasten(self) -> None:
        """The estate, or the time, may have moved: look at it now."""
        self._looking.hasten()

    @property
    def mine(self) -> bool:
        """Whether it is this worker that looks."""
        return self._held

    @property
    def looks_at(self) -> str:
        """The commit whose probes look; empty where none do."""
        return self._looking.follows

    def stop(self) -> None:
        self._looking.stop()
        if self._held and not self._database.is_sqlite:
            try:
                with self._database.write() as conn:
                    leases.give_back(conn, LEASE, self._holder)
            except Exception:
                log.exception("the lease of the probes was not given back; it runs out by itself")

    def _watched(self) -> Watched | None:
        """By the newest estate; while it can't be read, by the one before."""
        try:
            commit = self._estates.newest()
            if self._known is None or self._known.commit != commit:
                self._known = watched_by(commit, self._estates.bundle(commit))
        except NotFound:
            self._known = None
        except RequestError as error:
            log.warning("the probes of the estate can't be read, those known before go on: %s", error)
        return self._known

    def _mine(self) -> bool:
        """Whether this worker looks: it holds the lease, which is prolonged long before it ends by the same clock. On
        SQLite there is no other."""
        now = self._clock()
        if self._database.is_sqlite:
            self._held = True
            return True
        if not 0.0 <= now - self._asked < RENEW_EVERY:
            self._held = False
            with self._database.write() as conn:
                self._held = leases.take(conn, LEASE, self._holder, now, LEASE_FOR)
            self._asked = now
        return self._held

    def _keep(self, seen: Sequence[Observation]) -> None:
        received = self._clock()
        with self._database.write() as conn:
            for one in seen:
                observations.add(conn, one, received)


def watched_by(commit: str, bundle: Bundle) -> Watched | None:
    """What an estate looks at; None where it has no block `probes`."""
    probes = bundle.estate.signals.probes
    if probes is None:
        return None
    vendors = {one.vendor for one in bundle.estate.services.values()}
    return Watched(commit, lookout_of(probes, vendors, bundle.catalogue))
