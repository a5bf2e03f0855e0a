"""The HTTP API against a whole service, on SQLite and on PostgreSQL."""

import asyncio
import hashlib
import hmac
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest

from orchestrator.domain.people.role import Role
from orchestrator.store import runs
from orchestrator.store.runs import OutputLine
from orchestrator.web.application import create_app
from tests.databases import new_postgres_database
from tests.integration.service_fixture import (
    Message,
    RunningService,
    commit,
    estate_files,
    listening,
    running_service,
    until,
)
from tests.sampling import sampled

SHEET, GO = "desk-failover/sheet", "desk-failover/go"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    sqlite = request.param == "sqlite"
    url = "" if sqlite else new_postgres_database(request.getfixturevalue("postgres"))
    with running_service(tmp_path_factory.mktemp("service"), url) as made:
        yield made


@pytest.fixture
def nothing_runs(service: RunningService) -> Iterator[None]:
    """Ends what a test left running, so that the next one finds the services free."""
    yield
    for run in service.http.get("/api/v1/runs", params={"active": True}).json()["runs"]:
        assert service.decide(run["id"], "cancel", "olga", reason="test ends").status_code == 200
        service.wait(run["id"], "cancelled")


pytestmark = pytest.mark.usefixtures("nothing_runs")


def problem_in(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert (found["status"], found["code"], found["type"]) == (status, code, f"urn:bascule:problem:{code}")
    assert found["title"]
    assert found["detail"]
    assert "Traceback" not in response.text
    return found


@pytest.mark.both_databases
def test_a_whole_run_with_two_approvers(service: RunningService) -> None:
    plan = service.plan("phone", "desk")
    assert plan["services"] == ["desk", "phone"]
    assert service.http.get(f"/api/v1/plans/{plan['digest']}").json() == plan
    assert service.http.get(f"/api/v1/plans/{plan['digest']}/moved").json() == {"moved": []}

    made = service.http.post("/api/v1/runs", json={"digest": plan["digest"], "as": "olga", "reason": "cut off"})
    assert made.status_code == 201
    run_id = made.json()["id"]
    assert made.headers["location"] == f"/api/v1/runs/{run_id}"

    found = service.wait(run_id, "waiting", SHEET)["run"]
    assert found["waits"][0] | {"step": SHEET, "cause": "task", "role": "operator"} == found["waits"][0]
    assert found["reason"] == "cut off"
    assert found["expected_seconds"] == plan["expected_seconds"]
    assert found["critical_path"] == plan["critical_path"]
    assert service.decide(run_id, "approve", "paul", SHEET).json()["step_state"] == "succeeded"

    service.wait(run_id, "waiting", GO)
    problem_in(service.decide(run_id, "approve", "olga", GO), 403, "refused")
    assert service.decide(run_id, "approve", "anne", GO, comment="yes").json()["step_state"] == "waiting"
    problem_in(service.decide(run_id, "approve", " anne ", GO), 403, "refused")
    assert (
        service.run(run_id)["run"]["waits"][0] | {"count": 2, "given": ["anne"]}
        == service.run(run_id)["run"]["waits"][0]
    )
    assert service.decide(run_id, "approve", "bruno", GO).json()["step_state"] == "succeeded"

    ended = service.wait(run_id, "succeeded")
    assert ended["run"]["step_counts"] == {"succeeded": 6}
    assert ended["run"]["waits"] == []
    steps = {step["id"]: step for step in ended["steps"]}
    assert steps[GO]["outputs"] == {"by": "anne, bruno"}
    assert steps[GO]["title"] == {"fr": "Accord pour basculer", "en": "Go ahead"}
    assert steps["phone-failover/rings"]["needs"] == ["desk-failover/check"]
    service.check_fold(run_id)

    events = service.http.get(f"/api/v1/runs/{run_id}/events").json()["events"]
    assert [event["seq"] for event in events] == list(range(1, ended["run"]["seq"] + 1))
    assert [event["actor"] for event in events if event["kind"] == "step.approved"] == ["paul", "anne", "bruno"]
    later = service.http.get(f"/api/v1/runs/{run_id}/events", params={"after": events[-2]["seq"]}).json()["events"]
    assert later == events[-1:]


@pytest.mark.faults
def test_nothing_comes_after_the_highest_number_that_there_can_be(service: RunningService) -> None:
    run_id = service.start(service.plan("phone", port=service.listening_port)["digest"])
    service.wait(run_id, "succeeded")
    place = f"/api/v1/runs/{run_id}"
    assert service.http.get(f"{place}/events", params={"after": 2**31 - 1}).json() == {"events": []}
    assert service.http.get(f"{place}/logs", params={"after": 2**31 - 1}).json() == {"lines": []}
    for more in ("events", "logs"):
        problem_in(service.http.get(f"{place}/{more}", params={"after": 2**31}), 422, "invalid")
    with listening(service, run_id, last=(10**15 - 1, 10**15 - 1)) as messages:
        names = [message.name for message in messages]
    assert "step" not in names
    assert names[-1] == "end"


def test_output_is_listed_by_step_and_after_a_line(service: RunningService) -> None:
    run_id = service.start(service.plan("phone")["digest"])
    service.wait(run_id, "succeeded")
    place = f"/api/v1/runs/{run_id}/logs"
    lines = until(lambda: service.http.get(place).json()["lines"], 5, lambda: "no output arrives")
    assert lines[0]["step"] == "phone-failover/rings"
    assert f"port {service.listening_port}" in lines[0]["text"]
    assert service.http.get(place, params={"after": lines[-1]["id"]}).json() == {"lines": []}
    assert service.http.get(place, params={"step": "another"}).json() == {"lines": []}


def test_the_same_request_makes_the_same_run(service: RunningService) -> None:
    digest = service.plan("desk")["digest"]
    order = {"digest": digest, "as": "olga", "reason": ""}
    first = service.http.post("/api/v1/runs", json=order, headers={"Idempotency-Key": digest[-20:]})
    again = service.http.post("/api/v1/runs", json=order, headers={"Idempotency-Key": digest[-20:]})
    active = service.http.post("/api/v1/runs", json=order)
    assert (first.status_code, again.status_code, active.status_code) == (201, 200, 200)
    assert again.json() == active.json() == {"id": first.json()["id"], "created": False}
    assert again.headers["location"] == first.headers["location"]
    other = {**order, "reason": "another"}
    problem_in(
        service.http.post("/api/v1/runs", json=other, headers={"Idempotency-Key": digest[-20:]}), 409, "conflict"
    )


def test_a_service_is_held_by_one_run(service: RunningService) -> None:
    run_id = service.start(service.plan("desk")["digest"])
    other = service.plan("desk", "phone")["digest"]
    said = problem_in(service.http.post("/api/v1/runs", json={"digest": other, "as": "olga"}), 409, "conflict")
    assert run_id in said["detail"]


@pytest.mark.both_databases
@pytest.mark.parametrize("many", sampled([50, 200], lambda many: many == 50))
def test_simultaneous_requests_make_one_run(service: RunningService, many: int) -> None:
    order = {"digest": service.plan("desk")["digest"], "as": "olga", "reason": "at once"}
    start = Barrier(many)
    limits = httpx.Limits(max_connections=many)
    with httpx.Client(
        base_url=service.url, headers=service.http.headers, limits=limits, timeout=60, trust_env=False
    ) as http:

        def ask(number: int) -> httpx.Response:
            start.wait(30)
            return http.post(
                "/api/v1/runs", json=order, headers={"Idempotency-Key": f"{order['digest'][-9:]}-{many}-{number}"}
            )

        with ThreadPoolExecutor(many) as pool:
            answers = list(pool.map(ask, range(many)))
    assert sorted(answer.status_code for answer in answers) == [200] * (many - 1) + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(service.http.get("/api/v1/runs", params={"active": True}).json()["runs"]) == 1


def test_a_drill_waits_for_someone_else_to_release_its_digest(service: RunningService) -> None:
    digest = service.plan("phone", scope="drill")["digest"]
    problem_in(service.http.post("/api/v1/runs", json={"digest": digest, "as": "olga"}), 403, "sign_in_needed")
    started = service.person("olga", Role.OPERATOR, Role.APPROVER).post("/api/v1/runs", json={"digest": digest})
    run_id = started.json()["id"]
    waits = service.run(run_id)["run"]["waits"]
    assert [(wait["cause"], wait["count"]) for wait in waits] == [("release", 1)]
    problem_in(service.decide(run_id, "release", "anne", digest=digest), 403, "sign_in_needed")
    for name in ("anne", "bruno"):
        service.person(name, Role.APPROVER)
    problem_in(service.decides(run_id, "release", "anne", digest="sha256:other"), 409, "conflict")
    problem_in(service.decides(run_id, "release", "olga", digest=digest), 403, "refused")
    problem_in(service.decides(run_id, "release", "anne", digest=digest, **{"as": "bruno"}), 403, "refused")
    assert service.decides(run_id, "release", "anne", digest=digest, comment="seen").json()["state"] == "running"
    service.wait(run_id, "succeeded")
    problem_in(service.decides(run_id, "release", "bruno", digest=digest), 409, "conflict")
    service.check_fold(run_id)


def test_people_pause_resume_reject_retry_skip_undo_and_cancel(service: RunningService) -> None:
    run_id = service.start(service.plan("desk")["digest"])
    service.wait(run_id, "waiting", SHEET)
    assert service.decide(run_id, "pause", "paul", reason="lunch").json()["paused"]
    problem_in(service.decide(run_id, "pause", "paul"), 409, "conflict")
    assert [wait["cause"] for wait in service.run(run_id)["run"]["waits"]] == ["paused", "task"]
    assert not service.decide(run_id, "resume", "paul").json()["paused"]
    problem_in(service.decide(run_id, "reject", "paul", SHEET), 422, "invalid")
    assert service.decide(run_id, "reject", "paul", SHEET, reason="not yet").json()["step_state"] == "failed"
    assert [wait["cause"] for wait in service.run(run_id)["run"]["waits"]] == ["failed"]
    assert service.decide(run_id, "retry", "paul", SHEET).status_code == 200
    service.wait(run_id, "waiting", SHEET)
    assert service.decide(run_id, "skip", "paul", SHEET, reason="done by phone").json()["step_state"] == "skipped"
    service.wait(run_id, "waiting", GO)
    assert service.decide(run_id, "undo", "paul", reason="false alarm").status_code == 200
    service.wait(run_id, "undone")
    problem_in(service.decide(run_id, "cancel", "paul", reason="late"), 409, "conflict")
    service.check_fold(run_id)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/v1/runs/nothing", None, 404, "not_found"),
        ("GET", "/api/v1/runs/nothing/stream", None, 404, "not_found"),
        ("GET", "/api/v1/runs/nothing/events", None, 404, "not_found"),
        ("GET", "/api/v1/plans/sha256:nothing", None, 404, "not_found"),
        ("GET", "/api/v1/nowhere", None, 404, "not_found"),
        ("DELETE", "/api/v1/estate", {}, 405, "method_not_allowed"),
        ("POST", "/api/v1/runs/nothing/pause", {"as": "olga"}, 404, "not_found"),
        ("POST", "/api/v1/runs/nothing/steps/a/b/approve", {"as": "olga"}, 404, "not_found"),
        ("POST", "/api/v1/runs/nothing/release", {"as": "olga", "digest": "d"}, 404, "not_found"),
        ("POST", "/api/v1/runs/nothing/start", {"as": "olga"}, 404, "not_found"),
        ("POST", "/api/v1/plans", {"services": ["nobody"]}, 422, "invalid"),
        ("POST", "/api/v1/plans", {"services": ["desk"], "scope": "moon"}, 422, "invalid"),
        ("POST", "/api/v1/plans", {"services": []}, 422, "invalid"),
        ("POST", "/api/v1/plans", {"services": ["desk"], "surprise": 1}, 422, "invalid"),
        ("POST", "/api/v1/runs", {"digest": "sha256:nothing"}, 404, "not_found"),
        ("POST", "/api/v1/runs", {"digest": "sha256:nothing", "as": "bascule"}, 422, "invalid"),
        ("POST", "/api/v1/runs", {"digest": "sha256:nothing", "as": "  "}, 422, "invalid"),
        ("POST", "/api/v1/runs", {"digest": "sha256:nothing", "as": "o\0lga"}, 422, "invalid"),
        ("POST", "/api/v1/runs", {"digest": "sha256:nothing", "as": "olga", "reason": "\ud800"}, 422, "invalid"),
        ("POST", "/api/v1/plans", {"services": ["desk"], "parameters": {"port": float("nan")}}, 400, "bad_request"),
        ("POST", "/api/v1/plans", {"services": ["desk"], "parameters": {"port": ["\ud800"]}}, 422, "invalid"),
        ("GET", "/api/v1/runs/nothing/events?after=99999999999999999999", None, 422, "invalid"),
        ("GET", "/api/v1/runs/%00", None, 400, "bad_request"),
        ("GET", "/api/v1/runs/nothing/stream?after=first", None, 422, "invalid"),
    ],
)
def test_refusals_are_problems(
    service: RunningService, method: str, path: str, body: Any, status: int, code: str
) -> None:
    content = None if body is None else json.dumps(body).encode()
    response = service.http.request(method, path, content=content, headers={"Content-Type": "application/json"})
    problem_in(response, status, code)


