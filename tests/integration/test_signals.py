"""Webhooks against a whole service, on SQLite and on PostgreSQL: kept before they are answered, counted once."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import httpx
import pytest

from orchestrator.domain.signals.source import FORMATS
from orchestrator.store import deliveries, observations
from orchestrator.web.edge.bodies import MAX_BODY
from tests.databases import new_postgres_database
from tests.integration.service_fixture import RunningService, running_service
from tests.signal_senders import (
    NEWS,
    SIGNALS,
    Post,
    alert,
    alertmanager,
    as_bytes,
    cloudevent,
    datadog,
    kuma,
    proven,
    store_secrets,
    zabbix,
)

STRANGER = httpx.Client(timeout=20, trust_env=False, verify=False, limits=httpx.Limits(max_connections=400))
"""Without the installation's token: a source has nothing but its own secret."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    sqlite = request.param == "sqlite"
    url = "" if sqlite else new_postgres_database(request.getfixturevalue("postgres"))
    with running_service(tmp_path_factory.mktemp("signals"), url, SIGNALS) as made:
        store_secrets(made.bascule.settings.data)
        yield made


@pytest.fixture(autouse=True)
def nothing_kept(service: RunningService) -> Iterator[None]:
    """Each test counts from nothing, and none of them started anything."""
    with service.bascule.database.write() as conn:
        for name in deliveries.sources_seen(conn):
            deliveries.forget(conn, name, 1e12, 0, 1_000_000)
        observations.forget(conn, 1e12, 1_000_000)
    yield
    assert service.http.get("/api/v1/runs").json()["runs"] == []


def send(service: RunningService, post: Post) -> httpx.Response:
    return STRANGER.post(f"{service.url}/webhooks/{post.source}", content=post.body, headers=dict(post.headers))


def accepted(service: RunningService, post: Post) -> dict[str, Any]:
    response = send(service, post)
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    return found


def seen(service: RunningService) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.http.get("/api/v1/signals/observations").json()["observations"]
    return found


def left(service: RunningService, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.http.get("/api/v1/signals/unmapped", params=asked).json()["deliveries"]
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_every_sender_is_heard_once(service: RunningService, name: str) -> None:
    post = proven(name, as_bytes(NEWS[name]()))
    assert accepted(service, post) == {"repeated": False, "observations": 1, "unmapped": 0}
    again = accepted(service, post)
    assert again["observations"] == 0
    [one] = seen(service)
    assert (one["vendor"], one["outcome"], one["source"]) == ("microsoft-365", "fail", name)
    assert left(service) == []


def test_fault_16_duplicate_late_and_reordered_alerts_are_one_observation_each(service: RunningService) -> None:
    def post(**said: Any) -> dict[str, Any]:
        return accepted(
            service, proven("alertmanager", as_bytes(alertmanager(alert(**said), groupKey=str(time.time()))))
        )

    resolved = {"status": "resolved", "ended": "2026-11-25T09:30:00Z"}
    assert post(**resolved)["observations"] == 1
    assert post()["observations"] == 1
    for _ in range(3):
        assert post() == {"repeated": False, "observations": 0, "unmapped": 0}
        assert post(**resolved)["observations"] == 0
    with service.bascule.database.read() as conn:
        told = [(one.outcome, one.at) for one in observations.between(conn, 0, 1e12)]
    assert [outcome for outcome, _ in told] == ["fail", "ok"]
    assert told[0][1] < told[1][1]


@pytest.mark.both_databases
def test_the_same_delivery_by_many_at_once_is_stored_once(service: RunningService) -> None:
    post = proven("alertmanager", as_bytes(alertmanager(alert())))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: accepted(service, post), range(32)))
    assert sum(one["observations"] for one in answers) == 1
    assert sum(not one["repeated"] for one in answers) == 1
    assert len(seen(service)) == 1
    [source] = [one for one in service.http.get("/api/v1/signals/sources").json()["sources"] if one["deliveries"]]
    assert (source["name"], source["deliveries"], source["repeated"]) == ("alertmanager", 1, 31)


