"""A runbook: YAML text -> typed steps, or everything that is wrong with it, each with its place and its remedy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field

from orchestrator.domain.kinds import KINDS, check_inputs
from orchestrator.domain.model import Direction
from orchestrator.domain.parameters import PARAMETER_TYPES, misfit
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.references import find_in_keys, find_malformed
from orchestrator.domain.salvage import Part, salvage
from orchestrator.domain.wording import did_you_mean, shown
from orchestrator.domain.yaml_text import Document, read_yaml
from providers.wants import Name, Seconds, Words

MAX_STEPS = 2000
"""Steps of one runbook; a longer one is split and nested."""

ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
LongerThanZero = Annotated[Seconds, Field(gt=0)]


class Retry(Part):
    """How often a failed step is tried in all, and how long it waits in between."""

    attempts: int = Field(default=1, ge=1, le=100)
    wait: Literal["fixed", "exponential"] = "exponential"
    initial: Seconds = 1.0
    max_wait: Seconds = 60.0


class UndoAction(Part):
    """What takes a step back, where its kind cannot or should not do so by itself."""

    uses: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")


class Verify(Part):
    """The check that a step must pass before it has succeeded, repeated until it passes or `within` is over."""

    uses: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    within: LongerThanZero = 120.0
    every: LongerThanZero = 2.0


class StepBody(Part):
    """A step as a runbook writes it. Durations are seconds."""

    uses: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    needs: tuple[Name, ...] = ()
    expect: Seconds | None = Field(default=None, description="how long the step usually takes")
    timeout: LongerThanZero = Field(default=600.0, description="the deadline of one attempt")
    retry: Retry = Retry()
    on_failure: Literal["pause", "continue", "undo"] = "pause"
    verify: Verify | None = None
    undo: Literal["automatic", "none"] | UndoAction = "automatic"
    title: Words | None = None


class Step(StepBody):
    """A step with its name. `undo` says `automatic` only where the step's kind can take itself back."""

    id: str


class Parameter(Part):
    """A value that a runbook is given; without a default it must be given."""

    type: Literal[PARAMETER_TYPES]  # type: ignore[valid-type]
    default: Any = None
    description: Words | None = None


class RunbookText(Part):
    """A runbook's file as it is written; `steps` and `parameters` are read one by one."""

    runbook: Name
    service: Name
    direction: Direction = Direction.FAILOVER
    title: Words
    parameters: dict[ParameterName, Any] = Field(default_factory=dict)
    steps: dict[Name, Any] = Field(min_length=1, max_length=MAX_STEPS)


class Runbook(Part):
    """The prepared steps for one service."""

    name: str
    service: str
    direction: Direction
    title: Words
    parameters: dict[str, Parameter]
    steps: dict[str, Step]
    file: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A runbook's file as far as it can be read.

    `runbook` lacks what could not be understood, so that the rest can be checked
    all the same; it may be run only when nothing was found wrong.
    """

    document: Document
    runbook: Runbook


def read_runbook(text: str | bytes, file: str) -> tuple[Runbook | None, list[Problem]]:
    """The runbook, or all that is wrong within this file. What other files decide is checked by `bundle`."""
    sheet, problems = read_sheet(text, file)
    return (sheet.runbook if sheet and not problems else None), problems


def read_sheet(text: str | bytes, file: str) -> tuple[Sheet | None, list[Problem]]:
    """The runbook as far as it can be read, and everything wrong within the file; None when it is no mapping."""
    document, problems = read_yaml(text, file)
    if document is None:
        return None, problems
    if not isinstance(document.data, Mapping):
        what = "The file is empty." if document.data is None else f"The file holds {shown(document.data)}, no mapping."
        missing = Complaint((), what, "Begin with `runbook: name-of-this-file`.")
        return None, [*problems, document.problem(missing)]
    complaints: list[Complaint] = []
    runbook = _runbook(document.data, file, complaints)
    problems += document.problems(complaints)
    return Sheet(document, runbook), sorted(problems)


def _runbook(data: Mapping[str, Any], file: str, complaints: list[Complaint]) -> Runbook:
    stem = PurePosixPath(file).stem
    words = {"fr": "?", "en": "?"}
    head = salvage(RunbookText, data, complaints, runbook=stem, service="unknown", title=words, steps={"x": None})
    parameters = dict(read_parameters(_block(data, "parameters"), complaints))
    steps = {
        step_id: read_step(("steps", step_id), body, complaints) for step_id, body in _block(data, "steps").items()
    }
    complaints += wrong_signs(data)
    return Runbook(
        name=head.runbook,
        service=head.service,
        direction=head.direction,
        title=head.title,
        parameters=parameters,
        steps=steps,
        file=file,
    )


def _block(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The entries as written: one that is named wrongly is known to the others all the same."""
    block = data.get(name)
    return block if isinstance(block, Mapping) else {}