def test_live_runs_are_started_by_people_who_are_known_on_a_signed_estate(service: RunningService) -> None:
    digest = service.plan("phone", scope="live")["digest"]
    problem_in(service.http.post("/api/v1/runs", json={"digest": digest, "as": "olga"}), 403, "sign_in_needed")
    olga = service.person("olga", Role.OPERATOR)
    said = problem_in(olga.post("/api/v1/runs", json={"digest": digest}), 403, "refused")
    assert "the accepted commit of the estate is unsigned" in said["detail"]


def test_the_token_opens_everything_but_the_sign_of_life(service: RunningService) -> None:
    with httpx.Client(base_url=service.url, trust_env=False) as stranger:
        assert stranger.get("/healthz").json() == {"status": "ok"}
        for path in ("/api/v1/runs", "/api/v1/nowhere", "/api/v1/openapi.json", "/api/v1/runs/x/stream"):
            refused = stranger.get(path)
            problem_in(refused, 401, "unauthenticated")
            assert refused.headers["www-authenticate"].startswith("Bearer")
        wrong = {"Authorization": f"Bearer {service.bascule.token}x"}
        problem_in(stranger.post("/api/v1/plans", json={}, headers=wrong), 401, "unauthenticated")
        assert stranger.get("/runs/x").status_code == 401
    described = service.http.get("/api/v1/openapi.json").json()
    assert "application/problem+json" in described["paths"]["/api/v1/runs"]["post"]["responses"]["409"]["content"]


