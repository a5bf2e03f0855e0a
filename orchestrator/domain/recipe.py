"""A recipe: how an endpoint of one sort moves, as steps in three stages, for any target that tells it its facts.

It is written as a runbook is, with a few more words. `asks` says what it must know
of the target and of the vendor that is left; `${{ target.X }}` and `${{ vendor.X }}`
stand for that. `if` leaves a step out where something that it names is empty.
`prove` stands for the target's own proofs, at the place that it gives. A step
without `needs` follows the steps of the stage before.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from orchestrator.domain.parameters import PARAMETER_TYPES
from orchestrator.domain.references import UNKNOWN_YET, substitute, value_at
from orchestrator.domain.runbook import Parameter, Step, StepBody
from orchestrator.domain.salvage import Part
from providers.wants import Stage

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
    """A step, and what must not be empty for it to be there.

    `place`: where the target's proofs are made, for a step that stands for them; its own kind then says nothing.
    """

    step: Step
    only_if: tuple[tuple[str, ...], ...] = ()
    place: dict[str, Any] | None = None


class Recipe(Part):
    """Steps by stage and name. `asks` always has both roles."""

    recipe: str
    asks: dict[Role, dict[str, Asked]]
    parameters: dict[str, Parameter]
    stages: dict[Stage, dict[str, RecipeStep]]

    def steps(
        self,
        facts: Mapping[str, Any],
        settings: Mapping[str, Any],
        proofs: Mapping[str, StepBody],
        stages: tuple[Stage, ...] = STAGES,
    ) -> dict[str, Step]:
        """The steps of these stages with the facts filled in, named STAGE-NAME, each with all that it needs.

        `facts`: of `target` and `vendor`. `settings`: the parameters, to know which steps are left out.
        `proofs`: the target's. Steps that need one that is left out need what that one needed.
        """
        known = {**facts, "parameters": settings}
        made: dict[str, Step] = {}
        last: tuple[str, ...] = ()
        for stage in (one for one in STAGES if one in stages and one in self.stages):
            found = _of_stage(stage, self.stages[stage], known, proofs, last)
            needed = {need for step in found.values() for need in step.needs}
            last = tuple(name for name in found if name not in needed) or last
            made.update(found)
        return made


def _of_stage(
    stage: Stage,
    written: Mapping[str, RecipeStep],
    known: Mapping[str, Any],
    proofs: Mapping[str, StepBody],
    entry: tuple[str, ...],
) -> dict[str, Step]:
    made: dict[str, Step] = {}
    ends: dict[str, tuple[str, ...]] = {}
    for name, each in written.items():
        needs = tuple(dict.fromkeys(end for need in each.step.needs for end in ends[need])) or entry
        if all(value_at(known, path) for path in each.only_if):
            found = _filled(f"{stage}-{name}", each, needs, known, proofs)
            made.update(found)
            ends[name] = tuple(found) or needs
        else:
            ends[name] = needs
    return made


def _filled(
    step_id: str, each: RecipeStep, needs: tuple[str, ...], known: Mapping[str, Any], proofs: Mapping[str, StepBody]
) -> dict[str, Step]:
    """The step with the facts in it, or the proofs that it stands for."""
    if each.place is None:
        return {step_id: _with_facts(step_id, each.step, needs, known)}
    place = substitute(each.place, _facts(known))
    said = {name: getattr(each.step, name) for name in each.step.model_fields_set & {"retry", "timeout", "on_failure"}}
    return {
        f"{step_id}-{name}": _with_facts(
            f"{step_id}-{name}", proof.model_copy(update=said), needs, {**known, "place": place}
        )
        for name, proof in proofs.items()
    }


def _with_facts(step_id: str, step: StepBody, needs: tuple[str, ...], known: Mapping[str, Any]) -> Step:
    body = step.model_dump(by_alias=True, exclude_unset=True, exclude={"id", "needs"})
    body = substitute(substitute(body, _facts(known)), _renamed(step_id.partition("-")[0]))
    undo = {} if "undo" in body else {"undo": getattr(step, "undo", "none")}
    return Step.model_validate({**body, **undo, "id": step_id, "needs": needs}, by_alias=True, by_name=False)


def _facts(known: Mapping[str, Any]) -> Callable[[tuple[str, ...]], object]:
    """Looks facts and the place of a proof up; parameters stay, for they may refer to what is not known yet."""

    def look_up(path: tuple[str, ...]) -> object:
        return value_at(known, path) if path[0] in (*ROLES, "place") else UNKNOWN_YET

    return look_up


def _renamed(stage: str) -> Callable[[tuple[str, ...]], object]:
    """References to steps of the same stage, by the names that they have in the plan."""

    def look_up(path: tuple[str, ...]) -> object:
        if path[0] != "steps":
            return UNKNOWN_YET
        return "${{ " + ".".join(("steps", f"{stage}-{path[1]}", *path[2:])) + " }}"

    return look_up
