"""What a rule will do next: the same conditions as `is_due`, told before they are met."""

from enum import StrEnum

from orchestrator.domain.proposals.proposal import WAITING, Past, ProposalState, Sight
from orchestrator.domain.proposals.rule import ProposalRule


class Stage(StrEnum):
    """Where a rule is on its way to a proposal."""

    BELOW = "below"
    """The verdict is not as bad as the rule asks for."""
    WEAK = "weak"
    """It is, and the observations of this moment do not say so any more."""
    HOLDS = "holds"
    """It must hold until the time that goes with this."""
    WAITS = "waits"
    """Its proposal is there, and waits for people."""
    DECIDED = "decided"
    """People have released or rejected it: nothing more comes before the verdict has been better."""


def stage(rule: ProposalRule, sight: Sight, past: Past | None) -> tuple[Stage, float | None]:
    """With `HOLDS`, when it proposes if nothing changes (UTC seconds)."""
    if past is not None and past.state in WAITING:
        return Stage.WAITS, None
    if sight.reached is None:
        return Stage.BELOW, None
    since = sight.reached
    if past is not None and past.episode == sight.reached:
        if past.state is not ProposalState.WITHDRAWN:
            return Stage.DECIDED, None
        since = max(since, past.ended_at or since)
    if sight.evidence.rank < rule.when.bar.rank:
        return Stage.WEAK, None
    return Stage.HOLDS, since + rule.when.for_