def test_bodies_are_bounded_and_json(service: RunningService) -> None:
    plain = service.http.post("/api/v1/plans", content=b"services=desk", headers={"Content-Type": "text/plain"})
    problem_in(plain, 415, "not_json")
    kind = {"Content-Type": "application/json"}
    large = service.http.post("/api/v1/plans", content=b" " * (1024 * 1024 + 1), headers=kind)
    problem_in(large, 413, "too_large")
    chunks = service.http.post("/api/v1/plans", content=iter([b" " * 600_000] * 2), headers=kind)
    problem_in(chunks, 413, "too_large")
    broken = service.http.post("/api/v1/plans", content=b"{", headers=kind)
    problem_in(broken, 422, "invalid")
    deep = service.http.post("/api/v1/plans", content=b"[" * 500_000, headers=kind)
    assert deep.status_code in (400, 422), deep.text
    assert "Traceback" not in deep.text


def test_a_name_that_was_rebound_to_this_machine_is_refused(service: RunningService) -> None:
    for host in ("evil.example", "evil.example:8700", "127.0.0.1.evil.example", "user@127.0.0.1", "192.0.2.1"):
        problem_in(service.http.get("/api/v1/runs", headers={"Host": host}), 421, "wrong_host")
    for host in ("localhost", "127.0.0.1:1", "[::1]:8700", "127.9.9.9"):
        assert service.http.get("/api/v1/runs", headers={"Host": host}).status_code == 200


