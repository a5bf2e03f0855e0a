"""Row 49: replayed, skewed, wrongly signed and oversized deliveries are refused before anything reads them.

What each source's proof covers is in tests/unit/test_signal_proof.py; here, that refusal comes before parsing, that
guessing is slowed, and that no storm of refused deliveries slows those that prove themselves.
"""

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from orchestrator.domain.signals.formats import registry
from orchestrator.store import observations
from orchestrator.web.edge.bodies import MAX_BODY
from orchestrator.web.edge.limits import Rate, Rates
from orchestrator.web.edge.listening import Listening
from tests.integration.service_fixture import PLENTY, RunningService, running_service
from tests.signal_senders import SIGNALS, Post, alert, alertmanager, as_bytes, proven, store_secrets

FAILED = 30
LISTENING = Listening(rates=Rates(failed=Rate(FAILED, 3600), asked=PLENTY, costly=PLENTY))
SIGNED = ("grafana", "nagios", "standard-webhooks")
BODY = as_bytes(alertmanager(alert()))


STRANGER = httpx.Client(trust_env=False, timeout=30)


class WasRead(Exception):
    """A delivery reached a reader."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with running_service(tmp_path, more=SIGNALS, where=LISTENING) as made:
        store_secrets(made.bascule.settings.data)
        yield made


@pytest.fixture
def reading_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def exploding(headers: Mapping[str, str], body: bytes) -> None:
        raise WasRead

    assert isinstance(registry.READERS, dict)
    for name in list(registry.READERS):
        monkeypatch.setitem(registry.READERS, name, exploding)


def send(service: RunningService, post: Post) -> httpx.Response:
    return STRANGER.post(f"{service.url}/webhooks/{post.source}", content=post.body, headers=dict(post.headers))


def observed(service: RunningService) -> int:
    with service.bascule.database.read() as conn:
        return len(observations.newest(conn, 100, ""))


@pytest.mark.usefixtures("reading_fails")
def test_nothing_is_read_before_it_is_proven(service: RunningService) -> None:
    right = proven("alertmanager", BODY)
    reached = httpx.post(f"{service.url}/webhooks/alertmanager", content=BODY, headers=dict(right.headers))
    assert reached.status_code == 500  # with the right proof, the reader is reached
    now = time.time()
    refused = [Post(name, {"Content-Type": "application/json"}, BODY) for name in ("alertmanager", "zabbix", "nobody")]
    refused += [proven(name, BODY, at) for name in SIGNED for at in (now - 400, now + 400)]
    refused += [replace(proven(name, BODY), body=BODY + b" ") for name in SIGNED]
    refused += [replace(proven("alertmanager", b"[" * 500_000), headers={"Authorization": "Bearer wrong"})]
    for post in refused:
        assert send(service, post).status_code == 401, post.source
    large = proven("alertmanager", b"[" * (MAX_BODY + 1))
    assert send(service, large).status_code == 413
    assert send(service, replace(large, headers={})).status_code == 413
    assert observed(service) == 0


@pytest.mark.usefixtures("reading_fails")
def test_a_body_that_says_it_is_too_large_is_refused_unsent(service: RunningService) -> None:
    with socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), 10) as line:
        head = "POST /webhooks/alertmanager HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n"
        line.sendall(head.encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.usefixtures("reading_fails")
def test_chunks_without_an_end_are_cut_off(service: RunningService) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(service.url.rpartition(":")[2]), timeout=20)
    chunk = b"[" * 65536
    headers = {"Host": "localhost", "Transfer-Encoding": "chunked", **proven("alertmanager", b"").headers}
    with pytest.MonkeyPatch.context():
        connection.request("POST", "/webhooks/alertmanager", (chunk for _ in range(20)), headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    connection.close()


def test_a_replayed_delivery_is_one(service: RunningService) -> None:
    news = proven("standard-webhooks", as_bytes({"type": "incident", "data": {"vendor": "microsoft-365"}}), sent="m-1")
    assert [send(service, news).json()["repeated"] for _ in range(3)] == [False, True, True]
    late = proven("standard-webhooks", news.body, time.time() - 400, sent="m-1")
    assert send(service, late).status_code == 401
    assert observed(service) <= 1


def test_guessing_is_slowed_and_those_who_prove_themselves_are_not(service: RunningService) -> None:
    wrong = replace(proven("alertmanager", BODY), headers={"Authorization": "Bearer guess"})
    answers = [send(service, wrong) for _ in range(FAILED + 5)]
    assert [one.status_code for one in answers[:FAILED]] == [401] * FAILED
    late = answers[-1]
    assert (late.status_code, late.json()["code"]) == (429, "too_many")
    assert 1 <= int(late.headers["Retry-After"]) <= 120
    assert late.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert late.headers["Content-Type"] == "application/problem+json"
    for number in range(2 * FAILED):
        news = as_bytes(alertmanager(alert(fingerprint=f"{number:016x}")))
        assert send(service, proven("alertmanager", news)).status_code == 202
    assert service.http.get("/api/v1/runs").status_code == 200
    for bad in ("Bearer guess", "Basic Z3Vlc3M6Z3Vlc3M="):
        assert STRANGER.get(f"{service.url}/api/v1/runs", headers={"Authorization": bad}).status_code == 429
    assert STRANGER.get(f"{service.url}/?token=guess").status_code == 429
    assert STRANGER.get(f"{service.url}/").status_code == 401  # who shows nothing is asked who they are


def test_no_address_in_a_delivery_is_ever_asked(service: RunningService) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/latest/meta-data"
        news = alert(annotations={"summary": url, "image": f"<img src={url}>", "runbook_url": url})
        news["generatorURL"] = url
        body = json.dumps(alertmanager(news, externalURL=url)).encode()
        assert send(service, proven("alertmanager", body)).json()["observations"] == 1
        assert service.http.get("/signals").status_code == 200
        with pytest.raises(TimeoutError):
            listener.accept()
