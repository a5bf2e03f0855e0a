"""From the order in which observations arrive to the order in which they were made, on a clock that none can push.

Several trust domains report, each by its own clock. Time goes on to where the
second of them is, so that one that runs ahead moves nothing. A clock that is far
away from the others (its vantage lost its time server, or lies) is believed only
when it speaks alone for a while: then the others fell silent, or all of them
jumped. Time that goes back is counted on, so that nothing measured in it shrinks.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.thresholds import Thresholds

MOST_WAITING = 10_000
"""Observations of one strange clock that are kept until it is believed; older ones are dropped."""
_BELIEVED_AFTER, _JUMPED = 600.0, 1800.0
"""Seconds of its own time that a strange clock must speak alone; one that jumped, instead of just going on."""
_NEVER = float("-inf")
Witness = tuple[str, str]
"""A trust domain, and one of its vantages."""


class Crowd:
    """Where the second of several clocks is. Constant time for each reading."""

    __slots__ = ("_first_key", "_second_key", "first", "second")

    def __init__(self) -> None:
        self.first, self.second = _NEVER, _NEVER
        self._first_key, self._second_key = "", ""

    @property
    def several(self) -> bool:
        return self._second_key != ""

    def read(self, key: str, at: float) -> None:
        if key == self._first_key:
            self.first = max(self.first, at)
        elif at > self.first:
            self.second, self._second_key = self.first, self._first_key
            self.first, self._first_key = at, key
        elif key == self._second_key or at > self.second:
            self.second, self._second_key = max(self.second, at), key

    def only(self, key: str, at: float) -> None:
        """Forget all others."""
        self.first, self._first_key = at, key
        self.second, self._second_key = _NEVER, ""


@dataclass(slots=True)
class _Stranger:
    """What a clock said that is far from the others."""

    since: float
    newest: float
    believed_after: float
    waiting: list[Observation]


class Arrivals:
    """Takes observations as they come and hands out those of each step in the order of their making.

    Times handed out are *steady*: they never go back. `told(at)` gives the clock's own reading again.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._step = thresholds.step
        self._lateness = thresholds.lateness
        self._alone = thresholds.alone
        self._slots: dict[int, list[Observation]] = {}
        self._domains, self._vantages = Crowd(), Crowd()
        self._strangers: dict[Witness, _Stranger] = {}
        self._newest: dict[str, float] = {}
        """By trust domain, its latest time that was not strange."""
        self._shift = 0.0
        self._shifts: list[tuple[float, float]] = [(_NEVER, 0.0)]
        self._closed = 0
        """The first step that is still open."""
        self.now = _NEVER
        """Steady seconds."""
        self.late = 0
        self.misdated = 0
        self.resets = 0
        """So many observations came too late to count, or had an impossible time; so often all clocks jumped."""

    def offer(self, one: Observation) -> bool:
        """Take one observation. Whether steps may have become complete: then call `complete`."""
        at = one.at + self._shift
        if self.now == _NEVER:
            self._begin(at)
        if not self.now - self._lateness - self._alone <= at <= self.now + self._alone:
            return self._strange((one.trust_domain, one.vantage), at, one)
        if self._strangers:
            self._heard((one.trust_domain, one.vantage))
        slot = int(at // self._step)
        if slot < self._closed:
            self.late += 1
            return False
        waiting = self._slots.get(slot)
        if waiting is None:
            waiting = self._slots[slot] = []
        waiting.append(one if not self._shift else _at(one, at))
        self._newest[one.trust_domain] = at
        if at <= self.now and self._domains.several:
            return False
        self._domains.read(one.trust_domain, at)
        if not self._domains.several:
            self._vantages.read(one.vantage, at)
        return self._advance()

    def pass_time(self, at: float) -> bool:
        """The clock of this machine says `at`, whether or not anything arrives; it is one among the others."""
        steady = at + self._shift
        if self.now == _NEVER:
            self._begin(steady)
        if abs(steady - self.now) > self._alone:
            return self._strange((_HERE, _HERE), steady, None)
        self._heard((_HERE, _HERE))
        self._domains.read(_HERE, steady)
        return self._advance()

    def complete(self) -> Iterator[tuple[float, list[Observation]]]:
        """Each step that nothing may join any more: when it ended, and what was seen in it, in order."""
        last = int((self.now - self._lateness) // self._step)
        yield from self._close(last)

    def rest(self) -> Iterator[tuple[float, list[Observation]]]:
        """What is left at the end of a recording."""
        yield from self._close(max(self._slots, default=self._closed - 1) + 1)

    def told(self, steady: float) -> float:
        """What the clocks said at a steady time: seconds since the epoch, UTC."""
        if not self._shift:
            return steady
        found = bisect_right(self._shifts, (steady, float("inf"))) - 1
        return steady - self._shifts[found][1]

    def _begin(self, at: float) -> None:
        self.now = at
        self._closed = int((at - self._lateness) // self._step)

    def _heard(self, key: Witness) -> None:
        """Somebody speaks in time, so that no stranger but itself is alone."""
        self._strangers = {other: held for other, held in self._strangers.items() if other == key}

    def _advance(self) -> bool:
        crowd = self._domains if self._domains.several else self._vantages
        now = crowd.second if crowd.several else max(crowd.first, self._domains.first)
        if now <= self.now:
            return False
        self.now = now
        return int((now - self._lateness) // self._step) > self._closed

    def _strange(self, key: Witness, at: float, one: Observation | None) -> bool:
        """A reading far from the others: it waits until its clock has spoken alone for long enough."""
        held = self._strangers.get(key)
        if held is None or abs(at - held.newest) > 2 * self._alone:
            jumped = abs(at - self._newest.get(key[0], self.now)) > 2 * self._alone
            held = self._strangers[key] = _Stranger(at, at, _JUMPED if jumped else _BELIEVED_AFTER, [])
        held.since, held.newest = min(held.since, at), max(held.newest, at)
        if one is not None:
            held.waiting.append(one)
        if len(held.waiting) > MOST_WAITING:
            del held.waiting[0]
            self.misdated += 1
        agreed = any(
            other[0] != key[0] and abs(told.newest - held.newest) <= self._alone
            for other, told in self._strangers.items()
        )
        if not agreed and held.newest - held.since < held.believed_after:
            return False
        self._believe(key, held)
        return True

    def _believe(self, key: Witness, held: _Stranger) -> None:
        """Everybody else is silent or has jumped as well: time is what this clock says."""
        waiting = [one for other in self._strangers.values() for one in other.waiting]
        newest = held.newest
        self._strangers = {}
        self.resets += 1
        if newest < self.now:
            back = self.now - held.since
            self._shift += back
            self._shifts.append((self.now, self._shift))
            newest += back
        self._domains.only(key[0], newest)
        self._vantages.only(key[1], newest)
        self.now = newest
        for one in sorted(waiting, key=_order):
            at = one.at + self._shift
            if self._closed <= at // self._step and at <= self.now + self._alone:
                self._slots.setdefault(int(at // self._step), []).append(_at(one, at))
            else:
                self.misdated += 1

    def _close(self, end: int) -> Iterator[tuple[float, list[Observation]]]:
        """The steps before `end`; empty ones are left out, but the last is said, so that time is seen to pass."""
        if end <= self._closed:
            return
        for slot in sorted(slot for slot in self._slots if slot < end):
            yield (slot + 1) * self._step, _once(self._slots.pop(slot))
        self._closed = end
        yield end * self._step, []


_HERE = "·here"
"""No trust domain is called so in an observation that `observation_of` reads from a file of ours."""


def _at(one: Observation, at: float) -> Observation:
    return Observation._make((at, *one[1:]))


def _once(found: list[Observation]) -> list[Observation]:
    """In order, each observation once."""
    if len(found) == 1:
        return found
    try:
        found.sort()
    except TypeError:  # two readings that differ only in that one has a value
        found.sort(key=_order)
    return [one for at, one in enumerate(found) if at == 0 or one != found[at - 1]]


def _order(one: Observation) -> tuple[float, str, str, str, str, str, str, str, float]:
    return (
        one.at, one.vendor, one.aspect, one.sensor, one.vantage, one.trust_domain, one.account or "", one.outcome,
        float("-inf") if one.value is None else one.value,
    )  # fmt: skip