def test_resolved_adds_an_observation_that_it_works_and_nothing_more(service: RunningService) -> None:
    """Fault 35: whoever resolves or suppresses alerts makes no verdict by it."""
    accepted(service, proven("zabbix", as_bytes(zabbix("0"))))
    accepted(service, proven("uptime-kuma", as_bytes(kuma(1))))
    assert [one["outcome"] for one in seen(service)] == ["ok", "ok"]
    assert {one["trust_domain"] for one in seen(service)} == {"own-zabbix", "own-kuma"}
    assert {one["vantage"] for one in seen(service)} == {"zabbix", "lyon"}


@pytest.mark.parametrize("name", [*FORMATS, "alertmanager-basic", "behind-proxy", "nobody"])
def test_fault_49_a_wrong_key_is_401_whoever_is_named(service: RunningService, name: str) -> None:
    proof = proven(name, b"{not json") if name != "nobody" else Post(name, {}, b"{not json")
    for headers in (
        {},
        {"Authorization": f"Bearer {service.bascule.token}"},
        {key: "x" + value for key, value in proof.headers.items()},
    ):
        response = send(service, Post(name, headers, proof.body))
        assert response.status_code == 401, headers
        assert response.json()["code"] == "unauthenticated"
    assert left(service) == seen(service) == []


def test_fault_49_skew_replay_and_oversized_bodies(service: RunningService) -> None:
    body = as_bytes(alertmanager(alert()))
    for at in (time.time() - 400, time.time() + 400):
        for name in ("grafana", "nagios", "standard-webhooks"):
            assert send(service, proven(name, body, at)).status_code == 401
    large = proven("alertmanager", b"[" * (MAX_BODY + 1))
    assert send(service, large).status_code == 413
    assert send(service, Post("alertmanager", {}, large.body)).status_code == 413
    news = as_bytes(NEWS["standard-webhooks"]())
    first = proven("standard-webhooks", news, sent="msg-replayed")
    assert not accepted(service, first)["repeated"]
    assert accepted(service, first)["repeated"]
    assert accepted(service, proven("standard-webhooks", news, time.time() - 60, "msg-replayed"))["repeated"]
    assert len(seen(service)) == 1


def test_a_secret_of_a_source_opens_nothing_else(service: RunningService) -> None:
    for post in (proven("alertmanager", b"{}"), proven("checkmk", b"{}")):
        headers, api = dict(post.headers), f"{service.url}/api/v1"
        assert STRANGER.get(f"{api}/signals/unmapped", headers=headers).status_code == 401
        assert STRANGER.post(f"{api}/plans", headers=headers, json={"services": ["desk"]}).status_code == 401
        assert STRANGER.post(f"{api}/webhooks/estate", headers=headers).status_code == 401
        other = "checkmk" if post.source == "alertmanager" else "alertmanager"
        assert send(service, Post(other, post.headers, b"{}")).status_code == 401


def test_what_is_not_understood_is_kept_and_shown(service: RunningService) -> None:
    for body in (b"", b"\xff\x00 no json", b"[]", b'{"version": "5"}', as_bytes(alertmanager())):
        assert accepted(service, proven("alertmanager", body)) == {"repeated": False, "observations": 0, "unmapped": 1}
    accepted(service, proven("alertmanager-basic", as_bytes(alertmanager(alert(), alert(alertname="Disk")))))
    first, *others = left(service)
    assert first["unmapped"] == 2
    assert first["left"][1]["labels"] == {"alertname": "Disk"}
    assert len(others) == 5
    assert "�" in others[3]["body"]
    assert len(left(service, source="alertmanager")) == 5
    assert len(left(service, limit=2)) == 2
    page = service.http.get("/signals?lang=fr")
    assert page.status_code == 200
    assert "Messages qui ne concernent rien" in page.text
    assert "Disk" in page.text


