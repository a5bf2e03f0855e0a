"""The shipped catalogue is whole, its recipes can be planned, and wrong files are refused with their place."""

from pathlib import Path

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.domain.catalogue import matches
from orchestrator.domain.catalogue_text import read_catalogue
from orchestrator.domain.kinds import KINDS, check_inputs
from orchestrator.domain.recipe import ROLES, STAGES
from orchestrator.domain.references import UNKNOWN_YET, substitute
from providers import catalogue

ROOT = Path(catalogue.__file__).parent
FILES = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sorted(ROOT.glob("*/*.yaml"))}
TARGETS = sorted(shipped().targets)
OTHERS = {"safe_url": "https://sandbox.example.eu"}
EXAMPLES = {
    "string": "example",
    "integer": 300,
    "boolean": True,
    "domain": "example.eu",
    "hostname": "192.0.2.1",
    "duration": "1d",
    "list": ["10 mx.example.eu."],
    "mapping": {"fr": "un", "en": "one"},
    "secret": "secret://example",
    "url": "https://example.eu",
}


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_expands_to_steps_that_fit(name: str) -> None:
    known = shipped()
    target = known.targets[name]
    recipe = known.recipes[target.recipe]
    facts = {str(role): known.facts(target.recipe, role, target if role == "target" else None) for role in ROLES}
    given = {
        one: OTHERS.get(one, EXAMPLES[parameter.type]) if parameter.default is None else parameter.default
        for one, parameter in known.parameters(target).items()
    }
    steps = recipe.steps(facts, given, target.proofs)
    assert steps
    assert [stage for stage in STAGES if any(step.startswith(stage) for step in steps)][:1] == ["prepare"]
    for step in steps.values():
        filled = substitute(step.with_, lambda path: given[path[1]] if path[0] == "parameters" else UNKNOWN_YET)
        wrong = [one for one in check_inputs(step.uses, filled, resolved=False) if "example" not in one.message]
        assert not wrong, (step.id, wrong)
        assert set(step.needs) <= steps.keys()


def test_every_target_is_proven_before_and_after_the_move() -> None:
    known = shipped()
    for name, target in known.targets.items():
        stages = known.recipes[target.recipe].stages
        for stage in ("prepare", "cutover"):
            proofs = [one for one in stages[stage].values() if one.place is not None or KINDS[one.step.uses].reads_only]
            verified = [one for one in stages[stage].values() if one.step.verify]
            assert proofs or verified, (name, stage)


def test_every_file_says_where_it_has_it_from() -> None:
    known = shipped()
    for product in [*known.vendors.values(), *known.targets.values()]:
        assert product.sources, product


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("targets/mailo.yaml", "recipe: mail", "recipe: male", "There is no recipe `male`"),
        ("targets/mailo.yaml", "jurisdiction: FR", "jurisdiction: France", "jurisdiction"),
        ("targets/mistral.yaml", "uses: probe.completion", "uses: dns.records", "is no check"),
        ("vendors/aws.yaml", "vendor: aws", "vendor: amazon", "The vendor is named `amazon`"),
        ("recipes/web.yaml", "needs: [works-at-host,", "needs: [works-at-hots,", "No step `works-at-hots`"),
        ("recipes/web.yaml", "if: parameters.host", "if: parameters.hots", "There is no `parameters.hots`"),
        ("recipes/ai.yaml", "${{ target.model }}", "${{ target.modle }}", "There is no `target.modle`"),
    ],
)
def test_a_wrong_file_is_refused_at_its_place(file: str, old: str, new: str, told: str) -> None:
    text = FILES[file].decode()
    assert old in text
    _, problems = read_catalogue({**FILES, file: text.replace(old, new, 1).encode()})
    mine = [problem for problem in problems if problem.file == file]
    assert mine
    assert told in str(mine[0])
    assert mine[0].line > 1 or "named" in told


def test_a_file_adds_a_name_and_never_replaces_one() -> None:
    own = {"catalogue/vendors/aws.yaml": FILES["vendors/aws.yaml"]}
    known, problems = read_catalogue(own, shipped())
    assert [problem.file for problem in problems] == ["catalogue/vendors/aws.yaml"]
    assert known.vendors["aws"] is shipped().vendors["aws"]


@pytest.mark.parametrize(
    ("pattern", "host", "same"),
    [
        ("*.awsdns-*", "ns-1.awsdns-07.co.uk.", True),
        ("mx.mailo.com", "MX.mailo.com", True),
        ("*.ovh.net", "ovh.net", False),
        ("mx.mailo.com", "mx.mailo.com.evil.example", False),
    ],
)
def test_hosts_are_recognised(pattern: str, host: str, same: bool) -> None:
    assert matches(pattern, host) is same
