"""A recipe: how an endpoint of one sort moves, as steps in three stages, for any target that tells it its facts.

It is written as a runbook is, with three more words. `asks` says what it must know
of the target and of the vendor that is left; `${{ target.X }}` and `${{ vendor.X }}`
stand for that. `if` leaves a step out where what it names is empty. A step without
`needs` follows the steps of the stage before.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field

from orchestrator.domain.parameters import PARAMETER_TYPES
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.references import UNKNOWN_YET, find_references, substitute, value_at
from orchestrator.domain.runbook import Parameter, ParameterName, Step, read_parameters, read_step, wrong_signs
from orchestrator.domain.salvage import Part, salvage
from orchestrator.domain.wording import did_you_mean, listed, shown
from orchestrator.domain.yaml_text import Document, read_yaml
from providers.wants import Name, Stage

STAGES: tuple[Stage, ...] = ("prepare", "cutover", "settle")
"""Before the day, on the day, and days after it."""
Role = Literal["target", "vendor"]
ROLES: tuple[Role, ...] = ("target", "vendor")


class Asked(Part):
    """A fact that a recipe must know of a product; without a default the product's file must say it."""

    type: Literal[PARAMETER_TYPES]  # type: ignore[valid-type]
    default: Any = None
    says: str = ""

    @property
    def required(self) -> bool:
        return "default" not in self.model_fields_set


class RecipeStep(Part):
    """A step, and what must not be empty for it to be there."""

    step: Step
    only_if: tuple[str, ...] = ()


class RecipeText(Part):
    """A recipe's file as it is written; the blocks are read one by one."""

    recipe: Name
    asks: dict[Role, dict[ParameterName, Asked]] = Field(default_factory=dict)
    parameters: dict[ParameterName, Any] = Field(default_factory=dict)
    stages: dict[Stage, dict[Name, Any]] = Field(min_length=1)


class Recipe(Part):
    """Steps by stage and name. `asks` always has both roles."""

    recipe: str
    asks: dict[Role, dict[str, Asked]]
    parameters: dict[str, Parameter]
    stages: dict[Stage, dict[str, RecipeStep]]

    def steps(
        self, facts: Mapping[str, Any], settings: Mapping[str, Any], stages: tuple[Stage, ...]
    ) -> dict[str, Step]:
        """The steps of these stages with the facts filled in, named STAGE-NAME, each with all that it needs.

        `facts`: `target` and `vendor`. `settings`: the parameters, to know which steps are left out.
        Steps that need one that is left out need what that one needed.
        """
        known = {**facts, "parameters": settings}
        made: dict[str, Step] = {}
        ends: dict[str, tuple[str, ...]] = {}
        last: tuple[str, ...] = ()
        for stage in (one for one in STAGES if one in stages and one in self.stages):
            entry = last
            for name, written in self.stages[stage].items():
                step_id = f"{stage}-{name}"
                needs = tuple(dict.fromkeys(end for need in written.step.needs for end in ends[f"{stage}-{need}"]))
                needs = needs or entry
                if written.only_if and not value_at(known, written.only_if):
                    ends[step_id] = needs
                    continue
                ends[step_id] = (step_id,)
                made[step_id] = _filled(written.step, step_id, needs, facts)
            inside = {step_id for step_id in made if step_id.startswith(f"{stage}-")}
            needed = {need for step_id in inside for need in made[step_id].needs}
            last = tuple(step_id for step_id in made if step_id in inside and step_id not in needed) or entry
        return made


def _filled(step: Step, step_id: str, needs: tuple[str, ...], facts: Mapping[str, Any]) -> Step:
    def look_up(path: tuple[str, ...]) -> object:
        return value_at(facts, path) if path[0] in ("target", "vendor") else UNKNOWN_YET

    body = step.model_dump(by_alias=True, exclude_unset=True)
    body = substitute(body, look_up)
    body["with"] = _own_names(body.get("with", {}), step_id)
    return Step.model_validate({**body, "id": step_id, "needs": needs}, by_alias=True, by_name=False)