def test_cloudevents_ask_before_they_send(service: RunningService) -> None:
    def ask(source: str, **headers: str) -> httpx.Response:
        names = {key.replace("_", "-"): value for key, value in headers.items()}
        return STRANGER.options(f"{service.url}/webhooks/{source}", headers=names)

    agreed = ask("cloudevents", WebHook_Request_Origin="events.example.eu")
    assert agreed.status_code == 200
    assert agreed.headers["webhook-allowed-origin"] == "events.example.eu"
    assert int(agreed.headers["webhook-allowed-rate"]) > 0
    assert ask("cloudevents").status_code == 400
    assert ask("cloudevents", WebHook_Request_Origin="<script>").status_code == 400
    assert ask("alertmanager", WebHook_Request_Origin="events.example.eu").status_code == 405
    attributes: dict[str, Any] = {
        "ce-specversion": "1.0",
        "ce-id": "e-9",
        "ce-source": "/probes",
        "ce-type": "a.failed",
    }
    binary = proven("cloudevents", as_bytes({"vendor": "microsoft-365"}), **attributes)
    assert accepted(service, binary)["observations"] == 1
    structured: dict[str, Any] = {"Content-Type": "application/cloudevents+json"}
    same = as_bytes(cloudevent(id="e-9", source="/probes", type="a.failed"))
    assert accepted(service, proven("cloudevents", same, **structured))["repeated"]


def test_a_generic_sender_without_ids_is_heard_each_time(service: RunningService) -> None:
    for _ in range(2):
        assert accepted(service, proven("generic", as_bytes(datadog(id=""))))["observations"] == 1
    for _ in range(2):
        accepted(service, proven("generic", as_bytes(datadog())))
    assert len(seen(service)) == 3


def test_bodies_are_let_go_beyond_the_bounds_and_repetitions_still_known(service: RunningService) -> None:
    posts = [proven("alertmanager", as_bytes(alertmanager(alert(fingerprint=str(n))))) for n in range(12)]
    for post in posts:
        accepted(service, post)
    with service.bascule.database.write() as conn:
        assert deliveries.forget_bodies(conn, "alertmanager", kept=8, kept_bytes=1 << 30, most=3) == 3
        assert deliveries.forget_bodies(conn, "alertmanager", kept=8, kept_bytes=1 << 30, most=3) == 1
        assert deliveries.forget_bodies(conn, "alertmanager", kept=8, kept_bytes=1 << 30, most=3) == 0
        size = len(posts[0].body)
        assert deliveries.forget_bodies(conn, "alertmanager", kept=8, kept_bytes=5 * size + 10, most=100) == 3
    assert accepted(service, posts[0])["repeated"]
    with service.bascule.database.write() as conn:
        assert deliveries.forget(conn, "alertmanager", before=0, kept=4, most=100) == 8
        assert observations.forget_above(conn, "alertmanager", kept=10, most=100) == 2
        assert observations.forget(conn, before=1e12, most=4) == 4
    assert service.bascule.signals.sweep() == 0


def test_a_missing_secret_is_the_services_own_fault(service: RunningService) -> None:
    path = service.bascule.settings.data / "secrets" / "signals" / "checkmk"
    kept = path.read_bytes()
    path.unlink()
    try:
        response = send(service, proven("checkmk", b"{}"))
        assert response.status_code == 503
        assert str(path) not in response.text
    finally:
        path.write_bytes(kept)
        path.chmod(0o600)


def test_while_nothing_can_be_written_the_queue_is_bounded_and_the_page_answers(service: RunningService) -> None:
    writer = service.bascule.signals._writer
    writer._room = 20
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with service.bascule.database.write() as conn:
            if not service.bascule.database.is_sqlite:
                conn.exec_driver_sql("LOCK TABLE deliveries IN EXCLUSIVE MODE")
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    bodies = [as_bytes(alertmanager(alert(fingerprint=str(n)))) for n in range(150)]
    try:
        with ThreadPoolExecutor(150) as pool:
            answers = [pool.submit(send, service, proven("alertmanager", body)) for body in bodies]
            refused = next(as_completed(answers, timeout=20)).result()
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "5"
            assert service.http.get("/", timeout=5).status_code == 200
            done.set()
            codes = [one.result().status_code for one in answers]
    finally:
        done.set()
        holder.join()
        writer._room = 5000
    assert set(codes) == {202, 503}
    assert codes.count(202) == len(service.http.get("/api/v1/signals/observations?limit=1000").json()["observations"])


def test_the_description_of_the_api_says_that_a_webhook_needs_no_token(service: RunningService) -> None:
    described = service.http.get("/api/v1/openapi.json").json()["paths"]["/webhooks/{source}"]["post"]
    assert described["security"] == []
    assert json.dumps(described["responses"]).count("problem+json") >= 4
