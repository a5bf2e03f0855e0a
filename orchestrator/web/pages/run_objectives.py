"""How long each service of a run may still be away: its recovery time objective, counted from the run's start. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.model import Direction, StepState
from orchestrator.domain.recovery import recovery
from orchestrator.web.api.answers import RunDetail, StepAnswer


@dataclass(frozen=True, slots=True)
class Objective:
    """Times are seconds since the epoch, `total` is seconds.

    `ends`: when the objective is over; None before the run starts. `reached`: when the last step of the service ended.
    `gaps`: steps were passed over, so it is not known to be back.
    """

    service: str
    title: str
    total: float
    since: float | None
    reached: float | None
    gaps: bool

    @property
    def ends(self) -> float | None:
        return None if self.since is None else self.since + self.total

    @property
    def is_late(self) -> bool:
        """Whether it was reached, and too late."""
        return self.reached is not None and self.ends is not None and self.reached > self.ends

    @property
    def outcome(self) -> str:
        """What the page shows: `left` of the time, `reached` in time or late, or that there are `gaps`."""
        if self.reached is None:
            return "left"
        return "gaps" if self.gaps else "reached"


def objectives(
    run: RunDetail, steps: Sequence[StepAnswer], allowed: Mapping[str, float | None], titles: Mapping[str, str]
) -> list[Objective]:
    """Of a failover: of a way back, nothing is away. `allowed`: seconds by service, where the estate says any."""
    if run.direction != Direction.FAILOVER:
        return []
    ended: dict[str, list[tuple[StepState, float | None]]] = {name: [] for name in run.services}
    for step in steps:
        ended.setdefault(step.service, []).append((step.state, step.ended_at))
    found = []
    for name in run.services:
        if (total := allowed.get(name)) is not None:
            back = recovery(ended[name])
            found.append(Objective(name, titles.get(name, name), total, run.started_at, back.over, back.gaps))
    return found
