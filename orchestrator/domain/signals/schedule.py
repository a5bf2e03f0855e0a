"""When each sensor looks. Pure: time is given, and what is due is answered.

Each sensor has turns, one in every period, at a place of its own within it: by a hash, so that a hundred sensors do
not look in the same second, and the place is the same after a restart. From turn to turn it moves a little, so that
it does not fall in step with anything that is done on the minute.

Invariants: a sensor looks at most once in a turn, and never while its last look goes on; a vendor is looked at no more
than `budget` times in any minute; no more than `side_by_side` looks go on. A turn that could not be taken before the
next one begins is skipped, never made up for.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence

from orchestrator.domain.signals.lookout import Look

BUDGET = 20
"""Looks at one vendor in any minute."""
SIDE_BY_SIDE = 8
"""Looks that go on at the same time."""
MINUTE = 60.0
JITTER = 0.1
"""Of the period: how far a turn may move from its place."""
LONGEST_WAIT = 30.0
SOON = 1.0
"""Seconds after which it is worth asking again, and where a look waits for room or for its vendor's budget."""


class _Sensor:
    """One look and its turns."""

    __slots__ = ("_next", "_place", "begun", "busy", "look", "turn")

    def __init__(self, look: Look, now: float) -> None:
        self.look = look
        self.busy = False
        self._place = _share(look.key) * (1.0 - JITTER)
        self.turn = 0
        """The last one that was taken or skipped."""
        self.begun = self._next = 0.0
        self.take(now)

    def take(self, now: float) -> None:
        """The turn that began last is taken, and all before it are skipped."""
        self.turn = int(now // self.look.every)
        if self._begin(self.turn) > now:
            self.turn -= 1
        self.begun, self._next = self._begin(self.turn), self._begin(self.turn + 1)

    def next_at(self, now: float) -> float:
        """When the next turn begins. A clock that was set back begins anew."""
        if now < self.begun - self.look.every:
            self.take(now)
        return self._next

    def _begin(self, turn: int) -> float:
        """Turns begin in their order: none moves further than a tenth of what lies between two."""
        moved = _share(f"{self.look.key} {turn}") * JITTER
        return (turn + self._place + moved) * self.look.every


class Schedule:
    """Ask `due` for the looks to begin now; each must be `ended`. Times are seconds since the epoch."""

    def __init__(
        self, looks: Iterable[Look], now: float, *, budget: int = BUDGET, side_by_side: int = SIDE_BY_SIDE
    ) -> None:
        self._budget = budget
        self._side_by_side = side_by_side
        self._begun: dict[str, deque[float]] = {}
        self._sensors: dict[str, _Sensor] = {}
        self._wanted: frozenset[str] = frozenset()
        self.change(looks, now)

    def change(self, looks: Iterable[Look], now: float) -> None:
        """Other looks from now on; of a sensor that stays, its last turn and a look that goes on are known."""
        before, wanted = self._sensors, self._wanted
        self._sensors = {look.key: _Sensor(look, now) for look in looks}
        self._wanted = frozenset(self._sensors)
        for key, one in before.items():
            kept = self._sensors.get(key)
            if kept is None and one.busy:
                self._sensors[key] = one  # until it has ended
            elif kept is not None and kept.look.every == one.look.every and key in wanted:
                one.look = kept.look
                self._sensors[key] = one
            elif kept is not None:
                kept.busy = one.busy

    def due(self, now: float) -> Sequence[Look]:
        """The looks to begin now, those that wait longest first; they count as begun."""
        room = self._side_by_side - sum(one.busy for one in self._sensors.values())
        begun: list[Look] = []
        for _, key in sorted(self._waiting(now)):
            one = self._sensors[key]
            if len(begun) < room and self._spend(one.look.vendor, now):
                one.busy = True
                one.take(now)
                begun.append(one.look)
        return begun

    def ended(self, key: str) -> None:
        """A look is over, however it ended."""
        one = self._sensors.get(key)
        if one is not None:
            one.busy = False
            if key not in self._wanted:
                del self._sensors[key]

    def next_at(self, now: float) -> float:
        """When to ask again: nothing becomes due before, if no look ends."""
        times = [one.next_at(now) for key, one in self._sensors.items() if key in self._wanted and not one.busy]
        soonest = min((at for at in times if at > now), default=now + LONGEST_WAIT)
        waits = any(at <= now for at in times)
        return min(soonest, now + (SOON if waits else LONGEST_WAIT))

    def _waiting(self, now: float) -> list[tuple[float, str]]:
        """The sensors whose turn it is, with its beginning."""
        free = ((key, one) for key, one in self._sensors.items() if not one.busy and key in self._wanted)
        return [(one.next_at(now), key) for key, one in free if one.next_at(now) <= now]

    def _spend(self, vendor: str, now: float) -> bool:
        spent = self._begun.setdefault(vendor, deque())
        while spent and not now - MINUTE < spent[0] <= now:
            spent.popleft()
        if len(spent) >= self._budget:
            return False
        spent.append(now)
        return True


def per_minute(looks: Iterable[Look]) -> dict[str, float]:
    """Vendor: how many looks a minute these are, evenly spread."""
    found: dict[str, float] = {}
    for look in looks:
        found[look.vendor] = found.get(look.vendor, 0.0) + MINUTE / look.every
    return found


def _share(text: str) -> float:
    """A number from 0 up to 1 that the text decides."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 2**56
