"""How long each service of a run may still be away: its recovery time objective, counted from the run's start. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.model import DONE_FORWARD, Direction
from orchestrator.web.api.answers import RunDetail, StepAnswer


@dataclass(frozen=True, slots=True)
class Objective:
    """Times are seconds since the epoch, `total` is seconds.

    `ends`: when the objective is over; None before the run starts. `reached`: when the last step of the service ended.
    """

    service: str
    title: str
    total: float
    since: float | None
    reached: float | None

    @property
    def ends(self) -> float | None:
        return None if self.since is None else self.since + self.total

    @property
    def is_late(self) -> bool:
        """Whether it was reached, and too late."""
        return self.reached is not None and self.ends is not None and self.reached > self.ends


def objectives(
    run: RunDetail, steps: Sequence[StepAnswer], allowed: Mapping[str, float | None], titles: Mapping[str, str]
) -> list[Objective]:
    """Of a failover: of a way back, nothing is away. `allowed`: seconds by service, where the estate says any."""
    if run.direction != Direction.FAILOVER:
        return []
    left = {step.service for step in steps if step.state not in DONE_FORWARD}
    ended: dict[str, float] = {}
    for step in steps:
        ended[step.service] = max(ended.get(step.service, 0.0), step.ended_at or 0.0)
    return [
        Objective(
            name,
            titles.get(name, name),
            total,
            run.started_at,
            ended[name] if name in ended and name not in left else None,
        )
        for name in run.services
        if (total := allowed.get(name)) is not None
    ]
