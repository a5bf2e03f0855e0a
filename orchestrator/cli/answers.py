"""What the service answers about runs and steps, as the command line reads it: a newer service may say more."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.model import ENDED_RUN, Mode, RunState, StepState


class _Answer(BaseModel):
    """What is excluded is for the terminal's picture alone; programs are told as much as ever."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class RunAnswer(_Answer):
    """A run as it stands. Times are seconds since the epoch, UTC."""

    id: str
    state: RunState
    plan_digest: str
    commit: str = ""
    scope: str
    mode: Mode
    direction: str
    services: list[str]
    requested_by: str = ""
    reason: str = ""
    releases_needed: int = 0
    releases: list[str] = Field(default_factory=list)
    paused: bool = False
    message: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    expected_seconds: float = 0.0
    """Of its plan; 0 where only the run's row is told."""
    seq: int = Field(default=0, exclude=True)
    """The last event of its journal, from which its stream goes on."""
    undo_remaining: int = Field(default=0, exclude=True)

    @property
    def ended(self) -> bool:
        return self.state in ENDED_RUN


class StepAnswer(_Answer):
    """A step as it stands."""

    id: str
    uses: str
    state: StepState
    service: str = ""
    attempt: int = 0
    message: str = ""
    waits_for: dict[str, Any] | None = None
    expect: float | None = None
    needs: list[str] = Field(default_factory=list)
    started_at: float | None = None
    ended_at: float | None = None
    wake_at: float | None = None
    title: dict[str, str] | None = Field(default=None, exclude=True)

    @property
    def step_id(self) -> str:
        """Its id, by the name that the journal's rows have for it."""
        return self.id

    @property
    def waits_for_what(self) -> str:
        """`approval`, `task`, `time`, `decision`, or nothing."""
        return str((self.waits_for or {}).get("for", ""))


class RunWithSteps(_Answer):
    run: RunAnswer
    steps: list[StepAnswer]


class EventAnswer(_Answer):
    """One line of a run's journal."""

    seq: int
    at: float
    kind: str
    actor: str
    step: str | None = None
    attempt: int = 0
    data: dict[str, Any] = Field(default_factory=dict)


class LogLine(_Answer):
    """One line that a step wrote while it ran."""

    id: int
    step: str
    attempt: int = 0
    at: float
    text: str
