"""The service's edge as a stranger meets it: odd requests byte by byte, limits, readiness, metrics, a proxy."""

import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.operations.readiness import Readiness
from orchestrator.web.edge.limits import Rate, Rates
from orchestrator.web.edge.listening import Listening, PublicUrl, proxies_of
from tests.integration.service_fixture import PLENTY, UNLIMITED, RunningService, running_service, serving, until


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("edges")) as made:
        yield made


def spoken(service: RunningService, *lines: str, body: bytes = b"") -> tuple[int, str]:
    """The status and all of the answer to exactly these lines."""
    with socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), 10) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        answer = b""
        while part := line.recv(65536):
            answer += part
    status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return int(status[1]) if status else 0, answer.decode("latin-1")


RUNS = "GET /api/v1/runs HTTP/1.1"
HOST = "Host: localhost"
CLOSE = "Connection: close"


def odd(token: str) -> list[tuple[str, int, tuple[str, ...], bytes]]:
    bearer = f"Authorization: Bearer {token}"
    chunked = "Transfer-Encoding: chunked"
    post, kind = "POST /api/v1/plans HTTP/1.1", "Content-Type: application/json"
    return [
        ("as it should be", 200, (RUNS, HOST, bearer, CLOSE), b""),
        ("no host", 400, (RUNS, bearer, CLOSE), b""),
        ("two hosts", 400, (RUNS, HOST, "Host: evil.example", bearer, CLOSE), b""),
        ("another host", 421, (RUNS, "Host: evil.example", bearer, CLOSE), b""),
        ("two credentials", 400, (RUNS, HOST, bearer, "Authorization: Bearer x", CLOSE), b""),
        ("two kinds", 400, (post, HOST, bearer, kind, kind, "Content-Length: 2", CLOSE), b"{}"),
        ("two lengths", 400, (post, HOST, bearer, kind, "Content-Length: 2", "Content-Length: 3", CLOSE), b"{}"),
        (
            "length and chunks",
            400,
            (post, HOST, bearer, kind, "Content-Length: 4", chunked, CLOSE),
            b"0\r\n\r\n",
        ),
        ("chunks of an unknown kind", 400, (post, HOST, bearer, kind, "Transfer-Encoding: gzip, chunked", CLOSE), b"x"),
        ("a bad chunk", 400, (post, HOST, bearer, kind, chunked, CLOSE), b"zz\r\n{}\r\n0\r\n\r\n"),
        ("HTTP/1.0 without a host", 421, ("GET /api/v1/runs HTTP/1.0", bearer), b""),
        ("HTTP/1.0", 200, ("GET /api/v1/runs HTTP/1.0", HOST, bearer), b""),
        ("absolute target", 400, ("GET http://localhost/api/v1/runs HTTP/1.1", HOST, bearer, CLOSE), b""),
        ("foreign target", 400, ("GET http://evil.example/healthz HTTP/1.1", HOST, CLOSE), b""),
        ("authority target", 400, ("CONNECT localhost:22 HTTP/1.1", HOST, CLOSE), b""),
        ("asterisk", 400, ("OPTIONS * HTTP/1.1", HOST, CLOSE), b""),
        ("NUL in the path", 400, ("GET /api/v1/runs/%00 HTTP/1.1", HOST, bearer, CLOSE), b""),
        ("line ends in the path", 400, ("GET /api/v1/runs/%0d%0aX:1 HTTP/1.1", HOST, bearer, CLOSE), b""),
        ("dots out of the open", 400, ("GET /static/../api/v1/runs HTTP/1.1", HOST, CLOSE), b""),
        ("coded dots", 400, ("GET /healthz/%2e%2e/api/v1/runs HTTP/1.1", HOST, CLOSE), b""),
        ("a very long target", 400, (f"GET /api/v1/runs?{'a' * 9000} HTTP/1.1", HOST, bearer, CLOSE), b""),
        ("many headers", 400, (RUNS, HOST, bearer, CLOSE, *(f"X-{n}: 1" for n in range(120))), b""),
        ("a very long header", 400, (RUNS, HOST, bearer, CLOSE, f"X-Long: {'a' * 40_000}"), b""),
        ("folded header", 400, (RUNS, HOST, bearer, "X-Folded: a\r\n\tb\x00", CLOSE), b""),
        ("another method", 405, ("TRACE /api/v1/runs HTTP/1.1", HOST, bearer, CLOSE), b""),
        ("a method put over another", 200, (RUNS, HOST, bearer, "X-HTTP-Method-Override: DELETE", CLOSE), b""),
        ("a page's form", 415, (post, HOST, bearer, "Content-Type: text/plain", "Content-Length: 2", CLOSE), b"{}"),
    ]


