"""A step `endpoint.swap` becomes the visible steps of the recipe, in their order, or is refused with reasons."""

from pathlib import Path

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import read_bundle
from orchestrator.domain.compiler import compile_plan
from orchestrator.domain.plan import Plan
from orchestrator.domain.problem import Problem

CASES = Path(__file__).parent.parent / "cases" / "estate"
RUNBOOK = "runbooks/web-failover.yaml"
ESTATE = {str(path.relative_to(CASES)): path.read_bytes() for path in CASES.rglob("*") if path.is_file()}
MOVE = """
  server-there:
    uses: compute.server
    with: {provider: scaleway, name: moved, size: DEV1-S, image: debian-12}
  moves:
    uses: endpoint.swap
    with:
      to: TARGET
      domain: trial.example
      settings: SETTINGS
    needs: [server-there]
  told:
    uses: wait.for
    with: {duration: 1s}
    needs: [moves]
"""


def bundled(target: str, settings: str) -> tuple[Plan | None, list[Problem]]:
    step = MOVE.replace("TARGET", target).replace("SETTINGS", settings)
    files = {**ESTATE, RUNBOOK: ESTATE[RUNBOOK].rstrip() + step.encode()}
    bundle, problems = read_bundle(files, shipped())
    if bundle is None:
        return None, problems
    return compile_plan(bundle, commit="c" * 40, services=["web"], scope="drill"), problems


def test_a_swap_becomes_the_steps_of_its_recipe_between_what_it_needs_and_what_needs_it() -> None:
    plan, problems = bundled("mailo", "{verification: abc, dkim: v=DKIM1, canary: canary@trial.example}")
    assert problems == []
    assert plan is not None
    steps = {step.id.removeprefix("web-failover/"): step for step in plan.steps}
    swapped = [name for name in steps if name.startswith("moves/")]
    assert swapped.index("moves/prepare-dkim") < swapped.index("moves/cutover-mx")
    assert "web-failover/server-there" in steps["moves/prepare-dkim"].needs
    assert all(step.startswith("web-failover/moves/") for step in steps["told"].needs)
    zone = steps["moves/cutover-mx"].with_["zone"]
    assert zone != "trial.example", "the scope's own zone stands for the real one"
    assert steps["moves/prepare-dkim"].with_["records"][0]["values"] == ["v=DKIM1"]


def test_a_setting_may_be_what_an_earlier_step_will_know() -> None:
    plan, problems = bundled("scaleway", '{name: www2, address: "${{ steps.server-there.outputs.address }}"}')
    assert problems == []
    assert plan is not None
    names = next(step for step in plan.steps if step.id.endswith("moves/cutover-names"))
    assert names.after == "web-failover/server-there"
    assert set(names.names.values()) == {"web-failover/server-there"}


@pytest.mark.parametrize(
    ("target", "settings", "told"),
    [
        ("mailoo", "{}", "The catalogue has no `mailoo`. Did you mean `mailo`?"),
        ("mailo", "{verification: a, canary: c@trial.example}", "needs the setting `dkim`"),
        ("mailo", "{verification: a, dkim: b, canary: c@trial.example, colour: red}", "has no setting `colour`"),
        ("mailo", "{verification: [1], dkim: b, canary: c@trial.example}", "`verification` is a list"),
        ("scaleway", '{name: "-x", address: 192.0.2.1}', "its step `cutover-names` goes wrong"),
    ],
)
def test_a_swap_that_can_not_be_made_is_refused(target: str, settings: str, told: str) -> None:
    plan, problems = bundled(target, settings)
    assert plan is None
    assert len(problems) == 1, [str(one) for one in problems]
    assert problems[0].file == RUNBOOK
    assert told in f"{problems[0].message} {problems[0].remedy}"
