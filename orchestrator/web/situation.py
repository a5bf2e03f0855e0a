"""The situation at one moment, as one person sees it: what is proposed, what runs, what is noticed, what waits."""

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.domain.model import Mode
from orchestrator.domain.people.actor import Actor
from orchestrator.domain.proposals.proposal import ProposalState
from orchestrator.domain.signals.clock_board import ClockBoard, ClockStanding
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.request import RequestError
from orchestrator.web.api.proposal_routes import ProposalAnswer, read_proposals
from orchestrator.web.api.standing_routes import read_standing
from orchestrator.web.api.verdict_routes import VerdictAnswer, read_verdicts
from orchestrator.web.edge.authority import sees
from orchestrator.web.errands import Errand, errands
from orchestrator.web.parts import Parts
from orchestrator.web.reading import ActiveRun
from orchestrator.web.words import Language, say

MOST = 50
"""Active runs, and proposals, that are looked at."""
_TOLD = {"live": "active", "lost": "unwell"}
"""What the sentence in front says of some says enough of all of them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of each. `troubled`: steps that a person must decide on; `live`: of the active runs, the real
    ones; `lost`: of those that are not well, those that erode or are cut; `soon`: clocks that run out within a day."""

    halted: bool
    troubled: int
    mine: int
    others: int
    armed: int
    blocked: int
    active: int
    live: int
    unwell: int
    lost: int
    unknown: int
    nominal: int
    soon: int


@dataclass(frozen=True, slots=True)
class Headline:
    """The situation in a sentence; `parts` are what else there is."""

    text: str
    icon: str
    tone: str
    parts: list[str]


@dataclass(frozen=True, slots=True)
class Situation:
    """`mine` and `others`: what waits for people, the most urgent first. The verdicts are the worst first."""

    active: list[ActiveRun]
    proposed: list[ProposalAnswer]
    verdicts: list[VerdictAnswer]
    clocks: ClockBoard
    mine: list[Errand]
    others: list[Errand]
    counts: Counts


def situation_of(given: Parts, acting: Actor) -> Situation:
    """All that the caller may see of it."""
    active = [one for one in given.reading.active(MOST) if sees(acting, one.run.services)]
    proposed = [one for one in read_proposals(given, MOST, waiting=True) if sees(acting, one.services)]
    standing = [one for one in read_standing(given) if sees(acting, one.services)]
    verdicts, clocks = read_verdicts(given), _clocks(given)
    waiting = errands(given, acting, active, proposed, standing, verdicts)
    mine = [one for one in waiting if one.mine]
    others = [one for one in waiting if not one.mine]
    halted = given.service.halt.in_force() is not None
    counts = Counts(
        halted=halted,
        troubled=sum(one.kind in ("failed", "held", "unknown", "undo_failed") for one in waiting),
        mine=len(mine),
        others=sum(one.kind != "proposal" for one in others),
        armed=sum(one.state is ProposalState.ARMED for one in proposed),
        blocked=sum(one.state is ProposalState.BLOCKED for one in proposed),
        active=len(active),
        live=sum(entry.run.mode == Mode.LIVE for entry in active),
        unwell=sum(one.verdict.rank > 0 for one in verdicts),
        lost=sum(one.verdict in (Verdict.ERODING, Verdict.CUT) for one in verdicts),
        unknown=sum(one.verdict is Verdict.UNKNOWN for one in verdicts),
        nominal=sum(one.verdict is Verdict.NOMINAL for one in verdicts),
        soon=sum(line.standing in (ClockStanding.SOON, ClockStanding.OUT) for line in clocks.lines),
    )
    return Situation(active, proposed, verdicts, clocks, mine, others, counts)


def headline(language: Language, counts: Counts) -> Headline:
    """The gravest thing in front: what stands still, what counts down, what really moves, what is noticed, what is
    practised, what waits."""
    for name, icon, tone, count in _levels(counts):
        if count:
            told = _TOLD.get(name, name)
            parts = [say(language, f"now.part.{key}", count=number) for key, number in _parts(counts) if key != told]
            return Headline(say(language, f"now.head.{name}", count=count), icon, tone, parts)
    return Headline(say(language, "now.head.calm"), "done", "good", [])


def _levels(counts: Counts) -> Iterator[tuple[str, str, str, int]]:
    yield "halted", "stopped", "bad", int(counts.halted)
    yield "troubled", "decide", "bad", counts.troubled
    yield "armed", "waits", "waits", counts.armed
    yield "live", "moving", "moving", counts.live
    yield "blocked", "decide", "bad", counts.blocked
    yield "lost", "failed", "bad", counts.lost
    yield "active", "moving", "moving", counts.active
    yield "unwell", "check", "waits", counts.unwell
    yield "mine", "waits", "waits", counts.mine
    yield "others", "waits", "waits", counts.others
    yield "unknown", "later", "quiet", counts.unknown


def _parts(counts: Counts) -> Iterator[tuple[str, int]]:
    for key in ("mine", "others", "armed", "blocked", "active", "unwell", "unknown", "soon"):
        number = getattr(counts, key)
        if number:
            yield key, number


def _clocks(given: Parts) -> ClockBoard:
    """Nothing runs out while no estate can be read."""
    try:
        return given.service.clocks.board()
    except RequestError:
        return ClockBoard(False, ())