def test_a_request_can_be_read_in_one_way_only(service: RunningService) -> None:
    got = {what: spoken(service, *lines, body=body)[0] for what, _, lines, body in odd(service.bascule.token)}
    assert got == {what: status for what, status, _, _ in odd(service.bascule.token)}


@pytest.mark.parametrize(
    "body",
    [
        b'{"services": ["desk"], "services": ["phone"]}',
        b'{"services": ["desk"], "parameters": {"port": NaN}}',
        b'{"services": ["desk"], "parameters": {"port": 1e999}}',
        b'{"services":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
    ],
)
def test_json_that_can_be_read_in_two_ways_is_refused(service: RunningService, body: bytes) -> None:
    answer = service.http.post("/api/v1/plans", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert service.http.get("/healthz").status_code == 200


def test_answers_are_isolated_and_never_kept(service: RunningService) -> None:
    for path in ("/api/v1/runs", "/", "/healthz", "/nowhere"):
        headers = service.http.get(path).headers
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in headers
        assert "Access-Control-Allow-Origin" not in headers
        assert "Server" not in headers


def test_a_program_that_asks_too_often_waits_and_people_do_not(service: RunningService) -> None:
    rates = Rates(failed=Rate(5), asked=Rate(40), costly=Rate(2))
    with serving(service.bascule, Listening(rates=rates)) as server:
        headers = {"Authorization": f"Bearer {service.bascule.token}"}
        with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http:
            order = {"services": ["desk"]}
            plans = [http.post("/api/v1/plans", json=order, headers=headers).status_code for _ in range(3)]
            assert plans == [200, 200, 429]
            reads = [http.get("/api/v1/runs", headers=headers).status_code for _ in range(41)]
            assert (reads[0], reads[-1]) == (200, 429)
            assert int(http.get("/api/v1/runs", headers=headers).headers["Retry-After"]) >= 1
            cookie = http.get("/", params={"token": service.bascule.token}).headers["set-cookie"].partition(";")[0]
            viewers = [http.get("/", headers={"Cookie": cookie}).status_code for _ in range(60)]
            assert viewers == [200] * 60
            wrong = [http.get("/", headers={"Cookie": "bascule_x=y"}).status_code for _ in range(20)]
            assert wrong == [401] * 20


def counted(service: RunningService) -> dict[tuple[str, str, str], float]:
    """Requests by method, route and status."""
    families = text_string_to_metric_families(service.http.get("/metrics").text)
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for one in families
        for sample in one.samples
        if sample.name == "bascule_http_requests_total"
    }


