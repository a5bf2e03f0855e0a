"""The JSON Schemas for editors accept what is valid and refuse what they can see."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import read_bundle
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.schema import estate_schema, runbook_schema
from orchestrator.domain.wording import expected
from orchestrator.domain.yaml_text import read_yaml

ROOT = Path(__file__).parent.parent.parent
CASES = ROOT / "tests" / "cases"
RUNBOOKS = sorted([*ROOT.glob("playbooks/runbooks/*.yaml"), *CASES.glob("estate/runbooks/*.yaml")])
ESTATES = [ROOT / "playbooks" / "bascule.yaml", CASES / "estate" / "bascule.yaml"]
VALID_ESTATE = {p.relative_to(CASES / "estate").as_posix(): p.read_bytes() for p in CASES.glob("estate/**/*.*")}

runbook = Draft202012Validator(runbook_schema())
estate = Draft202012Validator(estate_schema())


@pytest.mark.parametrize(
    "made", [runbook_schema, pytest.param(estate_schema, marks=pytest.mark.faults)], ids=["runbook", "estate"]
)
def test_both_are_schemas_of_their_dialect(made: Callable[[], dict[str, Any]]) -> None:
    schema = made()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_valid_runbooks_are_accepted(path: Path) -> None:
    assert [error.json_path for error in runbook.iter_errors(yaml.safe_load(path.read_bytes()))] == []


@pytest.mark.parametrize("path", ESTATES, ids=lambda path: path.parent.name)
def test_valid_estates_are_accepted(path: Path) -> None:
    assert [error.json_path for error in estate.iter_errors(yaml.safe_load(path.read_bytes()))] == []


def with_step(step: object) -> dict[str, Any]:
    return {"runbook": "r", "service": "web", "title": {"fr": "a", "en": "b"}, "steps": {"s": step}}


@pytest.mark.parametrize("uses", KINDS)
def test_every_kind_refuses_an_unknown_input(uses: str) -> None:
    errors = [*runbook.iter_errors(with_step({"uses": uses, "with": {"nonsense": 1}}))]
    assert any("nonsense" in error.message and error.json_path == "$.steps.s.with" for error in errors)


def test_references_stand_wherever_a_value_does() -> None:
    ref = "${{ parameters.x }}"
    steps: list[dict[str, Any]] = [
        {"uses": "probe.tcp", "with": {"host": ref, "port": ref}},
        {"uses": "probe.dns", "with": {"zone": ref, "type": ref, "values": ref}},
        {"uses": "ansible.play", "with": {"play": ref, "hosts": {"a": ref}, "vars": {"a": ref}}},
        {
            "uses": "dns.records",
            "with": {"zone": ref, "records": [{"name": ref, "type": ref, "ttl": ref, "values": [ref]}]},
        },
        {"uses": "dns.records", "with": {"zones": [ref, "a.example"], "records": ref}},
        {"uses": "dns.ttl", "with": {"zones": ref, "ttl": ref, "change": ref, "records": [{"name": ref, "type": ref}]}},
        {"uses": "storage.copy", "with": {"from": {"store": ref, "bucket": ref}, "to": ref}},
        {"uses": "wait.for", "with": {"duration": ref}},
        {"uses": "runbook.run", "with": {"runbook": "r", "parameters": {"a": ref}}},
    ]
    for step in steps:
        assert [error.message for error in runbook.iter_errors(with_step(step))] == []
    assert not runbook.is_valid(with_step({"uses": "probe.tcp", "with": {"host": "a", "port": "x"}}))


@pytest.mark.parametrize(
    "step",
    [
        {"uses": "compute.servr", "with": {}},
        {"uses": "probe.tcp"},
        {"uses": "wait.for", "with": {"duration": "10 minutes"}},
        {"uses": "human.approval", "timeout": "soon"},
        {"uses": "human.approval", "need": ["a"]},
        {"uses": "human.approval", "undo": "automatc"},
        {"uses": "human.approval", "verify": {"uses": "dns.records", "with": {}}},
        {"uses": "human.approval", "undo": {"uses": "probe.tcp", "with": {"host": "a", "port": 1}}},
        {"uses": "dns.records", "with": {"records": [{"name": "a", "type": "A", "state": "absent"}]}},
        {"uses": "dns.ttl", "with": {"zone": "a.example", "records": [{"name": "a", "type": "A"}]}},
        {"uses": "dns.ttl", "with": {"zone": "a.example", "zones": [], "ttl": 60, "records": [{"name": "a"}]}},
        "text",
    ],
)
def test_what_an_editor_should_underline_is_refused(step: object) -> None:
    assert not runbook.is_valid(with_step(step))


def test_an_editor_sees_a_good_part_of_the_mistakes_of_the_cases() -> None:
    refused = set()
    for path in sorted(CASES.glob("*.yaml")):
        document, _ = read_yaml(path.read_bytes(), path.name)
        schema = estate if path.stem.startswith("estate-") else runbook
        if document is not None and not schema.is_valid(document.data):
            refused.add(path.stem)
    assert {
        "unknown-key",
        "kind-unknown",
        "durations",
        "probes",
        "server-state",
        "estate-driver-unknown",
        "estate-policy",
    } <= refused
    assert len(refused) >= 30


def test_drivers_have_keys_of_their_own() -> None:
    data = yaml.safe_load(ESTATES[1].read_bytes())
    data["scopes"]["rehearsal"]["dns"]["zones"]["trial.example"]["api_key"] = "secret://x"
    assert not estate.is_valid(data)
    bundle, problems = read_bundle({**VALID_ESTATE, "bascule.yaml": yaml.safe_dump(data).encode()}, shipped())
    assert bundle is None
    assert [problem.message for problem in problems] == ["The key `api_key` is unknown here."]


def patterns_in(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "pattern" in node:
            yield node
        for inner in node.values():
            yield from patterns_in(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from patterns_in(inner)


@pytest.mark.parametrize("schema", [runbook_schema(), estate_schema()], ids=["runbook", "estate"])
def test_every_pattern_has_words_for_people(schema: dict[str, Any]) -> None:
    for node in patterns_in(schema):
        assert not expected(node, schema).startswith("a text"), node
