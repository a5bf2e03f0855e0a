"""What a step row carries for the engine: all that an attempt needs, without the plan."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class RetrySpec(_Part):
    attempts: int = 1
    wait: Literal["fixed", "exponential"] = "exponential"
    initial: float = 1.0
    max_wait: float = 60.0

    def delay_after(self, attempt: int) -> float:
        """Seconds to wait after this attempt (counted from 1) failed."""
        if self.wait == "fixed":
            return self.initial
        return float(min(self.max_wait, self.initial * 2.0 ** min(attempt - 1, 30)))


class ActionSpec(_Part):
    """A kind and its inputs, in which references to other steps' outputs may still stand."""

    uses: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")


class VerifySpec(ActionSpec):
    within: float = 120.0
    every: float = 2.0


class StepSpec(ActionSpec):
    service: str
    runbook: str
    title: dict[str, str] | None = None
    expect: float | None = None
    timeout: float = 600.0
    retry: RetrySpec = RetrySpec()
    on_failure: Literal["pause", "continue", "undo"] = "pause"
    verify: VerifySpec | None = None
    undo: Literal["automatic", "none"] | ActionSpec = "automatic"
    before: dict[str, Any] | None = None
    """What the plan saw and the digest covers; None where nothing is compared."""
    origin: ActionSpec | None = None
    """How the place that an undo would point back to shows that it is alive."""
    names: dict[str, str] = Field(default_factory=dict)
    """Step name used in references -> step id of the plan."""
