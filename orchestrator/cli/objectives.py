"""How much of each service's recovery time objective is left while a run moves it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.cli.answers import RunAnswer, StepAnswer
from orchestrator.domain.model import RunState
from orchestrator.domain.recovery import recovery
from orchestrator.web.times import duration
from orchestrator.web.words import Language, say

_COUNT = frozenset({RunState.AWAITING_RELEASE, RunState.RUNNING, RunState.SUCCEEDED, RunState.INCOMPLETE})
"""States of a run in which somebody hopes for its services; what is taken back has no objective."""
SOON = 0.25
"""The share of an objective that is left when it is told more loudly."""


@dataclass(frozen=True, slots=True)
class Objective:
    """`left`: seconds, fewer than none once it is missed. `met_at` is None while the service is not there yet.

    `gaps`: its steps are over, but some were passed over.
    """

    service: str
    rto: float
    left: float
    met_at: float | None
    gaps: bool

    @property
    def counts(self) -> bool:
        """Whether it is still counting down, or up."""
        return self.met_at is None

    @property
    def style(self) -> str:
        if self.gaps and not self.counts:
            return "bold yellow"
        if self.left < 0:
            return "bold red"
        if self.counts and self.left < SOON * self.rto:
            return "bold yellow"
        return "default not bold"

    def words(self, language: Language) -> str:
        told = duration(abs(self.left), language)
        if self.counts:
            return say(language, "cli.rto.left" if self.left >= 0 else "cli.rto.missed", time=told)
        if self.gaps:
            return say(language, "cli.rto.gaps")
        return say(language, "cli.rto.met" if self.left >= 0 else "cli.rto.late", time=told)


def objectives(
    run: RunAnswer, steps: Sequence[StepAnswer], rto: Mapping[str, float], now: float
) -> dict[str, Objective]:
    """By service, for those that have one (`rto`, seconds). It counts from the run's start, as on its page."""
    if run.direction != "failover" or run.state not in _COUNT:
        return {}
    begun = now if run.started_at is None else run.started_at
    by_service: dict[str, list[StepAnswer]] = {}
    for step in steps:
        by_service.setdefault(step.service, []).append(step)
    return {name: _objective(name, rto[name], by_service[name], begun, now) for name in by_service if rto.get(name)}


def _objective(name: str, rto: float, steps: Sequence[StepAnswer], begun: float, now: float) -> Objective:
    back = recovery((step.state, step.ended_at) for step in steps)
    return Objective(name, rto, begun + rto - (now if back.over is None else back.over), back.over, back.gaps)
