"""The catalogue's files: one YAML file each, `vendors/NAME.yaml`, `targets/NAME.yaml`, `recipes/NAME.yaml`."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeVar

from pydantic import ValidationError

from orchestrator.domain.catalogue import EMPTY, Catalogue, Product, Sensor, Target, Vendor
from orchestrator.domain.kinds import KINDS, check_inputs
from orchestrator.domain.parameters import misfit
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.recipe import Asked, Role
from orchestrator.domain.recipe_text import read_recipe
from orchestrator.domain.runbook import StepBody
from orchestrator.domain.wording import complaints_of, did_you_mean, shown
from orchestrator.domain.yaml_text import read_yaml

FOLDERS = ("recipes", "vendors", "targets")
"""Recipes first: the others name them."""

Made = TypeVar("Made", bound=Product)
Read = tuple[Any, list[Problem]]


def read_catalogue(files: Mapping[str, bytes], known: Catalogue = EMPTY) -> tuple[Catalogue, list[Problem]]:
    """What the files say, besides what is known; and everything wrong with them.

    `files`: by path; what stands in no folder of the catalogue is left out. A file
    adds a name, and never replaces one that is known.
    """
    shelves: dict[str, dict[str, Any]] = {
        "recipes": dict(known.recipes),
        "vendors": dict(known.vendors),
        "targets": dict(known.targets),
    }
    paths = sorted((path for path in files if folder_of(path)), key=lambda path: (FOLDERS.index(folder_of(path)), path))
    problems: list[Problem] = []
    for path in paths:
        shelf, stem = shelves[folder_of(path)], PurePosixPath(path).stem
        made, found = _READ[folder_of(path)](files[path], path)
        problems += found
        if made is not None and stem in shelf:
            problems.append(Problem(path, 1, 1, f"`{stem}` is in the catalogue already.", "Name the file otherwise."))
        elif made is not None:
            shelf[stem] = made
    catalogue = Catalogue(shelves["vendors"], shelves["targets"], shelves["recipes"])
    for path in paths:
        problems += _unfit(catalogue, path, files[path])
    return catalogue, sorted(set(problems))


def folder_of(path: str) -> str:
    """The folder of the catalogue that a path stands in; empty when it is none of its files."""
    parent = PurePosixPath(path).parent.name
    return parent if parent in FOLDERS and path.endswith(".yaml") else ""


def _read_product(model: type[Made], key: str) -> Callable[[bytes, str], Read]:
    def read(text: bytes, path: str) -> Read:
        document, problems = read_yaml(text, path)
        if document is None:
            return None, problems
        if not isinstance(document.data, Mapping):
            complaint = Complaint((), "The file holds no mapping.", f"Begin with `{key}: name-of-this-file`.")
            return None, [*problems, document.problem(complaint)]
        try:
            made = model.model_validate(document.data, by_alias=True, by_name=False)
        except ValidationError as error:
            return None, [*problems, *document.problems(complaints_of(error, model, document.data))]
        name, stem = getattr(made, key), PurePosixPath(path).stem
        if name != stem:
            complaint = Complaint((key,), f"The {key} is named `{name}` in {stem}.yaml.", f"Write `{key}: {stem}`.")
            problems.append(document.problem(complaint))
        return (None if problems else made), problems

    return read


_READ: Mapping[str, Callable[[bytes, str], Read]] = {
    "vendors": _read_product(Vendor, "vendor"),
    "targets": _read_product(Target, "target"),
    "recipes": read_recipe,
}


def _unfit(catalogue: Catalogue, path: str, text: bytes) -> list[Problem]:
    """What is wrong with a product only beside the others."""
    shelves: Mapping[str, Mapping[str, Product]] = {"vendors": catalogue.vendors, "targets": catalogue.targets}
    product = shelves.get(folder_of(path), {}).get(PurePosixPath(path).stem)
    if product is None:
        return []
    complaints = [*_wrong_facts(catalogue, product), *_wrong_vendors(catalogue, product)]
    if isinstance(product, Target):
        complaints += _wrong_target(catalogue, product)
    if isinstance(product, Vendor):
        complaints += _wrong_sensors(product)
    if not complaints:
        return []
    document, _ = read_yaml(text, path)
    assert document is not None
    return document.problems(complaints)


def _wrong_facts(catalogue: Catalogue, product: Product) -> Iterator[Complaint]:
    role: Role = "target" if isinstance(product, Target) else "vendor"
    for name, facts in product.facts.items():
        if name in catalogue.recipes:
            yield from _wrong_answers(name, catalogue.recipes[name].asks[role], facts)
        else:
            remedy = did_you_mean(name, catalogue.recipes.keys(), "Name a recipe.")
            yield Complaint(("facts", name), f"There is no recipe `{name}`.", remedy, on_key=True)


def _wrong_answers(recipe: str, asked: Mapping[str, Asked], facts: Mapping[str, Any]) -> Iterator[Complaint]:
    at: Path = ("facts", recipe)
    for fact, value in facts.items():
        if fact not in asked:
            remedy = did_you_mean(fact, asked.keys(), "Remove it.")
            yield Complaint((*at, fact), f"The recipe `{recipe}` does not ask for `{fact}`.", remedy, on_key=True)
        elif wanted := misfit(asked[fact].type, value):
            yield Complaint((*at, fact), f"`{fact}` is {shown(value)}.", f"Write {wanted}.")
    for fact, one in asked.items():
        if fact not in facts and one.required:
            yield Complaint(at, f"The recipe `{recipe}` needs `{fact}`.", f"Add `{fact}`.", on_key=True)


def _wrong_vendors(catalogue: Catalogue, product: Product) -> Iterator[Complaint]:
    for index, one in enumerate(product.foundations):
        if one.vendor is not None and catalogue.product(one.vendor) is None:
            remedy = did_you_mean(one.vendor, [*catalogue.vendors, *catalogue.targets], "Write its file, or remove it.")
            yield Complaint(("foundations", index, "vendor"), f"There is no `{one.vendor}` in the catalogue.", remedy)


def _wrong_target(catalogue: Catalogue, target: Target) -> Iterator[Complaint]:
    recipe = catalogue.recipes.get(target.recipe)
    if recipe is None:
        remedy = did_you_mean(target.recipe, catalogue.recipes.keys(), "Name a recipe.")
        yield Complaint(("recipe",), f"There is no recipe `{target.recipe}`.", remedy)
    elif target.recipe not in target.facts and any(one.required for one in recipe.asks["target"].values()):
        remedy = f"Add `facts.{target.recipe}`."
        yield Complaint(("recipe",), f"`facts` say nothing for the recipe `{target.recipe}`.", remedy)
    for name, proof in target.proofs.items():
        yield from _wrong_check(proof, ("proofs", name))


def _wrong_sensors(vendor: Vendor) -> Iterator[Complaint]:
    for index, sensor in enumerate(vendor.sensors):
        yield from _wrong_check(sensor, ("sensors", index))


def _wrong_check(check: StepBody | Sensor, at: Path) -> Iterator[Complaint]:
    if check.uses not in KINDS or not KINDS[check.uses].reads_only:
        known = [name for name, kind in KINDS.items() if kind.reads_only]
        remedy = did_you_mean(check.uses, known, "Name a check.")
        yield Complaint((*at, "uses"), f"{shown(check.uses)} is no check.", remedy)
        return
    for one in check_inputs(check.uses, check.with_, resolved=False):
        yield one.under(*at, "with")
