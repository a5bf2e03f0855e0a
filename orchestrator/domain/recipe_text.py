"""A recipe's file: YAML text -> Recipe, or everything that is wrong with it, each with its place and its remedy."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from orchestrator.domain.kinds import KINDS
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.recipe import ROLES, Asked, Recipe, RecipeStep, Role
from orchestrator.domain.references import find_references
from orchestrator.domain.runbook import ParameterName, Step, StepBody, read_parameters, read_step, wrong_signs
from orchestrator.domain.salvage import Part, salvage
from orchestrator.domain.wording import did_you_mean, listed, shown
from orchestrator.domain.yaml_text import Document, read_yaml
from providers.wants import Name, Stage

PROVE = "prove"


class RecipeText(Part):
    """A recipe's file as it is written; the blocks are read one by one."""

    recipe: Name
    asks: dict[Role, dict[ParameterName, Asked]] = Field(default_factory=dict)
    parameters: dict[ParameterName, Any] = Field(default_factory=dict)
    stages: dict[Stage, dict[Name, Any]] = Field(min_length=1)


def read_recipe(text: str | bytes, file: str) -> tuple[Recipe | None, list[Problem]]:
    """The recipe, or all that is wrong with its file."""
    document, problems = read_yaml(text, file)
    if document is None:
        return None, problems
    if not isinstance(document.data, Mapping):
        nothing = Complaint((), "The file holds no mapping.", "Begin with `recipe: name-of-this-file`.")
        return None, [*problems, document.problem(nothing)]
    complaints: list[Complaint] = []
    recipe = _recipe(document, file, complaints)
    complaints += [*_wrong(recipe), *wrong_signs(document.data)]
    problems += document.problems(complaints)
    return (None if problems else recipe), sorted(problems)


def _recipe(document: Document, file: str, complaints: list[Complaint]) -> Recipe:
    stem, data = PurePosixPath(file).stem, document.data
    head = salvage(RecipeText, data, complaints, recipe=stem, stages={"cutover": {"x": None}})
    if head.recipe != stem:
        message = f"The recipe is named `{head.recipe}` in {stem}.yaml."
        complaints.append(Complaint(("recipe",), message, f"Write `recipe: {stem}`."))
    stages = {
        stage: {name: _step(("stages", stage, name), body, complaints) for name, body in steps.items()}
        for stage, steps in head.stages.items()
    }
    return Recipe(
        recipe=head.recipe,
        asks={role: head.asks.get(role, {}) for role in ROLES},
        parameters=dict(read_parameters(head.parameters, complaints)),
        stages=stages,
    )


def _step(path: Path, body: object, complaints: list[Complaint]) -> RecipeStep:
    if not isinstance(body, Mapping):
        return RecipeStep(step=read_step(path, body, complaints))
    condition = body.get("if", [])
    names = condition if isinstance(condition, list) else [condition]
    wrong = [name for name in names if not _is_condition(name)]
    if wrong:
        message = f"`if` is {shown(wrong[0])}; it names a fact or a parameter."
        complaints.append(Complaint((*path, "if"), message, "Write it such as target.dkim."))
    only_if = tuple(tuple(str(name).split(".")) for name in names if _is_condition(name))
    rest = {key: value for key, value in body.items() if key not in ("if", PROVE)}
    if PROVE not in body:
        return RecipeStep(step=read_step(path, rest, complaints), only_if=only_if)
    place = body[PROVE]
    if not isinstance(place, Mapping):
        complaints.append(Complaint((*path, PROVE), f"`prove` is {shown(place)}.", "Write where: `prove: {url: …}`."))
        place = {}
    stands_for = salvage(StepBody, {**rest, "uses": PROVE}, complaints, *path)
    said = {name: getattr(stands_for, name) for name in stands_for.model_fields_set}
    return RecipeStep(step=Step(id=str(path[-1]), **said), only_if=only_if, place=dict(place))


def _is_condition(name: object) -> bool:
    parts = name.split(".") if isinstance(name, str) else []
    return len(parts) == 2 and parts[0] in (*ROLES, "parameters")


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
            for path in each.only_if:
                if not _exists(recipe, path):
                    yield Complaint((*at, "if"), f"There is no `{'.'.join(path)}`.", "Add it to `asks`.")
            if each.step.uses in KINDS and KINDS[each.step.uses].expands:
                yield Complaint((*at, "uses"), f"A recipe can't use `{each.step.uses}`.", "Write its steps out.")
            yield from _wrong_references(recipe, each, at)


def _wrong_references(recipe: Recipe, each: RecipeStep, at: Path) -> Iterator[Complaint]:
    body = each.step.model_dump(by_alias=True, exclude_unset=True)
    body = body if each.place is None else {**body, PROVE: each.place}
    for path, reference in find_references(body):
        if reference[0] in (*ROLES, "parameters") and not _exists(recipe, reference):
            known = _names(recipe, reference[0])
            remedy = f"Use one of {listed(sorted(known))}." if known else "Add it to `asks` or `parameters`."
            yield Complaint((*at, *path), f"There is no `{'.'.join(reference)}`.", remedy)


def _names(recipe: Recipe, root: str) -> set[str]:
    known: dict[str, Mapping[str, Any]] = {role: recipe.asks[role] for role in ROLES}
    known["parameters"] = recipe.parameters
    return set(known[root])


def _exists(recipe: Recipe, reference: tuple[str, ...]) -> bool:
    """Parameters that a target brings itself stand in its facts, never in a recipe."""
    return len(reference) == 2 and reference[1] in _names(recipe, reference[0])
