"""Looks at vendors and controls: one look, all of them once, and all of them on their schedule in the background."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace

from orchestrator.domain.signals.lookout import Look, Lookout
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.outcome import outcome_of
from orchestrator.domain.signals.schedule import SIDE_BY_SIDE, Schedule
from orchestrator.engine.spec import ActionSpec
from orchestrator.engine.workshop import Workshop
from orchestrator.store.database import DatabaseAwayError
from providers.base import Finding, ProviderError, Tag

log = logging.getLogger("bascule.probes")

LOOK_FOR = 30.0
"""Seconds that one look may take; most probes end theirs after ten."""
IDLE = 10.0
"""Seconds between two questions whether there is anything to look at."""
GATHER = 0.2
"""Seconds that a look's end waits for others, so that they are kept together."""
MOST_KEPT = 10_000
"""Observations that wait where they can't be kept; of more, the oldest go."""
QUIET = 60.0
"""Seconds between two lines of the log about a database that is away."""
_SHORTEST = 0.05
"""Seconds between two rounds at least."""
_ENDING = 2.0
"""Seconds that the end waits for looks that go on; what they would have said is lost."""
_RUN = "probes"


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look saw, and in words for a person."""

    look: Look
    observation: Observation
    words: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A lookout, at a commit of the estate."""

    commit: str
    lookout: Lookout


def look_once(workshop: Workshop, watched: Watched, look: Look, clock: Callable[[], float]) -> Sight:
    """Look, and write nothing. Never raises: what goes wrong on our side is a look that saw nothing."""
    spec = ActionSpec.model_validate({"uses": look.uses, "with": dict(look.with_)})
    run = SimpleNamespace(id=_RUN, commit=watched.commit, scope=watched.lookout.scope)
    found: Finding | ProviderError
    try:
        action = workshop.action(run, look.key, spec, {}, LOOK_FOR)
        found = action.provider.observe(action.want, Tag(_RUN, look.key), None)
    except ProviderError as error:
        found = error
    except Exception as error:
        log.exception("the probe %s broke", look.key)
        found = ProviderError(f"The probe broke ({type(error).__name__}); the log has the details.", permanent=True)
    measured = found.measured if isinstance(found, Finding) else {}
    outcome = outcome_of(found, look.denials)
    return Sight(look, watched.lookout.observed(look, clock(), outcome, measured.get(look.measure)), found.message)


def look_at_all(
    workshop: Workshop, watched: Watched, clock: Callable[[], float], looks: Sequence[Look] | None = None
) -> list[Sight]:
    """One look of each sensor, or of these, side by side; in their order."""
    chosen = watched.lookout.looks if looks is None else looks
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE, thread_name_prefix="probe") as pool:
        return list(pool.map(lambda look: look_once(workshop, watched, look, clock), chosen))


class Looking:
    """A thread that follows the schedule; each look has a thread of its own while it goes on.

    `watched`: what is looked at now, asked in each round; None for nothing. `may`: whether it is for this process to
    look. `keep`: stores what the looks of a round saw; what it does not take, it is given again.
    """

    def __init__(
        self,
        workshop: Workshop,
        watched: Callable[[], Watched | None],
        keep: Callable[[Sequence[Observation]], None],
        clock: Callable[[], float],
        may: Callable[[], bool] = lambda: True,
    ) -> None:
        self._workshop = workshop
        self._watched = watched
        self._keep = keep
        self._clock = clock
        self._may = may
        self._schedule = Schedule((), clock())
        self._followed: Lookout | None = None
        self.follows = ""
        """The commit whose probes look; empty where none do."""
        self._said: float | None = None
        self._lock = threading.Lock()
        self._finished: list[Sight] = []
        self._unkept: list[Observation] = []
        self._going: set[threading.Thread] = set()
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._hastened = threading.Event()
        self._thread = threading.Thread(target=self._work, name="probes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hasten(self) -> None:
        """What is looked at may have changed: ask now."""
        self._hastened.set()
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing more, and keep what was seen."""
        self._stopping.set()
        self.hasten()
        if not self._thread.is_alive():
            return
        self._thread.join()
        until = time.monotonic() + _ENDING
        for one in [*self._going]:
            one.join(max(0.0, until - time.monotonic()))
        self._try("what was seen last was not kept", self._keep_finished)

    def _work(self) -> None:
        while not self._stopping.is_set():
            pause = self._try("a round of probes was left out; the next one comes by itself", self._round)
            if self._woken.wait(IDLE if pause is None else pause):
                self._hastened.wait(GATHER)
            self._woken.clear()
            self._hastened.clear()

    def _try(self, otherwise: str, act: Callable[[], float | None]) -> float | None:
        try:
            return act()
        except DatabaseAwayError as error:
            if self._said is None or time.monotonic() - self._said >= QUIET:
                self._said = time.monotonic()
                log.warning("%s: %s", otherwise, error)
        except Exception:
            log.exception("%s", otherwise)
        return None

    def _round(self) -> float:
        """Keep what was seen, begin what is due; answers the seconds until the next round."""
        self._try("what probes saw was not kept, and waits", self._keep_finished)
        watched = self._watched()
        if watched is not None and not (watched.lookout.looks and self._may()):
            watched = None
        now = self._clock()
        with self._lock:
            self._follow(watched.lookout if watched else None, now)
            self.follows = watched.commit if watched else ""
            due = self._schedule.due(now)
            pause = self._schedule.next_at(now) - now
        if watched is not None:
            for look in due:
                self._begin(watched, look)
        return min(max(pause, _SHORTEST), IDLE)

    def _follow(self, lookout: Lookout | None, now: float) -> None:
        """What is looked at may have changed. Looks that go on are still known: none begins twice."""
        if lookout != self._followed:
            self._schedule.change(lookout.looks if lookout else (), now)
            self._followed = lookout

    def _begin(self, watched: Watched, look: Look) -> None:
        thread = threading.Thread(target=self._look, args=(watched, look), name=f"probe {look.key}", daemon=True)
        with self._lock:
            self._going.add(thread)
        try:
            thread.start()
        except RuntimeError:
            log.exception("a look could not begin; its next turn comes by itself")
            with self._lock:
                self._going.discard(thread)
                self._schedule.ended(look.key)

    def _look(self, watched: Watched, look: Look) -> None:
        sight = look_once(self._workshop, watched, look, self._clock)
        with self._lock:
            self._finished.append(sight)
            self._going.discard(threading.current_thread())
            self._schedule.ended(look.key)
        self._woken.set()

    def _keep_finished(self) -> None:
        with self._lock:
            finished, self._finished = self._finished, []
        self._unkept = [*self._unkept, *(one.observation for one in finished)][-MOST_KEPT:]
        if self._unkept:
            self._keep(self._unkept)
            self._unkept = []
            self._said = None
