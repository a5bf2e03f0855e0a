"""An estate's files as far as they can be read: what the checks look at."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import EstateSheet
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.references import UNKNOWN_YET, Reference, substitute
from orchestrator.domain.runbook import Runbook, Sheet, Step, UndoAction


@dataclass(frozen=True, slots=True)
class Draft:
    """`sheets` by file name without its ending; `unreadable` are the runbooks that exist and can't be read.

    `today`: the day by which exceptions have ended; None where none has.
    """

    estate: EstateSheet
    sheets: Mapping[str, Sheet]
    unreadable: frozenset[str]
    files: frozenset[str]
    catalogue: Catalogue
    today: datetime.date | None = None

    def in_estate(self, complaint: Complaint) -> Problem:
        return self.estate.document.problem(complaint)


@dataclass(frozen=True, slots=True)
class Action:
    """A kind with its inputs, where a step does, checks or undoes something; `path` is where it stands."""

    step: Step
    uses: str
    with_: Mapping[str, Any]
    path: Path

    @property
    def role(self) -> str:
        """`verify`, `undo`, or nothing for what the step itself does."""
        return str(self.path[2]) if len(self.path) > 2 else ""

    def complaint(self, message: str, remedy: str, *below: str | int) -> Complaint:
        return Complaint((*self.path, *below), message, remedy)


def actions(runbook: Runbook) -> Iterator[Action]:
    """Every action of a runbook whose kind is known."""
    for step in runbook.steps.values():
        path: Path = ("steps", step.id)
        if step.uses in KINDS:
            yield Action(step, step.uses, step.with_, path)
        if step.verify is not None and step.verify.uses in KINDS:
            yield Action(step, step.verify.uses, step.verify.with_, (*path, "verify"))
        if isinstance(step.undo, UndoAction) and step.undo.uses in KINDS:
            yield Action(step, step.undo.uses, step.undo.with_, (*path, "undo"))


def estate_value(draft: Draft, reference: Reference) -> object:
    """What `estate.services.NAME.FIELD` (or `estate.name`) names; UNKNOWN_YET when there is no such thing."""
    estate = draft.estate.estate
    if reference == ("estate", "name"):
        return estate.name
    if len(reference) != 4 or reference[1] != "services" or reference[2] not in estate.services:
        return UNKNOWN_YET
    fields = estate.services[reference[2]].model_dump(mode="json", exclude={"title", "origin"})
    return fields.get(reference[3], UNKNOWN_YET)


def fill(
    draft: Draft, runbook: Runbook, value: Any, *, mode: str = "rehearsal", given: Mapping[str, Any] | None = None
) -> Any:
    """The value with everything in place of references that is known without a run.

    That is what the runbook is given, its defaults, the estate, and the scope's mode.
    """

    def look_up(reference: Reference) -> object:
        if reference[0] == "parameters" and len(reference) == 2:
            if given is not None and reference[1] in given:
                return given[reference[1]]
            parameter = runbook.parameters.get(reference[1])
            return UNKNOWN_YET if parameter is None or parameter.default is None else parameter.default
        if reference[0] == "estate":
            return estate_value(draft, reference)
        return mode if reference == ("scope", "mode") else UNKNOWN_YET

    return substitute(value, look_up)
