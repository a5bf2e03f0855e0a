"""Whether a service of a failover is back: every step of it is done, and none was passed over. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.model import DONE_FORWARD, StepState


@dataclass(frozen=True, slots=True)
class Recovery:
    """`over`: when the last step ended, UTC seconds, None while some are left.

    `gaps`: some were skipped or tolerated, so that nothing shows that the service works.
    """

    over: float | None
    gaps: bool


def recovery(steps: Iterable[tuple[StepState, float | None]]) -> Recovery:
    """Of one service: the state of each step, and when it ended. A service without steps is not back."""
    found = list(steps)
    gaps = any(state in DONE_FORWARD and state is not StepState.SUCCEEDED for state, _ in found)
    if not found or any(state not in DONE_FORWARD for state, _ in found):
        return Recovery(None, gaps)
    return Recovery(max(ended or 0.0 for _, ended in found), gaps)
