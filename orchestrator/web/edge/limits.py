"""How often somebody may ask: who fails to show who they are, by address; who has shown it, by who they are.

In memory, for this process alone: a limit slows guessing and runaway programs, it is no quota. Whoever shows good
credentials is never refused for what others at the same address did. Deliveries of monitoring systems that prove
themselves are not counted at all: a storm of alerts is when they matter.
"""

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_KEYS = 20_000
"""Addresses, or identities, that are remembered: the one that was counted longest ago is forgotten first."""
IPV6_BITS = 64
"""One subscriber has a network of this size at least, so its addresses count as one."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds, all of them at once if somebody likes; then evenly."""

    count: int
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Rates:
    """`failed`: of one address. `asked`, and among it `costly`: of one identity."""

    failed: Rate = field(default_factory=lambda: Rate(30))
    asked: Rate = field(default_factory=lambda: Rate(1200))
    costly: Rate = field(default_factory=lambda: Rate(30))


class Bucket:
    """The generic cell rate algorithm: of each key, until when what it spent is paid back. Safe between threads."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._each = rate.seconds / rate.count
        self._burst = rate.seconds
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def spend(self, key: str) -> float:
        """Seconds to wait; 0.0 when it was let through and counted. What is refused is not counted."""
        with self._lock:
            now = self._clock()
            until = max(self._until.get(key, now), now) + self._each
            if until - now > self._burst + 1e-9:
                return until - now - self._burst
            self._until[key] = until
            self._until.move_to_end(key)
            if len(self._until) > MOST_KEYS:
                self._until.popitem(last=False)
            return 0.0

    def wait(self, key: str) -> float:
        """Seconds until the next is let through; 0.0 when it is now. Counts nothing."""
        with self._lock:
            now = self._clock()
            return max(0.0, max(self._until.get(key, now), now) + self._each - now - self._burst - 1e-9)

    def __len__(self) -> int:
        return len(self._until)


class Limits:
    """The limits of one process. `clock` is monotonic, in seconds. All answers are seconds to wait, None for go on."""

    def __init__(self, clock: Callable[[], float], rates: Rates | None = None) -> None:
        rates = rates or Rates()
        self._failed = Bucket(rates.failed, clock)
        self._asked = Bucket(rates.asked, clock)
        self._costly = Bucket(rates.costly, clock)

    def failed(self, address: str) -> float | None:
        """Somebody at this address did not show who they are. Seconds to wait once it was too often."""
        return self._failed.spend(subscriber(address)) or None

    def refuse_failed(self, address: str) -> float | None:
        """Whether this address failed too often: to be asked before a password, which can be guessed, is looked at."""
        return self._failed.wait(subscriber(address)) or None

    def spend(self, identity: str, *, costly: bool) -> float | None:
        """A request of somebody known. `costly`: it looks at everything, or at the outside."""
        if costly and (wait := self._costly.spend(identity)):
            return wait
        return self._asked.spend(identity) or None


def subscriber(address: str) -> str:
    """What an address counts as: itself, or its network where a subscriber has a whole one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), IPV6_BITS), strict=False))


_COSTLY: tuple[tuple[str, str], ...] = (
    ("POST", "/api/v1/plans"),
    ("POST", "/plans/new"),
    ("POST", "/api/v1/map"),
    ("POST", "/map/make"),
    ("POST", "/map/self"),
    ("POST", "/api/v1/doctor"),
    ("POST", "/api/v1/inventories"),
    ("GET", "/api/v1/resources"),
    ("POST", "/history/audit/verify"),
    ("GET", "/history/audit/export"),
    ("POST", "/settings/credentials/examine"),
    ("POST", "/settings/itself/examine"),
    ("POST", "/settings/resources/look"),
)
_MOVED = (("GET", "/api/v1/plans/"), ("POST", "/plans/"))
"""What moved since a plan was made: `…/moved` asks the outside, over the API and on the page alike."""


def is_costly(method: str, path: str) -> bool:
    """Whether a route looks at everything, or at the outside: a plan, a map, an inventory, an examination, the audit.

    A page counts as the route of the API that does the same.
    """
    if path.endswith("/moved") and any(method == one and path.startswith(begin) for one, begin in _MOVED):
        return True
    return any(method == one and (path == begin or path.startswith(f"{begin}/")) for one, begin in _COSTLY)


_HALTING = frozenset({"/api/v1/halt", "/api/v1/halt/lift", "/halt", "/halt/lift"})


def is_unlimited(path: str) -> bool:
    """The kill switch: whoever may engage it is never told to come again later."""
    return path in _HALTING
