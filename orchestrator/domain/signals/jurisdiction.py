"""From the verdicts on single vendors to one on the law that binds them."""

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Bound:
    """A vendor's verdict, who owns it, and the country whose law binds the owner."""

    vendor: str
    owner: str
    country: str
    verdict: Verdict


def jurisdiction_verdict(vendors: Iterable[Bound], bars: Thresholds) -> Verdict | None:
    """Of the vendors of one country; None when too few unrelated ones are watched to say anything.

    Products of one owner count once, as the worst of them: they share offices, networks and lawyers.
    """
    worst: dict[str, Verdict] = {}
    for one in vendors:
        known = worst.get(one.owner, Verdict.UNKNOWN)
        if one.verdict.rank > known.rank or known is Verdict.UNKNOWN:
            worst[one.owner] = one.verdict
    if len(worst) < bars.unrelated:
        return None
    for verdict in (Verdict.CUT, Verdict.ERODING, Verdict.SUSPECT):
        if sum(one.rank >= verdict.rank for one in worst.values()) >= bars.unrelated:
            return verdict
    return Verdict.UNKNOWN if all(one is Verdict.UNKNOWN for one in worst.values()) else Verdict.NOMINAL