def read_parameters(written: Mapping[str, Any], complaints: list[Complaint]) -> Iterator[tuple[str, Parameter]]:
    """The parameters of a file's block of that name, each by its own."""
    for name, body in written.items():
        path: Path = ("parameters", name)
        if not isinstance(body, Mapping):
            remedy = f"Write a mapping: `{name}: {{type: string}}`."
            complaints.append(Complaint(path, f"The parameter `{name}` is {shown(body)}, no mapping.", remedy))
            body = {"type": "string"}
        before = len(complaints)
        parameter = salvage(Parameter, body, complaints, *path, type="string")
        if len(complaints) == before and "default" in parameter.model_fields_set:
            complaints += _wrong_default(parameter, (*path, "default"))
        yield name, parameter


def _wrong_default(parameter: Parameter, path: Path) -> Iterator[Complaint]:
    if parameter.default is None:
        yield Complaint(path, "The default is empty.", "Write a value, or remove `default` so that it must be given.")
        return
    wanted = misfit(parameter.type, parameter.default)
    if wanted:
        message = f"The default is {shown(parameter.default)}; a parameter of type {parameter.type} is {wanted}."
        yield Complaint(path, message, f"Write {wanted}, or change `type`.")


def read_step(path: Path, body: object, complaints: list[Complaint]) -> Step:
    """The step that is written at `path`, whose last part is its name."""
    step_id = str(path[-1])
    if not isinstance(body, Mapping):
        complaints.append(
            Complaint(path, f"The step `{step_id}` is {shown(body)}, no mapping.", "Add `uses:` and `with:` below it.")
        )
        return Step(id=step_id, uses="")
    undo = _undo(body, complaints, path)
    rest = {key: value for key, value in body.items() if key != "undo"}
    found = salvage(StepBody, rest, complaints, *path, uses="")
    if isinstance(body.get("uses"), str) and isinstance(body.get("with", {}), Mapping):
        complaints += _wrong_kind(found.uses, found.with_, path, "with" in body)
    if found.verify is not None:
        complaints += _wrong_kind(found.verify.uses, found.verify.with_, (*path, "verify"), True)
    if isinstance(undo, UndoAction):
        complaints += _wrong_kind(undo.uses, undo.with_, (*path, "undo"), True)
    elif "undo" not in body:
        undo = "automatic" if undoes_itself(found.uses, found.with_) else "none"
    return _with_undo(step_id, found, undo)


def _with_undo(step_id: str, body: StepBody, undo: Any) -> Step:
    said = {name: getattr(body, name) for name in body.model_fields_set}
    return Step(id=step_id, undo=undo, **{name: value for name, value in said.items() if name != "undo"})


def undoes_itself(uses: str, with_: Mapping[str, Any]) -> bool:
    """Whether a step of this kind and with these inputs can be taken back by its provider."""
    kind = KINDS.get(uses)
    released = uses == "compute.server" and with_.get("state") == "absent"
    return kind is not None and kind.automatic_undo and not released


def _undo(body: Mapping[str, Any], complaints: list[Complaint], path: Path) -> Any:
    """Read apart: pydantic's words about a choice between a word and a block help nobody."""
    undo = body.get("undo", "automatic")
    if undo in ("automatic", "none"):
        return undo
    if isinstance(undo, Mapping):
        before = len(complaints)
        action = salvage(UndoAction, undo, complaints, *path, "undo", uses="")
        return action if len(complaints) == before else "none"
    message = f"`undo` is {shown(undo)}; it must be automatic, none, or a step's `uses` and `with`."
    remedy = did_you_mean(str(undo), ["automatic", "none"], "Write what takes the step back.")
    complaints.append(Complaint((*path, "undo"), message, remedy))
    return "none"


def _wrong_kind(uses: str, with_: Mapping[str, Any], path: Path, has_with: bool) -> list[Complaint]:
    if uses not in KINDS:
        remedy = did_you_mean(uses, KINDS.keys(), "Name a kind that exists.")
        return [Complaint((*path, "uses"), f"The kind {shown(uses)} is unknown.", remedy)]
    found = check_inputs(uses, with_, resolved=False)
    at: Path = (*path, "with") if has_with else path
    return [one.under(*at) for one in found]


def wrong_signs(data: Mapping[str, Any]) -> Iterator[Complaint]:
    """`${{` where it is no reference, anywhere in the file."""
    for path, wrong in find_malformed(data):
        message = f"{shown(wrong)} is no reference: only a dotted path may stand inside."
        yield Complaint(
            path, message, "Write it such as ${{ parameters.domain }} or ${{ steps.server.outputs.address }}."
        )
    for path in find_in_keys(data):
        yield Complaint(
            path, "A key can't be a reference.", "Write the key out; references stand in values.", on_key=True
        )