def test_answers_carry_the_security_headers(service: RunningService) -> None:
    for path in ("/api/v1/runs", "/", "/static/style.css", "/healthz", "/api/v1/nowhere"):
        headers = service.http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")


def test_a_fault_is_said_without_its_details(service: RunningService) -> None:
    app = create_app(service.bascule)

    def fail() -> None:
        raise ZeroDivisionError("a secret of the inside")

    app.add_api_route("/api/v1/fault", fail)
    app.add_api_route("/fault", fail)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {service.bascule.token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
            return [await http.get("/api/v1/fault"), await http.get("/fault")]

    program, person = asyncio.run(ask())
    problem_in(program, 500, "internal")
    assert person.status_code == 500
    assert "The page can’t be shown" in person.text
    for response in (program, person):
        assert "secret of the inside" not in response.text
        assert "default-src 'none'" in response.headers["content-security-policy"]


def test_the_cookie_of_the_page_only_reads(service: RunningService) -> None:
    with httpx.Client(base_url=service.url, trust_env=False) as browser:
        entered = browser.get("/", params={"token": service.bascule.token, "lang": "fr"})
        assert entered.status_code == 303
        assert entered.headers["location"] == "/?lang=fr"
        assert re.search(r"HttpOnly.*SameSite=strict", entered.headers["set-cookie"])
        assert service.bascule.token not in entered.headers["set-cookie"]
        assert browser.get("/").status_code == 200
        assert browser.get("/api/v1/runs").status_code == 200
        problem_in(browser.post("/api/v1/plans", json={"services": ["desk"]}), 401, "unauthenticated")
        assert browser.get("/", params={"token": "wrong"}).status_code == 401


def test_without_the_token_a_page_says_where_it_is(service: RunningService) -> None:
    with httpx.Client(base_url=service.url, trust_env=False) as stranger:
        french = stranger.get("/", headers={"Accept-Language": "de, fr-CH;q=0.9, en;q=0.5"})
        english = stranger.get("/runs/x")
    assert (french.status_code, english.status_code) == (401, 401)
    assert "<h1>Connexion</h1>" in french.text
    assert "<h1>Sign in</h1>" in english.text
    for page in (french.text, english.text):
        assert str(service.bascule.paths.token) in page
        assert service.bascule.token not in page


def heard(service: RunningService, run_id: str, last: tuple[int, int] | None = None) -> list[Message]:
    with listening(service, run_id, last) as messages:
        return list(messages)


def test_a_stream_cut_anywhere_goes_on_without_gap_or_repetition(service: RunningService) -> None:
    run_id = service.start(service.plan("desk", "phone")["digest"])
    service.wait(run_id, "waiting", SHEET)
    first: list[Message] = []
    with listening(service, run_id) as messages:
        for message in messages:
            first.append(message)
            if message.name == "step" and message.data["id"] == SHEET and message.data["state"] == "waiting":
                break
    service.finish(run_id)
    whole = first + heard(service, run_id, first[-1].id)
    check_heard(service, run_id, whole)

    replay = [message for message in heard(service, run_id) if message.name in ("log", "step")]
    for number, message in enumerate(replay, 1):
        rest = [one for one in heard(service, run_id, message.id) if one.name in ("log", "step")]
        assert rest == replay[number:]


def check_heard(service: RunningService, run_id: str, messages: list[Message]) -> None:
    """Each line once, each step event once, in order; what was heard last is how it stands."""
    with service.bascule.database.read() as conn:
        events = runs.list_events(conn, run_id)
        lines = [row.id for row in runs.list_output(conn, run_id)]
    told = [message.id[0] for message in messages if message.name == "step"]
    assert told == sorted(set(told))
    assert set({event.step: event.seq for event in events if event.step}.values()) <= set(told)
    assert [message.data["id"] for message in messages if message.name == "log"] == lines
    found = service.run(run_id)
    assert {one.data["id"]: one.data for one in messages if one.name == "step"} == {
        step["id"]: step for step in found["steps"]
    }
    final = [message.data for message in messages if message.name == "run"][-1]
    assert final == {name: found["run"][name] for name in final}
    assert [message.name for message in messages].count("end") == 1
    assert messages[-1].name == "end"


def test_lines_of_two_workers_become_visible_in_their_order(service: RunningService) -> None:
    """A reader asks for what comes after the last id it saw: a lower id must not appear later."""
    run_id = service.start(service.plan("desk")["digest"])
    database = service.bascule.database

    def write(text: str) -> None:
        with database.write() as conn:
            runs.add_output(conn, [OutputLine(run_id, SHEET, 1, 0.0, text)])

    with ThreadPoolExecutor(1) as other:
        with database.write() as conn:
            runs.add_output(conn, [OutputLine(run_id, SHEET, 1, 0.0, "first")])
            second = other.submit(write, "second")
            with pytest.raises(TimeoutError):
                second.result(timeout=0.3)
        second.result(timeout=10)
    lines = service.http.get(f"/api/v1/runs/{run_id}/logs", params={"step": SHEET}).json()["lines"]
    assert [line["text"] for line in lines] == ["first", "second"]


@pytest.mark.faults
def test_streams_are_bounded_and_given_back(service: RunningService) -> None:
    run_id = service.start(service.plan("desk")["digest"])
    lines = [
        f"GET /api/v1/runs/{run_id}/stream HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {service.bascule.token}",
    ]
    request = "\r\n".join([*lines, "", ""])
    port = int(service.url.rsplit(":", 1)[1])
    viewers = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(300)]
    try:
        for viewer in viewers:
            viewer.sendall(request.encode())
        for viewer in viewers:
            assert viewer.recv(15) == b"HTTP/1.1 200 OK"
        busy = service.http.get(f"/api/v1/runs/{run_id}/stream")
        problem_in(busy, 503, "busy")
        assert "retry-after" in busy.headers
    finally:
        for viewer in viewers:
            viewer.close()

    def free() -> bool | None:
        with service.http.stream("GET", f"/api/v1/runs/{run_id}/stream") as response:
            return response.status_code == 200 or None

    until(free, 10, lambda: "closed streams are not given back")


