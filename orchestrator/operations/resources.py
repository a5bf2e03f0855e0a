"""What Bascule made outside: listed, watched for strays, and released or kept as a person says.

The sweep never deletes anything. It quarantines: what carries Bascule's tags and
has no run behind it is noted, shown and asked about, and stays until a person decides.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.model import StepState
from orchestrator.domain.resource import Decision, Standing, StepRecord, standing
from orchestrator.engine.workshop import LOOK_FOR, EstateWorkshop
from orchestrator.operations.estate import Estates
from orchestrator.operations.halt import require_free
from orchestrator.operations.request import Conflict, NotFound, RequestError
from orchestrator.store import runs, strays
from orchestrator.store.database import Connection, Database
from orchestrator.store.runs import Row
from orchestrator.store.strays import StrayKey
from providers.base import ProviderError
from providers.compute.marked import Made

log = logging.getLogger("bascule.resources")


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that Bascule made, how it stands to the runs, and what a person said of it."""

    thing: Made
    standing: Standing
    first_seen: float | None = None
    decision: Decision = Decision.NONE
    decided_by: str = ""
    reason: str = ""

    @property
    def quarantined(self) -> bool:
        """It waits for a person's word."""
        return self.standing is not Standing.IN_USE and self.decision is Decision.NONE


@dataclass(frozen=True, slots=True)
class Holdings:
    """Everything found in one scope; `unread` says which providers could not be asked, and why."""

    found: Sequence[Held]
    unread: Mapping[str, str]


class Resources:
    def __init__(
        self, database: Database, estates: Estates, workshop: EstateWorkshop, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._estates = estates
        self._workshop = workshop
        self._clock = clock

    def listed(self, scope: str) -> Holdings:
        """Ask every cloud of the scope; what has no run behind it is quarantined. Raises RequestError."""
        commit = self._estates.newest()
        known = self._estates.bundle(commit).estate.scopes
        if scope not in known:
            raise RequestError(f"The estate has no scope {scope!r}; it has {', '.join(sorted(known))}.")
        found: list[Held] = []
        unread: dict[str, str] = {}
        for provider in sorted(known[scope].compute):
            begun = self._clock()
            try:
                things = self._workshop.made_at(commit, scope, provider, LOOK_FOR)
            except ProviderError as error:
                unread[provider] = error.message
                continue
            with self._database.write() as conn:
                self._note(conn, scope, things)
                strays.forget_unseen(conn, scope, provider, begun)
                found += self._with_decisions(conn, scope, things)
        return Holdings(found, unread)

    def noted(self) -> Sequence[Row]:
        """What has no run behind it, of all scopes, as it was seen last: nobody is asked."""
        with self._database.read() as conn:
            return strays.noted(conn)

    def sweep(self) -> int:
        """Look at every scope but rehearsals; answers how many strays wait for a person. Deletes nothing."""
        for name, scope in self._estates.bundle(self._estates.newest()).estate.scopes.items():
            if scope.mode != "rehearsal" and scope.compute:
                holdings = self.listed(name)
                for provider, why in holdings.unread.items():
                    log.warning("what Bascule made at %s (%s) could not be looked at: %s", provider, name, why)
                for held in holdings.found:
                    if held.quarantined:
                        log.warning(
                            "a %s of Bascule's at %s (%s) is %s: %s %s; `bascule resources` asks what to do",
                            held.thing.kind, held.thing.provider, name, held.standing, held.thing.name, held.thing.id,
                        )  # fmt: skip
        with self._database.read() as conn:
            return strays.undecided(conn)

    def keep(self, scope: str, thing_id: str, by: str, reason: str) -> Held:
        """A person says that a stray stays; it is not asked about again."""
        held = self._stray(scope, thing_id)
        self._decide(scope, held, Decision.KEEP, by, reason)
        return self._stray(scope, thing_id)

    def release(self, scope: str, thing_id: str, name: str, by: str, reason: str) -> bool:
        """A person says that a stray goes, by its id and its name; False while that is under way.

        Raises Conflict when a run stands behind it, NotFound when there is no such thing, IsHalted, RequestError
        when the name is another one or the provider refuses.
        """
        with self._database.write() as conn:
            require_free(conn)
        held = self._stray(scope, thing_id)
        if held.thing.name != name:
            raise RequestError(
                f"{held.thing.kind} {thing_id} is named {held.thing.name!r}, not {name!r}; nothing was released."
            )
        self._decide(scope, held, Decision.RELEASE, by, reason)
        try:
            return self._workshop.release_made(self._estates.newest(), scope, held.thing, LOOK_FOR)
        except ProviderError as error:
            raise RequestError(error.message) from error

    def _stray(self, scope: str, thing_id: str) -> Held:
        holdings = self.listed(scope)
        held = next((one for one in holdings.found if one.thing.id == thing_id), None)
        if held is None:
            unread = "".join(f" {provider} could not be asked: {why}" for provider, why in holdings.unread.items())
            raise NotFound(f"Nothing that Bascule made in {scope} has the id {thing_id}.{unread}")
        if held.standing is Standing.IN_USE:
            raise Conflict(
                f"{held.thing.kind} {held.thing.name} ({thing_id}) belongs to run {held.thing.run}: undo that run, or "
                "release it by a runbook."
            )
        return held

    def _decide(self, scope: str, held: Held, decision: Decision, by: str, reason: str) -> None:
        with self._database.write() as conn:
            strays.decide(conn, _key(scope, held.thing), decision.value, by, self._clock(), reason)

    def _note(self, conn: Connection, scope: str, things: Sequence[Made]) -> None:
        for thing in things:
            if self._standing(conn, thing) is not Standing.IN_USE:
                strays.note(conn, _key(scope, thing), thing.name, thing.run, thing.step, self._clock())

    def _with_decisions(self, conn: Connection, scope: str, things: Sequence[Made]) -> list[Held]:
        rows = {(row.provider, row.kind, row.id): row for row in strays.listed(conn, scope)}
        found = []
        for thing in things:
            row = rows.get((thing.provider, thing.kind, thing.id))
            stands = self._standing(conn, thing)
            if row is None:
                found.append(Held(thing, stands))
            else:
                decided = Decision(row.decision)
                found.append(Held(thing, stands, row.first_seen, decided, row.decided_by, row.reason))
        return found

    def _standing(self, conn: Connection, thing: Made) -> Standing:
        row = runs.get_step(conn, thing.run, thing.step)
        step = None if row is None else StepRecord(StepState(row.state), row.effect)
        return standing(thing.id, step, run_known=runs.is_known(conn, thing.run))


def _key(scope: str, thing: Made) -> StrayKey:
    return StrayKey(scope, thing.provider, thing.kind, thing.id)
