"""What is said of every subject now, and since when it has been that bad: the fold of the changes of verdicts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.domain.signals.change import JURISDICTION
from orchestrator.domain.signals.quorum import Verdict


class Said(NamedTuple):
    """One change of a verdict, as it was recorded. `since`: when what it speaks of began. Both in UTC seconds."""

    subject: str
    verdict: Verdict
    at: float
    since: float


@dataclass(slots=True)
class Board:
    """Takes changes in the order in which they were recorded. `count`: how many it has taken."""

    count: int = 0
    _latest: dict[str, Said] = field(default_factory=dict)
    _reached: dict[str, dict[int, float]] = field(default_factory=dict)
    _onsets: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, changes: Iterable[Said]) -> "Board":
        board = cls()
        for one in changes:
            board.note(one)
        return board

    def note(self, one: Said) -> None:
        self.count += 1
        self._latest[one.subject] = one
        if one.verdict is Verdict.UNKNOWN:
            return  # silence is no better than what was said before it
        reached = self._reached.setdefault(one.subject, {})
        for rank in range(1, Verdict.CUT.rank + 1):
            if one.verdict.rank >= rank:
                reached.setdefault(rank, one.at)
            else:
                reached.pop(rank, None)
        if one.verdict.rank >= Verdict.ERODING.rank:
            self._onsets[one.subject] = min(one.since, self._onsets.get(one.subject, one.since))
        else:
            self._onsets.pop(one.subject, None)

    def verdict(self, subject: str) -> Verdict:
        found = self._latest.get(subject)
        return found.verdict if found else Verdict.UNKNOWN

    def reached(self, subject: str, bar: Verdict) -> float | None:
        """Since when the verdict on the subject has been at least that bad (UTC seconds); None while it is not.

        A time of silence in between does not end it.
        """
        return self._reached.get(subject, {}).get(bar.rank)

    def subjects(self) -> tuple[str, ...]:
        return tuple(self._latest)

    def earliest(self, after: float) -> float | None:
        """When the oldest of what is suspect at least, or was when it fell silent, began (UTC seconds); what began
        before `after` is left out."""
        began = (min(found.values()) for found in self._reached.values() if found)
        return min((at for at in began if at >= after), default=None)

    def onsets(self) -> dict[str, float]:
        """Of each vendor that erodes or is cut, when that began (UTC seconds): clocks run from there."""
        return {name: at for name, at in self._onsets.items() if not name.startswith(JURISDICTION)}


class Situation(NamedTuple):
    """Everything that policy decides on, as of one moment. `now`: UTC seconds. `evidence`: by subject, what the
    observations say at this moment by themselves."""

    now: float
    board: Board
    evidence: Mapping[str, Verdict]