def test_metrics_name_nobody_and_need_the_token(service: RunningService) -> None:
    before = counted(service)
    assert httpx.get(f"{service.url}/metrics", trust_env=False).status_code == 401
    refused = httpx.get(f"{service.url}/metrics", headers={"Authorization": "Bearer x"}, trust_env=False)
    assert refused.headers["Content-Type"] == "application/problem+json"
    service.start(service.plan("desk")["digest"], by="olga-with-a-name")
    service.http.get("/api/v1/runs/20260101-000000-abcdef")
    service.http.get("/nowhere/secret-path")
    answer = service.http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    assert {"bascule_runs", "bascule_steps", "bascule_queue_depth", "bascule_estate_age_seconds"} <= set(families)
    requests = {key: value - before.get(key, 0) for key, value in counted(service).items()}
    assert requests["GET", "/api/v1/runs/{run_id}", "404"] == 1
    assert requests["GET", "none", "404"] == 1
    assert requests["GET", "none", "401"] == 2
    assert sum(one.value for one in families["bascule_runs"].samples) == 1
    assert families["bascule_estate_age_seconds"].samples[0].value >= 0
    labels = {value for one in families.values() for sample in one.samples for value in sample.labels.values()}
    for word in ("olga", "desk", "aws", "scaleway", "secret-path", "20260101", "127.0.0.1"):
        assert word not in answer.text
        assert not any(word in label for label in labels)


def test_readiness_says_yes_or_no_and_nothing_else(service: RunningService) -> None:
    answer = httpx.get(f"{service.url}/readyz", trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert answer.headers["Cache-Control"] == "no-store"


def test_not_ready_while_the_worker_sleeps_the_database_is_held_or_it_stops(service: RunningService) -> None:
    now, quiet = [100.0], [0.0]
    ready = Readiness(service.bascule.database, lambda: quiet[0], lambda: now[0], writes_within=0.2)
    assert ready.ready()
    quiet[0] = 60.0
    assert ready.ready()  # known for two seconds
    now[0] += 3
    assert not ready.ready()
    quiet[0] = 0.0
    now[0] += 3
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with service.bascule.database.write():
            held.set()
            go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    assert not ready.ready()
    now[0] += 3
    assert not ready.ready()  # the first look still waits, and no second one is begun
    go.set()
    thread.join()

    def again() -> bool:
        now[0] += 3
        return ready.ready()

    assert until(again, 5, lambda: "it does not become ready again")
    ready.stop()
    assert not ready.ready()


def test_behind_a_proxy_the_public_name_is_the_only_one(service: RunningService) -> None:
    public = PublicUrl.of("https://bascule.example")
    where = Listening(host="127.0.0.1", public=public, proxies=proxies_of("127.0.0.1"), rates=UNLIMITED.rates)
    bearer = {"Authorization": f"Bearer {service.bascule.token}"}
    with serving(service.bascule, where) as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "bascule.example"}
        answer = http.get("/api/v1/runs", headers={**bearer, **said})
        assert answer.status_code == 200
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        signed_in = http.get("/", params={"token": service.bascule.token}, headers=said)
        assert "Secure" in signed_in.headers["set-cookie"]
        assert (
            http.get("/api/v1/runs", headers={**bearer, **said, "X-Forwarded-Host": "evil.example"}).status_code == 421
        )
        assert http.get("/api/v1/runs", headers={**bearer, **said, "X-Forwarded-Proto": "http"}).status_code == 421
        assert http.get("/api/v1/runs", headers=bearer).status_code == 200  # the command line of this machine
    limited = replace(where, rates=Rates(failed=Rate(3), asked=PLENTY, costly=PLENTY))
    with serving(service.bascule, limited) as server, httpx.Client(base_url=server.url, trust_env=False) as http:

        def fail(client: str) -> int:
            headers = {**said, "X-Forwarded-For": f"1.2.3.4, {client}", "Authorization": "Bearer guess"}
            return http.get("/api/v1/runs", headers=headers).status_code

        assert [fail("203.0.113.9") for _ in range(5)] == [401, 401, 401, 429, 429]
        assert fail("203.0.113.10") == 401


def test_an_address_in_use_says_so(service: RunningService, tmp_path: Path) -> None:
    from orchestrator.operations.request import RequestError
    from orchestrator.web.server import serve

    port = int(service.url.rpartition(":")[2])
    with pytest.raises(RequestError, match="can't be listened on"):
        serve(service.bascule, Listening(port=port))
