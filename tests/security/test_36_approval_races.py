"""Row 36: approvals at the same moment, given again, or of another digest: always exactly so many distinct people."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from orchestrator.domain.people.role import Role
from orchestrator.store.tables import runs as runs_table
from tests.databases import new_postgres_database
from tests.integration.service_fixture import RunningService, running_service
from tests.software_key import SoftwareKey, signed

APPROVERS = ("anne", "bruno", "carla", "dora", "emil", "fanny")
HOLD = "desk-failover/go"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    url = new_postgres_database(request.getfixturevalue("postgres")) if request.param == "postgresql" else ""
    with running_service(tmp_path_factory.mktemp("races"), url) as made:
        made.person("olga", Role.OPERATOR, Role.APPROVER)
        for name in APPROVERS:
            made.person(name, Role.APPROVER)
        yield made


def drill(service: RunningService, releases: int, what: str = "phone") -> tuple[str, str]:
    digest = service.plan(what, scope="drill")["digest"]
    said = service.people["olga"].post("/api/v1/runs", json={"digest": digest})
    assert said.status_code == 201, said.text
    run_id = str(said.json()["id"])
    with service.bascule.database.write() as conn:  # as many as a live run has
        conn.execute(sa.update(runs_table).where(runs_table.c.id == run_id).values(releases_needed=releases))
    return run_id, digest


def at_once(service: RunningService, path: str, body: dict[str, Any], names: list[str]) -> Counter[int]:
    """All of them send it at the same moment; how often each status came."""
    begin = threading.Barrier(len(names))
    found: list[int] = []

    def send(name: str) -> None:
        headers = {"Authorization": service.people[name].headers["Authorization"]}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60, trust_env=False) as http:
            begin.wait(30)
            found.append(http.post(path, json=body).status_code)

    threads = [threading.Thread(target=send, args=(name,)) for name in names]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return Counter(found)


def events(service: RunningService, run_id: str, kind: str) -> list[dict[str, Any]]:
    found = service.http.get(f"/api/v1/runs/{run_id}/events").json()["events"]
    return [one for one in found if one["kind"] == kind]


@pytest.mark.both_databases
def test_many_who_release_at_once_are_exactly_so_many_distinct_people(service: RunningService) -> None:
    run_id, digest = drill(service, 3)
    path, body = f"/api/v1/runs/{run_id}/release", {"digest": digest}
    statuses = at_once(service, path, body, ["anne", "bruno"] * 4 + ["olga"] * 2)
    assert statuses == {200: 2, 403: 8}
    assert service.run(run_id)["run"]["state"] == "awaiting_release"
    statuses = at_once(service, path, body, [*APPROVERS, "olga"])
    assert statuses[200] == 1
    assert set(statuses) <= {200, 403, 409}
    service.wait(run_id, "succeeded")
    given = events(service, run_id, "run.release_given")
    assert len({one["actor"] for one in given}) == len(given) == 3
    assert "olga" not in {one["actor"] for one in given}
    assert len(events(service, run_id, "run.started")) == 1
    service.check_fold(run_id)


def test_at_a_hold_point_as_well(service: RunningService) -> None:
    run_id, digest = drill(service, 1, "desk")
    assert service.decides(run_id, "release", "anne", digest=digest).status_code == 200
    service.wait(run_id, "waiting", "desk-failover/sheet")
    service.decides(run_id, "approve", "olga", "desk-failover/sheet")
    service.wait(run_id, "waiting", HOLD)
    path = f"/api/v1/runs/{run_id}/steps/{HOLD}/approve"
    assert at_once(service, path, {}, ["anne"] * 6 + ["olga"] * 2) == {200: 1, 403: 7}
    assert at_once(service, path, {}, [*APPROVERS, "olga"])[200] == 1
    service.wait(run_id, "succeeded")
    given = [one for one in events(service, run_id, "step.approved") if one["step"] == HOLD]
    assert len({one["actor"] for one in given}) == len(given) == 2
    service.check_fold(run_id)


def test_the_same_person_the_same_session_and_an_ended_session_add_nothing(service: RunningService) -> None:
    run_id, digest = drill(service, 2)
    body = {"digest": digest}
    assert service.decides(run_id, "release", "anne", **body).status_code == 200
    assert service.decides(run_id, "release", "anne", **body).status_code == 403
    again = service.person("anne")  # another session of hers
    assert again.post(f"/api/v1/runs/{run_id}/release", json=body).status_code == 403
    bruno = service.person("bruno")
    headers = {"Content-Type": "application/json"}
    assert bruno.delete("/api/v1/session", headers=headers).status_code == 204
    assert bruno.post(f"/api/v1/runs/{run_id}/release", json=body).status_code == 401
    service.person("bruno")
    assert service.run(run_id)["run"]["state"] == "awaiting_release"
    service.decides(run_id, "cancel", "olga", reason="the test is over")


def test_a_stale_digest_releases_nothing(service: RunningService) -> None:
    run_id, digest = drill(service, 2)
    other = service.plan("desk", scope="drill")["digest"]
    for wrong in (other, digest[:-1], digest.upper(), f"{digest}0", "sha256:0"):
        assert service.decides(run_id, "release", "anne", digest=wrong).status_code == 409, wrong
    assert events(service, run_id, "run.release_given") == []
    service.decides(run_id, "cancel", "olga", reason="the test is over")


def test_an_answer_of_a_security_key_releases_once_and_the_journal_proves_it_by_itself(
    service: RunningService,
) -> None:
    name = "gaia"
    http = service.person(name, Role.APPROVER)
    key = SoftwareKey(origin=f"http://localhost:{service.url.rpartition(':')[2]}")
    asked = http.post("/api/v1/account/keys/challenge", json={}).json()
    made = {"challenge": asked["challenge"], "answer": key.create(asked["options"]), "label": "test"}
    assert http.post("/api/v1/account/keys", json=made).status_code == 204
    run_id, digest = drill(service, 2)
    assert service.decides(run_id, "release", name, digest=digest).status_code == 403, "without her key"
    asked = http.post("/api/v1/approvals/challenge", json={"digest": digest}).json()
    answer = {"challenge": asked["challenge"], "answer": key.get(asked["options"])}
    statuses = at_once(service, f"/api/v1/runs/{run_id}/release", {"digest": digest, "key": answer}, [name] * 4)
    assert (statuses[200], statuses[403]) == (1, 3)
    (given,) = events(service, run_id, "run.release_given")
    assert signed(given["data"]["signature"], digest)
    assert not signed(given["data"]["signature"], f"{digest}0")
    other, another = drill(service, 2, "desk")
    assert service.decides(other, "release", name, digest=another, key=answer).status_code == 403
    for one in (run_id, other):
        service.decides(one, "cancel", "olga", reason="the test is over")
        service.check_fold(one)
