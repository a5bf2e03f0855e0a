"""Whom a plan relies on: targets, endpoints' targets and providers of a failover; a failback leads home."""

from datetime import date
from functools import cache
from pathlib import Path

import pytest
import yaml

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import Bundle, read_bundle
from orchestrator.domain.compiler import compile_plan
from orchestrator.domain.model import Direction
from orchestrator.domain.reliance import relied_on
from tests.unit.test_swap import ESTATE, MOVE, RUNBOOK

STARTER = Path(__file__).parents[2] / "playbooks"


@cache
def starter() -> Bundle:
    files = {str(path.relative_to(STARTER)): path.read_bytes() for path in STARTER.rglob("*") if path.is_file()}
    bundle, problems = read_bundle(files, shipped())
    assert bundle is not None, problems
    return bundle


def relied(bundle: Bundle, service: str, scope: str, direction: Direction) -> dict[str, tuple[str, ...]]:
    plan = compile_plan(bundle, commit="c" * 40, services=[service], scope=scope, direction=direction)
    return {place.name: place.roles for place in relied_on(plan, bundle)}


def test_a_failover_relies_on_its_target_and_its_clouds() -> None:
    found = relied(starter(), "portal", "rehearsal", Direction.FAILOVER)
    assert found == {"scaleway": ("target", "compute scaleway")}


def test_stores_are_known_by_their_hosts() -> None:
    found = relied(starter(), "portal", "drill", Direction.FAILOVER)
    places = {role: name for name, roles in found.items() for role in roles}
    assert places["storage target"] in ("scaleway", "s3.fr-par.scw.cloud")


@pytest.mark.parametrize("service", ["portal", "mail", "identity"])
def test_a_failback_leads_home(service: str) -> None:
    found = relied(starter(), service, "rehearsal", Direction.FAILBACK)
    assert found == {}


def test_where_an_endpoint_moves_counts_for_its_service() -> None:
    step = MOVE.replace("TARGET", "mailo").replace(
        "SETTINGS", "{verification: abc, dkim: v=DKIM1, canary: canari@trial.example}"
    )
    bundle, problems = read_bundle({**ESTATE, RUNBOOK: ESTATE[RUNBOOK].rstrip() + step.encode()}, shipped())
    assert bundle is not None, problems
    found = relied(bundle, "web", "drill", Direction.FAILOVER)
    assert found["mailo"] == ("endpoint",)
    assert found["scaleway"] == ("target", "compute scaleway")


def test_an_endpoint_below_the_policy_is_told_where_it_stands() -> None:
    step = MOVE.replace("TARGET", "aws-european-sovereign").replace("SETTINGS", "{name: www, address: 192.0.2.1}")
    head = yaml.safe_load(ESTATE["bascule.yaml"])
    head["policy"] = {"sovereignty": {"services": {"web": {"controlled_from": ["EEA", "CH"]}}}}
    files = {
        **ESTATE,
        RUNBOOK: ESTATE[RUNBOOK].rstrip() + step.encode(),
        "bascule.yaml": yaml.safe_dump(head).encode(),
    }
    bundle, problems = read_bundle(files, shipped())
    assert bundle is None
    (problem,) = problems
    line = files[RUNBOOK].decode().splitlines()[problem.line - 1]
    assert (problem.file, line.strip()) == (RUNBOOK, "to: aws-european-sovereign")
    assert "controlled from US (Amazon.com, Inc.) where the policy asks for EEA or CH" in problem.message
    excepted = {"service": "web", "target": "aws-european-sovereign", "rule": "controlled_from", "until": "2026-12-31"}
    head["policy"]["sovereignty"]["exceptions"] = [{**excepted, "reason": "Trial", "by": "Anne"}]
    lifted = {**files, "bascule.yaml": yaml.safe_dump(head).encode()}
    assert read_bundle(lifted, shipped(), today=date(2026, 12, 31))[1] == []
    assert [one.message for one in read_bundle(lifted, shipped(), today=date(2027, 1, 1))[1]] == [problem.message]
    accepted, none = read_bundle(files, shipped(), judged=False)
    assert accepted is not None
    assert none == []


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ({"url": "https://auth.cloud.amazonaws.eu/v3"}, "aws-european-sovereign"),
        ({"url": "http://127.0.0.1:1/v3", "domain": "cloud.amazonaws.eu"}, "aws-european-sovereign"),
        ({"url": "https://auth.nobody.example/v3"}, "auth.nobody.example"),
        ({"url": "http://10.0.0.7:5000/v3"}, None),
    ],
)
def test_an_openstack_cloud_is_known_by_its_host_or_domain(block: dict[str, str], name: str | None) -> None:
    bundle = starter()
    scope = bundle.estate.scopes["rehearsal"]
    cloud = scope.compute["openstack"].model_copy(update={"domain": None, **block})
    there = scope.model_copy(update={"compute": {"scaleway": cloud}})
    estate = bundle.estate.model_copy(update={"scopes": {"rehearsal": there}})
    found = relied(
        Bundle(estate, bundle.runbooks, bundle.files, bundle.catalogue), "portal", "rehearsal", Direction.FAILOVER
    )
    assert [place for place, roles in found.items() if "compute scaleway" in roles] == ([name] if name else [])
