"""The nouns that every floor shares."""

from enum import StrEnum


class Mode(StrEnum):
    """What a run is for; it comes from the scope, and nothing in the code branches on it but authority."""

    REHEARSAL = "rehearsal"
    DRILL = "drill"
    LIVE = "live"


class Direction(StrEnum):
    FAILOVER = "failover"
    FAILBACK = "failback"


class StepState(StrEnum):
    """Where a step stands. `journal.STEP_TABLE` says how it can move."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    SETTLING = "settling"
    """The effect is started and not finished: a server that boots."""
    VERIFYING = "verifying"
    WAITING = "waiting"
    """For people or for time, never for a thread."""
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    TOLERATED = "tolerated"
    """It failed or is unknown, and its runbook says to go on."""
    CANCELLED = "cancelled"
    FAILED = "failed"
    HELD = "held"
    """What it would change has moved since the plan: a person decides."""
    UNKNOWN = "unknown"
    """Whether its effect happened can't be proved: a person decides."""
    UNDO_READY = "undo_ready"
    UNDOING = "undoing"
    UNDO_SETTLING = "undo_settling"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"
    """Neither forward nor back: it belongs to a person."""
    LEFT = "left"
    """A person said to leave its effect in place."""


class RunState(StrEnum):
    AWAITING_RELEASE = "awaiting_release"
    RUNNING = "running"
    CANCELLING = "cancelling"
    UNDO_REQUESTED = "undo_requested"
    """Undo waits for the attempts under way to end."""
    UNDOING = "undoing"
    SUCCEEDED = "succeeded"
    INCOMPLETE = "incomplete"
    """Every step ended, but some were skipped or tolerated: not green."""
    CANCELLED = "cancelled"
    UNDONE = "undone"
    PARTLY_UNDONE = "partly_undone"
    """Undo ended, and a person said to leave some effects in place."""


DONE_FORWARD = frozenset({StepState.SUCCEEDED, StepState.SKIPPED, StepState.TOLERATED})
"""States that count as a fulfilled need."""

TROUBLED = frozenset({StepState.FAILED, StepState.HELD, StepState.UNKNOWN, StepState.UNDO_FAILED})
"""States that wait for a person's decision."""

ENDED_RUN = frozenset(
    {RunState.SUCCEEDED, RunState.INCOMPLETE, RunState.CANCELLED, RunState.UNDONE, RunState.PARTLY_UNDONE}
)
