"""A proposal's life: one table of legal transitions, and the decisions that policy takes by itself.

Invariant: a proposal ends once. It ends released only by as many people as it
asks for, and withdrawn as soon as what it stood on is gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.signals.quorum import Verdict

WEAK_FOR = 600.0
"""Seconds for which the evidence must have fallen away before a proposal is withdrawn: a moment's doubt is none."""
LOOK_AGAIN = 300.0
"""Seconds until a plan that could not be made is tried again."""


class ProposalState(StrEnum):
    ARMED = "armed"
    BLOCKED = "blocked"
    RELEASED = "released"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"


class ProposalEvent(StrEnum):
    RAISED = "proposal.raised"
    BLOCKED = "proposal.blocked"
    ARMED = "proposal.armed"
    APPROVED = "proposal.approved"
    APPROVAL_VOIDED = "proposal.approval_voided"
    COUNTED_DOWN = "proposal.counted_down"
    RELEASED = "proposal.released"
    WITHDRAWN = "proposal.withdrawn"
    REJECTED = "proposal.rejected"


class IllegalProposalEvent(Exception):
    """An event that the present state does not allow; nothing was changed."""


S, E = ProposalState, ProposalEvent
WAITING = frozenset({S.ARMED, S.BLOCKED})
TABLE: Mapping[tuple[ProposalState | None, ProposalEvent], ProposalState] = {
    (None, E.RAISED): S.BLOCKED,
    (S.BLOCKED, E.BLOCKED): S.BLOCKED,
    (S.BLOCKED, E.ARMED): S.ARMED,
    (S.ARMED, E.APPROVED): S.ARMED,
    (S.ARMED, E.APPROVAL_VOIDED): S.ARMED,
    (S.ARMED, E.COUNTED_DOWN): S.ARMED,
    (S.ARMED, E.RELEASED): S.RELEASED,
    (S.ARMED, E.WITHDRAWN): S.WITHDRAWN,
    (S.BLOCKED, E.WITHDRAWN): S.WITHDRAWN,
    (S.ARMED, E.REJECTED): S.REJECTED,
    (S.BLOCKED, E.REJECTED): S.REJECTED,
}


def next_state(state: ProposalState | None, event: ProposalEvent) -> ProposalState:
    """Raises IllegalProposalEvent."""
    found = TABLE.get((state, event))
    if found is None:
        raise IllegalProposalEvent(f"a proposal that is {state or 'not there'} takes no {event}")
    return found


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a rule's subject. `reached`: since when its verdict has been at least the rule's (UTC
    seconds); None while it is not. `evidence`: what the observations say at this moment, by themselves."""

    verdict: Verdict = Verdict.UNKNOWN
    reached: float | None = None
    evidence: Verdict = Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class Past:
    """A rule's last proposal. `episode`: the `reached` that it was raised for."""

    state: ProposalState
    episode: float
    ended_at: float | None


class Reason(StrEnum):
    """Why policy takes its own proposal back."""

    EVIDENCE = "evidence"
    RULE = "rule"
    HALTED = "halted"


def is_due(rule: ProposalRule, sight: Sight, past: Past | None, now: float) -> bool:
    """Whether the rule proposes now: its verdict has held for its time, and the evidence still does.

    What people released or rejected is not proposed again until the verdict has been better in between; what was
    withdrawn may be, once the evidence has held for the rule's time again.
    """
    if sight.reached is None or sight.evidence.rank < rule.when.bar.rank:
        return False
    since = sight.reached
    if past is not None:
        if past.state in WAITING:
            return False
        if past.episode == sight.reached:
            if past.state is not ProposalState.WITHDRAWN:
                return False
            since = max(since, past.ended_at or since)
    return now - since >= rule.when.for_


def weak_since(bar: Verdict, sight: Sight, before: float | None, now: float) -> float | None:
    """Since when the evidence has been less than the rule asks for; None while it is not."""
    if sight.reached is not None and sight.evidence.rank >= bar.rank:
        return None
    return now if before is None else min(before, now)


def is_withdrawn(weak: float | None, sight: Sight, now: float) -> bool:
    """At once when the verdict itself has fallen; else when the evidence has been away for a while."""
    return weak is not None and (sight.reached is None or now - weak >= WEAK_FOR)
