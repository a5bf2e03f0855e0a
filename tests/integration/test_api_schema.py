"""Every operation that the API describes, held against its description: what it takes, refuses and answers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from orchestrator.domain.people.role import Role
from tests.api_schema import CLOSED, EXCLUDED, Outcome, hold_against_description, outcome
from tests.databases import new_postgres_database
from tests.integration.service_fixture import RunningService, running_service
from tests.signal_senders import SIGNALS, alertmanager, as_bytes, proven, store_secrets

EXAMPLES, MANY = 2, 60
"""Random requests of each operation; those that reach the limits of its description are about 35 for each."""
PARTS = (
    "^/api/v1/(?:runs|plans)",
    "^/api/v1/(?:sessions?|approvals|invitations)",
    "^/api/v1/(?:account|tokens|break-glass)",
    "^/api/v1/people",
    "^/api/v1/(?:proposals|standing-approvals|verdicts|signals|clocks|halt|webhooks)|^/webhooks",
    "^/api/v1/(?:doctor|estate|inventories|map|now|resources|secrets|services)|^/(?:healthz|readyz|metrics)$",
)
"""Paths whose limits are looked at together; each path is in one of them."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("described"), "", SIGNALS) as made:
        store_secrets(made.bascule.settings.data)
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def each_service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningService]:
    sqlite = request.param == "sqlite"
    url = "" if sqlite else new_postgres_database(request.getfixturevalue("postgres"))
    with running_service(tmp_path / "described", url, SIGNALS) as made:
        store_secrets(made.bascule.settings.data)
        yield made


def something_there(service: RunningService) -> Mapping[str, Sequence[str]]:
    """Plans, runs in several states and a delivery; and where their names are asked for."""
    for body in (b"{}", as_bytes(alertmanager())):
        post = proven("alertmanager", body)
        assert service.http.post("/webhooks/alertmanager", content=body, headers=dict(post.headers)).is_success
    port = service.listening_port
    plans = [
        service.plan("desk", port=port)["digest"],
        service.plan("phone", port=port)["digest"],
        service.plan("desk", "phone", scope="drill", port=port)["digest"],
    ]
    runs = [service.start(digest) for digest in plans[:2]]
    olga = service.person("olga", Role.OPERATOR)
    runs.append(olga.post("/api/v1/runs", json={"digest": plans[2]}).json()["id"])
    steps = ["desk-failover/sheet", "desk-failover/go", "phone-failover/rings"]
    service.wait(runs[0], "waiting", steps[0])
    scopes = ["rehearsal", "drill", "live"]
    return {
        "path.digest": plans,
        "path.run_id": runs,
        "path.step_id": steps,
        "path.source": ["alertmanager", "zabbix"],
        "query.scope": scopes,
        "query.source": ["alertmanager", "zabbix"],
        "query.step": steps,
        "query.vendor": ["microsoft-365"],
        "body.digest": plans,
        "body.reason": ["A test"],
        "body.scope": scopes,
        "body.services[*]": ["desk", "phone"],
    }


def holds(service: RunningService, outcome: Outcome) -> None:
    assert outcome.good, outcome.said
    described = service.http.get("/api/v1/openapi.json").json()["paths"]
    assert outcome.described - outcome.tested == sum(len(described[path]) for path in EXCLUDED)


@pytest.fixture(scope="module")
def known(service: RunningService) -> Mapping[str, Sequence[str]]:
    return something_there(service)


@pytest.mark.faults
@pytest.mark.timeout(400)  # it is all computing: other tests beside it take from it
def test_the_api_is_as_it_is_described(
    service: RunningService, known: Mapping[str, Sequence[str]], tmp_path: Path
) -> None:
    """Some random requests of each operation; those that reach its limits come in parts."""
    outcome = hold_against_description(service, tmp_path, EXAMPLES, ["fuzzing"], known)
    holds(service, outcome)
    assert outcome.cases > 150


@pytest.mark.faults
@pytest.mark.timeout(400)
@pytest.mark.parametrize("only", PARTS)
def test_the_api_refuses_what_its_description_does(
    service: RunningService, known: Mapping[str, Sequence[str]], tmp_path: Path, only: str
) -> None:
    outcome = hold_against_description(service, tmp_path, EXAMPLES, ["coverage"], known, only)
    assert outcome.good, outcome.said
    assert outcome.cases > 50


def test_each_path_is_in_one_part(service: RunningService) -> None:
    for path in service.http.get("/api/v1/openapi.json").json()["paths"]:
        assert len([part for part in PARTS if re.search(part, path)]) == 1, path


@pytest.mark.wide
@pytest.mark.timeout(3600)
def test_the_api_is_as_it_is_described_in_depth(each_service: RunningService, tmp_path: Path) -> None:
    """Many more, and sequences in which an answer's names are asked for next."""
    known = something_there(each_service)
    phases = ["coverage", "fuzzing", "stateful"]
    holds(each_service, hold_against_description(each_service, tmp_path, MANY, phases, known))


def test_what_is_left_out_is_there(service: RunningService) -> None:
    described = service.http.get("/api/v1/openapi.json").json()["paths"]
    assert EXCLUDED.keys() <= described.keys()
    assert CLOSED.keys() <= {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}


REPORT = """
Authentication failed: 2 operations returned only 401/403 responses

401 Unauthorized (1 operation):
  - POST /webhooks/{source}

403 Forbidden (1 operation):
  - GET /api/v1/runs

\N{ELECTRIC LIGHT BULB} Ensure valid authentication credentials are set via `--auth` or `-H`

  Selected: 9/12
  Tested: 9
Warnings:
  Authentication failed: 2 operations returned only 401/403 responses
Test cases:
  512 generated, 512 passed
"""


def test_a_report_of_doors_that_stayed_closed_is_not_good() -> None:
    """The token that the requests are made with may end on the way: what follows would hold for the wrong reason."""
    found = outcome(0, REPORT)
    assert found.closed == {"POST /webhooks/{source}", "GET /api/v1/runs"}
    assert not found.good
    known = REPORT.replace("2 operations", "1 operation").replace("  - GET /api/v1/runs\n", "")
    assert outcome(0, known).good
    assert not outcome(1, known).good
    with pytest.raises(AssertionError):
        outcome(0, REPORT.replace("2 operations", "3 operations"))
