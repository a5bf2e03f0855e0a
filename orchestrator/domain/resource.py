"""What Bascule made outside, and whether a run stands behind it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.domain.model import StepState

_NOTHING_LEFT = frozenset({StepState.UNDONE, StepState.CANCELLED, StepState.PENDING})
_AT_WORK = frozenset(
    {StepState.RUNNING, StepState.SETTLING, StepState.VERIFYING, StepState.UNDOING, StepState.UNDO_SETTLING}
)


class Standing(StrEnum):
    """How a thing that carries Bascule's tags stands to the runs that this installation knows."""

    IN_USE = "in use"
    """Its step made it and has it on record, or is at work on it now."""
    LEFT_BEHIND = "left behind"
    """Its run is known, and its step does not have it on record, or was undone."""
    OF_NO_RUN = "of no run"
    """No run of this installation made it: another one did, or this one's database was lost."""


class Decision(StrEnum):
    """What a person said of a thing that no run stands behind."""

    NONE = ""
    KEEP = "keep"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What the journal knows of the step whose tags a thing carries."""

    state: StepState
    effect: Mapping[str, Any]


def standing(thing_id: str, step: StepRecord | None, *, run_known: bool) -> Standing:
    """A thing is in use when its step's effect names it; while the step is at work, its effect is not settled yet."""
    if step is None:
        return Standing.LEFT_BEHIND if run_known else Standing.OF_NO_RUN
    if step.state in _AT_WORK:
        return Standing.IN_USE
    if step.state in _NOTHING_LEFT or thing_id not in ids_in(step.effect):
        return Standing.LEFT_BEHIND
    return Standing.IN_USE


def ids_in(effect: Mapping[str, Any]) -> set[str]:
    """The ids of everything that a step's effect records: servers with what is theirs, or one volume or snapshot."""
    found: set[str] = set()
    for server in effect.get("servers", ()):
        found |= {str(server["id"]), *server.get("volumes", {}), *server.get("ips", ()), *server.get("firewalls", ())}
    found |= {str(part["id"]) for part in effect.get("parts", ())}
    return found | ({str(effect["id"])} if "id" in effect else set())
