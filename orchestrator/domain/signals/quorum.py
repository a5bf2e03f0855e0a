"""From the votes of trust domains to what the evidence says. No single one of them decides.

Invariant, for every set of votes: taking any one trust domain's vote away, or
adding one, never turns `nominal` or `suspect` into `cut` by itself; whatever one
domain says alone is at most `suspect`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from orchestrator.domain.signals.thresholds import Thresholds
from orchestrator.domain.signals.view import Vote


class Verdict(StrEnum):
    UNKNOWN = "unknown"
    NOMINAL = "nominal"
    SUSPECT = "suspect"
    ERODING = "eroding"
    CUT = "cut"

    @property
    def rank(self) -> int:
        """How bad; what is unknown is no worse and no better than nominal."""
        return _RANKS[self]


_RANKS = {Verdict.UNKNOWN: 0, Verdict.NOMINAL: 0, Verdict.SUSPECT: 1, Verdict.ERODING: 2, Verdict.CUT: 3}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the votes say now. `well`: so many trust domains see nothing wrong; `silent`: not one sees anything.
    `targeted`: the one account, or the one sensor, that is refused while others are let in."""

    verdict: Verdict
    well: int = 0
    silent: bool = False
    targeted: str | None = None


def evidence_of(
    votes: Sequence[Vote], lost_for: float, whole_for: float, companions: int, bars: Thresholds
) -> Evidence:
    """`lost_for`, `whole_for`: seconds for which two trust domains have seen something of it fail, and all of it;
    `companions`: unrelated vendors of the same law that were lost together with this one."""
    fresh = [one for one in votes if one.fresh]
    well = sum(one.well for one in fresh)
    only = targeted(fresh)
    if only is None and is_cut(fresh, whole_for, companions, bars):
        return Evidence(Verdict.CUT, well)
    if is_eroding(fresh, lost_for, bars):
        return Evidence(Verdict.ERODING, well, targeted=only)
    if any(one.doubt for one in fresh):
        return Evidence(Verdict.SUSPECT, well, targeted=only)
    if fresh and len(fresh) >= min(2, sum(one.regular for one in votes)):
        return Evidence(Verdict.NOMINAL, well)
    return Evidence(Verdict.UNKNOWN, well, silent=not fresh)


def is_cut(votes: Sequence[Vote], whole_for: float, companions: int, bars: Thresholds) -> bool:
    """Two aspects and two trust domains, with healthy controls; refused by both, or else lost wholly and for longer
    than outages last, or together with others who share nothing but the law that binds them."""
    refusing = [one for one in votes if one.refused]
    if len(refusing) >= 2 and any(one.sound for one in refusing) and len(_aspects(refusing)) >= 2:
        return True
    lost = [one for one in votes if one.whole]
    if len(lost) < 2 or not any(one.sound for one in lost):
        return False
    return whole_for >= bars.outage_longest or companions >= bars.companions


def is_eroding(votes: Iterable[Vote], lost_for: float, bars: Thresholds) -> bool:
    votes = list(votes)
    if any(agree(one, other, bars) for one, other in combinations([one for one in votes if one.eroding], 2)):
        return True
    return sum(bool(one.failing) for one in votes) >= 2 and lost_for >= bars.outage_longest


def agree(one: Vote, other: Vote, bars: Thresholds) -> bool:
    """Whether two trust domains that see an erosion see the same one. Refusals here and there are rare at each by
    chance, and a few of them never prove what the other says alone."""
    least, most = sorted((one.drip, other.drip))
    if math.isinf(least):
        return True
    return least >= bars.pool_beside if math.isinf(most) else least + most >= bars.pool_joint


def is_lost(votes: Iterable[Vote]) -> bool:
    """Two trust domains see something fail."""
    return sum(bool(one.failing) for one in votes if one.fresh) >= 2


def is_whole(votes: Iterable[Vote]) -> bool:
    """Two trust domains see nothing left."""
    return sum(one.whole for one in votes if one.fresh) >= 2


def targeted(votes: Iterable[Vote]) -> str | None:
    """What alone is refused while the rest is not, as every trust domain says that sees a refusal."""
    found = {one.targeted for one in votes if one.refused or one.targeted}
    return found.pop() if len(found) == 1 else None


def _aspects(votes: Iterable[Vote]) -> frozenset[str]:
    return frozenset[str]().union(*(one.refused | one.failing for one in votes))