def test_a_push_is_authenticated_and_hastens_the_fetch(service: RunningService) -> None:
    token = service.bascule.paths.hook.read_text()
    assert service.http.get("/api/v1/runs", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    body = b'{"ref": "refs/heads/main"}'
    signature = hmac.new(token.encode(), body, hashlib.sha256).hexdigest()
    accepted = [
        {"Authorization": f"Bearer {token}"},
        {"X-Gitlab-Token": token},
        {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/x-www-form-urlencoded"},
    ]
    refused = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {service.bascule.token}"},
        {"X-Gitlab-Token": "wrong"},
        {"X-Hub-Signature-256": f"sha256={'0' * 64}"},
        {"X-Hub-Signature-256": signature},
        {"X-Hub-Signature-256": "sha256="},
    ]
    before = service.http.get("/api/v1/estate").json()
    files = estate_files(service.listening_port)
    files["docs/sheet.md"] += f"Pushed after {before['commit']}.\n"
    new = commit(service.estate, files)
    with httpx.Client(base_url=service.url, trust_env=False) as forge:
        for headers in refused:
            problem_in(forge.post("/api/v1/webhooks/estate", content=body, headers=headers), 401, "unauthenticated")
        assert service.http.get("/api/v1/estate").json() == before
        for headers in accepted:
            assert forge.post("/api/v1/webhooks/estate", content=body, headers=headers).status_code == 202

    def arrived() -> dict[str, Any] | None:
        found: dict[str, Any] = service.http.get("/api/v1/estate").json()
        return found if found["commit"] == new else None

    estate = until(arrived, 10, lambda: f"{new} is not accepted")
    assert estate["accepted_by"] == "webhook"
    assert [entry["name"] for entry in estate["services"]] == ["desk", "phone"]
    assert {entry["name"]: entry["mode"] for entry in estate["scopes"]}["live"] == "live"


def test_an_invalid_estate_is_refused_with_every_problem(service: RunningService) -> None:
    good = service.http.post("/api/v1/estate/sync", json={"as": "olga"})
    assert good.status_code == 200
    files = estate_files(service.listening_port)
    broken = files["runbooks/desk-failover.yaml"].replace("probe.tcp", "probe.tpc")
    commit(service.estate, {"runbooks/desk-failover.yaml": broken})
    try:
        said = problem_in(service.http.post("/api/v1/estate/sync", json={"as": "olga"}), 422, "invalid_estate")
        assert {one["file"] for one in said["problems"]} == {"runbooks/desk-failover.yaml"}
        assert {"line", "column", "message", "remedy"} <= said["problems"][0].keys()
        assert service.http.get("/api/v1/estate").json()["commit"] == good.json()["commit"]
    finally:
        commit(service.estate, files)
        assert service.http.post("/api/v1/estate/sync", json={"as": "olga"}).json()["new"]


def test_an_estate_out_of_reach_is_said_and_served_on(service: RunningService) -> None:
    away = service.estate.rename(service.estate.with_name("away"))
    try:
        problem_in(service.http.post("/api/v1/estate/sync", json={"as": "olga"}), 502, "estate_unreachable")
        assert service.plan("phone")["digest"]
    finally:
        Path(away).rename(service.estate)
