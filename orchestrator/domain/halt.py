"""The kill switch: one halt of everything, by whom and why."""

from dataclasses import dataclass

HOW_TO_LIFT = "bascule halt --lift --reason WHY"


@dataclass(frozen=True, slots=True)
class Halted:
    """A halt in force since `at` (seconds since the epoch, UTC): nothing new takes effect, in any run."""

    id: int
    at: float
    by: str
    reason: str

    @property
    def message(self) -> str:
        """What a run says that it paused."""
        return f"Halted by the kill switch: {self.reason}"


@dataclass(frozen=True, slots=True)
class Halt:
    """One line of the history. `lifted_…` are None while it is in force."""

    id: int
    at: float
    by: str
    reason: str
    lifted_at: float | None = None
    lifted_by: str | None = None
    lift_reason: str | None = None