def _own_names(with_: dict[str, Any], step_id: str) -> dict[str, Any]:
    """References to steps of the same stage, by the names that they have in the plan."""
    stage = step_id.partition("-")[0]

    def look_up(path: tuple[str, ...]) -> object:
        if path[0] != "steps":
            return UNKNOWN_YET
        return "${{ " + ".".join(("steps", f"{stage}-{path[1]}", *path[2:])) + " }}"

    found: dict[str, Any] = substitute(with_, look_up)
    return found


def read_recipe(text: str | bytes, file: str) -> tuple[Recipe | None, list[Problem]]:
    """The recipe, or all that is wrong with its file."""
    document, problems = read_yaml(text, file)
    if document is None:
        return None, problems
    if not isinstance(document.data, Mapping):
        return None, [
            *problems,
            document.problem(Complaint((), "The file holds no mapping.", "Begin with `recipe: `.")),
        ]
    complaints: list[Complaint] = []
    recipe = _recipe(document, file, complaints)
    complaints += [*_wrong(recipe), *wrong_signs(document.data)]
    problems += document.problems(complaints)
    return (None if problems else recipe), sorted(problems)


def _recipe(document: Document, file: str, complaints: list[Complaint]) -> Recipe:
    stem, data = PurePosixPath(file).stem, document.data
    head = salvage(RecipeText, data, complaints, recipe=stem, stages={"cutover": {"x": None}})
    if head.recipe != stem:
        complaints.append(
            Complaint(("recipe",), f"The recipe is named `{head.recipe}` in {stem}.yaml.", f"Write `{stem}`.")
        )
    parameters = dict(read_parameters(data.get("parameters") or {}, complaints))
    stages = {
        stage: {name: _step(("stages", stage, name), body, complaints) for name, body in steps.items()}
        for stage, steps in head.stages.items()
    }
    asks = {role: head.asks.get(role, {}) for role in ROLES}
    return Recipe(recipe=head.recipe, asks=asks, parameters=parameters, stages=dict(stages))


def _step(path: Path, body: object, complaints: list[Complaint]) -> RecipeStep:
    condition: tuple[str, ...] = ()
    if isinstance(body, Mapping) and "if" in body:
        said = body["if"]
        condition = tuple(str(said).split("."))
        if not isinstance(said, str) or condition[0] not in ("target", "vendor", "parameters") or len(condition) != 2:
            message = f"`if` is {shown(said)}; it names a fact or a parameter."
            complaints.append(Complaint((*path, "if"), message, "Write it such as target.dkim."))
            condition = ()
        body = {key: value for key, value in body.items() if key != "if"}
    return RecipeStep(step=read_step(path, body, complaints), only_if=condition)


def _wrong(recipe: Recipe) -> Iterator[Complaint]:
    """What a step needs, refers to and depends on exists."""
    for stage, steps in recipe.stages.items():
        seen: set[str] = set()
        for name, each in steps.items():
            at: Path = ("stages", stage, name)
            for index, need in enumerate(each.step.needs):
                if need not in seen:
                    message = f"No step `{need}` stands before this one in `{stage}`."
                    yield Complaint((*at, "needs", index), message, did_you_mean(need, seen, "Name an earlier step."))
            seen.add(name)
            if each.only_if and not _exists(recipe, each.only_if):
                yield Complaint((*at, "if"), f"There is no `{'.'.join(each.only_if)}`.", "Add it to `asks`.")
            yield from _wrong_references(recipe, each.step, at)


def _wrong_references(recipe: Recipe, step: Step, at: Path) -> Iterator[Complaint]:
    body = step.model_dump(by_alias=True, exclude_unset=True)
    for path, reference in find_references(body):
        if reference[0] in ("target", "vendor", "parameters") and not _exists(recipe, reference):
            known = _names(recipe, reference[0])
            remedy = f"Use one of {listed(sorted(known))}." if known else "Add it to `asks` or `parameters`."
            yield Complaint((*at, *path), f"There is no `{'.'.join(reference)}`.", remedy)


def _names(recipe: Recipe, root: str) -> set[str]:
    return (
        set(recipe.parameters) if root == "parameters" else set(recipe.asks["target" if root == "target" else "vendor"])
    )


def _exists(recipe: Recipe, reference: tuple[str, ...]) -> bool:
    """Parameters that a target brings itself stand in its facts, never in a recipe."""
    return len(reference) == 2 and reference[1] in _names(recipe, reference[0])
