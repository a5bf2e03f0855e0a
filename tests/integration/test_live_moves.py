"""What keeps pages as things are: they are told that something moved, once, and again when they come back."""

import contextlib
import re
from collections.abc import Iterator

import pytest

from orchestrator.domain.people.role import Role
from orchestrator.store import moves
from orchestrator.web.live import STREAMS_EACH
from tests.integration.service_fixture import RunningService, running_service, until

PORT_STEP = "desk-failover/sheet"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("moves")) as made:
        yield made


def revision(service: RunningService) -> str:
    with service.bascule.database.read() as conn:
        return moves.revision(conn)


def heard(lines: Iterator[str]) -> str:
    """The id of the next `moved`."""
    said = ""
    for line in lines:
        if line.startswith("id: "):
            said = line.removeprefix("id: ")
        if line == "" and said:
            return said
    raise AssertionError("the stream ended")


def test_every_kind_of_change_is_another_revision(service: RunningService) -> None:
    before = revision(service)

    def moved(what: str) -> None:
        nonlocal before
        after = revision(service)
        assert after != before, what
        before = after

    assert revision(service) == before, "nothing moved"
    run_id = service.start(service.plan("desk")["digest"])
    service.wait(run_id, "waiting", PORT_STEP)
    moved("a run")
    service.decide(run_id, "pause", "olga", reason="test")
    moved("a decision")
    service.bascule.halt.engage("olga", "test")
    moved("a halt")
    service.bascule.halt.lift("olga", "test")
    moved("its lifting")
    service.person("zoe", Role.VIEWER)
    service.http.post("/api/v1/people", json={"name": "yves"}).raise_for_status()
    moved("people")
    service.decide(run_id, "cancel", "olga", reason="test")
    service.wait(run_id, "cancelled")


def test_a_page_that_is_up_to_date_is_told_nothing_until_something_moves(service: RunningService) -> None:
    run_id = service.start(service.plan("phone", port=service.listening_port)["digest"])
    service.wait(run_id, "succeeded")
    seen = revision(service)
    with service.http.stream("GET", "/live", params={"seen": seen}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert next(lines).startswith("retry: ")
        other = service.start(service.plan("desk")["digest"])
        told = heard(lines)
        assert told != seen
    service.wait(other, "waiting", PORT_STEP)
    now = revision(service)
    with service.http.stream("GET", "/live", params={"seen": seen}, headers={"Last-Event-ID": told}) as response:
        assert heard(response.iter_lines()) == now, "what was heard last goes before what the page was made of"


def test_whoever_looks_at_nothing_is_refused(service: RunningService) -> None:
    stranger = service.http.build_request("GET", "/live", headers={"Authorization": "Bearer nonsense"})
    assert service.http.send(stranger).status_code == 401
    assert service.http.get("/live", params={"seen": "<script>"}).status_code == 422


def test_one_person_takes_no_stream_of_another(service: RunningService) -> None:
    service.person("nora", Role.VIEWER)
    service.person("adil", Role.ADMIN)
    nora, adil = service.people["nora"], service.people["adil"]
    with contextlib.ExitStack() as open_ones:
        for _ in range(STREAMS_EACH):
            assert open_ones.enter_context(nora.stream("GET", "/live")).status_code == 200
        refused = nora.get("/live")
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert f"{STREAMS_EACH} streams" in refused.json()["detail"]
        for other in (adil, service.http):
            assert open_ones.enter_context(other.stream("GET", "/live")).status_code == 200

    def given_back() -> bool | None:
        with nora.stream("GET", "/live") as response:
            return response.status_code == 200 or None

    until(given_back, 10, lambda: "a stream that was closed is not given back")


def test_a_page_without_a_stream_looks_anew_and_is_sent_nothing_where_nothing_moved(service: RunningService) -> None:
    page = service.http.get("/")
    (head,) = re.findall(r'<div id="page"[^>]*>', page.text)
    assert 'hx-trigger="sse:moved, stale"' in head
    seen = re.findall(r"""hx-headers='{"X-Seen":"([0-9.]+)"}'""", head)
    assert seen == [revision(service)]
    again = service.http.get("/", headers={"X-Seen": seen[0]})
    assert (again.status_code, again.content) == (204, b"")
    service.http.post("/api/v1/people", json={"name": "wim"}).raise_for_status()
    moved = service.http.get("/", headers={"X-Seen": seen[0]})
    assert moved.status_code == 200
    assert seen[0] not in moved.text
    assert service.http.get("/", headers={"X-Seen": ""}).status_code == 200
