"""`endpoint.swap`: the steps of a target's recipe that take the place of one step of a runbook. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.recipe import STAGES
from orchestrator.domain.references import UNKNOWN_YET, find_references, substitute
from orchestrator.domain.runbook import Parameter, Runbook
from providers.wants import Stage

OUTER = "outer-"
"""Marks a reference from within a swap to a step of the runbook that it stands in."""


@dataclass(frozen=True, slots=True)
class Swap:
    """One move: to which target, away from which vendor, in which stages, and what the author settled.

    `settings`: parameter -> value; may refer to earlier steps of the runbook. What is
    not settled is the parameter's default.
    """

    target: str
    vendor: str
    stages: tuple[Stage, ...]
    settings: Mapping[str, Any]


def swap_of(with_: Mapping[str, Any], vendor: str) -> Swap:
    """The move that a step's filled inputs ask for; away from the service's vendor where they do not say."""
    settings = dict(with_.get("settings") or {})
    if with_.get("domain") is not None:
        settings["domain"] = with_["domain"]
    stages = tuple(stage for stage in STAGES if stage in with_.get("stages", STAGES))
    return Swap(str(with_["to"]), str(with_.get("from") or vendor), stages, settings)


def parameters_of(catalogue: Catalogue, target: str) -> dict[str, Parameter]:
    """What a move to this target must be given."""
    return catalogue.parameters(catalogue.targets[target])


def steps_of(catalogue: Catalogue, swap: Swap, host: Runbook) -> Runbook:
    """The steps of the move as a runbook of its own, whose parameters are those of the move.

    `host`: the runbook that they stand in. Target and recipe must be in the catalogue.
    """
    target = catalogue.targets[swap.target]
    recipe = catalogue.recipes[target.recipe]
    facts = {
        "target": catalogue.facts(target.recipe, "target", target),
        "vendor": catalogue.facts(target.recipe, "vendor", catalogue.vendors.get(swap.vendor)),
    }
    parameters = parameters_of(catalogue, swap.target)
    known = {name: swap.settings.get(name, one.default) for name, one in parameters.items()}
    return Runbook(
        name=host.name,
        service=host.service,
        direction=host.direction,
        title=target.title,
        parameters=parameters,
        steps=recipe.steps(facts, known, target.proofs, swap.stages),
        file=host.file,
    )


def from_outside(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as the steps of the swap see them: references to the runbook's steps are marked `OUTER`."""

    def look_up(path: tuple[str, ...]) -> object:
        return "${{ " + ".".join(("steps", OUTER + path[1], *path[2:])) + " }}" if path[0] == "steps" else UNKNOWN_YET

    found: dict[str, Any] = substitute(dict(settings), look_up)
    return found


def refers_to_steps(value: object) -> bool:
    """Whether a setting is known only when an earlier step has run."""
    return any(reference[0] == "steps" for _, reference in find_references(value))
