"""The kill switch from outside: its command with and without a service, its API, and the banner on every page."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service_fixture import RunningService, running_service
from tests.integration.test_cli import Village


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    made = Village(tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("halt")) as made:
        yield made


@pytest.mark.faults
def test_the_command_halts_with_and_without_a_service_and_survives_a_kill(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing has ever run" in village.said(1, "halt", "--reason", "stop")
    village.serve()
    assert village.said(0, "halt") == "Nothing is halted.\n"
    run = village.rehearsed("paper")
    village.until(lambda: village.waits(run), "the run to wait for people")

    monkeypatch.setattr("orchestrator.cli.halt_command.ANSWER_WITHIN", 0.3)
    assert village._service is not None
    village._service.send_signal(signal.SIGSTOP)  # a service that hangs is passed by
    engaged = village.json(0, "halt", "--reason", "wrong zone")
    assert (engaged["created"], engaged["paused"]) == (True, [run])
    village.stop(signal.SIGKILL)
    monkeypatch.undo()
    assert "by olga: wrong zone" in village.said(4, "halt")
    assert village.json(0, "halt", "--reason", "again")["created"] is False

    village.serve()
    status = village.said(0, "status")
    assert status.startswith("!! HALTED since ")
    assert "by olga: wrong zone" in status
    assert f"{run}  Paused" in status
    assert "nothing new may begin" in village.said(4, "rehearse", "hurry", "--detach")
    assert "bascule halt --lift" in village.said(4, "resume", run)
    assert "Approved by anne" in village.said(0, "approve", run, "paper-failover/go", "--as", "anne")
    assert village.said(3, "watch", run).startswith("!! HALTED since ")
    assert "It was engaged already" not in village.said(0, "halt", "--reason", "again")
    assert "--reason" in village.said(2, "halt", "--lift")
    assert "Lifted by olga" in village.said(0, "halt", "--lift", "--reason", "zone corrected")
    assert "zone corrected" in village.said(0, "halt")
    assert "Resumed by olga" in village.said(0, "resume", run)
    village.end(run)

    village.stop()
    village.said(0, "halt", "--reason", "night")
    assert village.json(0, "halt", "--lift", "--reason", "morning")["by"] == "olga"
    assert village.json(0, "halt")["in_force"] is None


def test_the_api_and_every_page_say_who_halted_and_what_to_do(service: RunningService) -> None:
    api = service.http
    assert api.get("/api/v1/halt").json() == {"in_force": None, "history": []}
    assert api.post("/api/v1/halt", json={"as": "olga", "reason": " "}).status_code == 422
    digest = service.plan("phone")["digest"]
    engaged = api.post("/api/v1/halt", json={"as": "olga", "reason": "<b>stop</b>"})
    assert engaged.status_code == 201
    again = api.post("/api/v1/halt", json={"as": "paul", "reason": "me too"})
    assert (again.status_code, again.json()["halt"]) == (200, engaged.json()["halt"])
    refused = api.post("/api/v1/runs", json={"digest": digest, "as": "olga"})
    assert (refused.status_code, refused.json()["code"]) == (423, "halted")
    assert "by olga (<b>stop</b>)" in refused.json()["detail"]
    for page in ("/", "/signals", "/map"):
        shown = api.get(f"{page}?lang=fr").text
        assert "Arrêt d’urgence" in shown, page
        assert "&lt;b&gt;stop&lt;/b&gt;" in shown
        assert "<b>stop" not in shown
        assert "Everything is halted" in api.get(f"{page}?lang=en").text
    lifted = api.post("/api/v1/halt/lift", json={"as": "anne", "reason": "fine"})
    assert lifted.json()["by"] == "olga"
    assert api.post("/api/v1/halt/lift", json={"as": "anne", "reason": "fine"}).status_code == 409
    assert "halted" not in api.get("/?lang=en").text
    (told,) = api.get("/api/v1/halt").json()["history"]
    assert (told["by"], told["lifted_by"], told["lift_reason"]) == ("olga", "anne", "fine")
    assert api.post("/api/v1/runs", json={"digest": digest, "as": "olga"}).status_code == 201
