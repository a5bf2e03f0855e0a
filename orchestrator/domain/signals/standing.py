"""A vendor's verdict through time: quick enough to rise, slow to fall, and not forgotten until somebody says so.

Invariant: it rises only on evidence that held for its time without a break, and
falls only when two trust domains see nothing wrong for longer than that, or all
of them fell silent; then it is unknown.
"""

from dataclasses import dataclass, replace

from orchestrator.domain.signals.quorum import Evidence, Verdict
from orchestrator.domain.signals.thresholds import Thresholds

_BY_RANK = (Verdict.NOMINAL, Verdict.SUSPECT, Verdict.ERODING, Verdict.CUT)
_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Standing:
    """Steady seconds. `held[rank]`: since when the evidence has been at least that bad; `better_since`: since when
    it has been less than the verdict; `unseen_since`: since when a nominal vendor can't be seen; `cooling_until`:
    until then the verdict is suspect at least."""

    verdict: Verdict = Verdict.UNKNOWN
    held: tuple[float | None, ...] = (None, None, None)
    better_since: float | None = None
    unseen_since: float | None = None
    cooling_until: float | None = None
    was_cut: bool = False
    """Since it was last acknowledged."""

    @property
    def settled(self) -> bool:
        """Nothing is pending."""
        return self.verdict.rank == 0 and self.unseen_since is None and all(since is None for since in self.held)


def weighed(standing: Standing, evidence: Evidence, now: float, bars: Thresholds) -> Standing:
    """The standing after the evidence of this moment."""
    rank = evidence.verdict.rank
    if standing.settled and evidence.verdict is standing.verdict:
        return standing
    held = tuple(
        (now if since is None else since) if rank >= level else None
        for level, since in enumerate(standing.held, start=1)
    )
    moved = replace(standing, held=held)
    cooling = standing.cooling_until is not None and now < standing.cooling_until
    patience = 2.0 if cooling and standing.verdict.rank < Verdict.ERODING.rank else 1.0
    waits = (0.0, bars.hold_eroding * patience, bars.hold_cut * patience)
    reached = max(
        (level for level, since in enumerate(held, start=1) if since is not None and now - since >= waits[level - 1]),
        default=0,
    )
    if reached > standing.verdict.rank:
        return _raised(moved, reached)
    if standing.verdict.rank == 0:
        return _resting(moved, evidence, now, bars, cooling=cooling)
    return _falling(moved, evidence, reached, now, bars, cooling=cooling)


def acknowledged(standing: Standing) -> Standing:
    """A person has seen it: the verdict may be nominal again as soon as the evidence is."""
    return replace(standing, cooling_until=None, was_cut=False)


def remembered_cut(standing: Standing) -> Standing:
    """A cut of long ago, which nobody has acknowledged: the verdict is suspect at least."""
    return replace(standing, cooling_until=_FOREVER, was_cut=True)


def _raised(standing: Standing, reached: int) -> Standing:
    verdict = _BY_RANK[reached]
    was_cut = standing.was_cut or verdict is Verdict.CUT
    cooling_until = _FOREVER if reached >= Verdict.ERODING.rank else standing.cooling_until
    return replace(
        standing, verdict=verdict, better_since=None, unseen_since=None, cooling_until=cooling_until, was_cut=was_cut
    )


def _resting(standing: Standing, evidence: Evidence, now: float, bars: Thresholds, *, cooling: bool) -> Standing:
    """Nominal or unknown; a short moment without sight changes neither."""
    if evidence.verdict is not Verdict.UNKNOWN:
        verdict = Verdict.SUSPECT if cooling else Verdict.NOMINAL
        return replace(standing, verdict=verdict, better_since=None, unseen_since=None)
    if standing.verdict is Verdict.UNKNOWN:
        return replace(standing, unseen_since=None)
    since = standing.unseen_since if standing.unseen_since is not None else now
    if now - since < bars.hold_unknown:
        return replace(standing, unseen_since=since)
    return replace(standing, verdict=Verdict.UNKNOWN, unseen_since=None)


def _falling(
    standing: Standing, evidence: Evidence, reached: int, now: float, bars: Thresholds, *, cooling: bool
) -> Standing:
    rank = standing.verdict.rank
    decided_by_two = rank < Verdict.ERODING.rank or evidence.well >= 2 or evidence.silent
    if evidence.verdict.rank >= rank or not decided_by_two:
        return replace(standing, better_since=None)
    since = standing.better_since if standing.better_since is not None else now
    release = (bars.release, bars.release_eroding, bars.release_cut)[rank - 1]
    if cooling and rank == Verdict.SUSPECT.rank and evidence.verdict is not Verdict.UNKNOWN:
        return replace(standing, better_since=since)
    if now - since < release:
        return replace(standing, better_since=since)
    if evidence.verdict is Verdict.UNKNOWN:
        return replace(standing, verdict=Verdict.UNKNOWN, better_since=None)
    until = standing.cooling_until
    if until == _FOREVER and not standing.was_cut:
        until = now + bars.cooldown
    still = until is not None and now < until
    verdict = _BY_RANK[max(reached, Verdict.SUSPECT.rank if still else 0)]
    return replace(standing, verdict=verdict, better_since=None, cooling_until=until)
