"""People and their meetings in a run of the engine: told, re-issued, and all of it taken back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.domain.model import RunState
from tests.contract.test_calendar import meeting, values
from tests.radicale_server import PASSWORD, USER, Radicale, radicale_server
from tests.simulator_fixture import Simulator
from tests.town_hall import TownHall

FAR = "21000115T090000Z"
"""A meeting's day that is to come whenever this test runs."""


def steps(radicale: Radicale, calendar: str) -> dict[str, Any]:
    words = {"fr": "La messagerie déménage", "en": "Mail moves"}
    fact = {"what": {"fr": "Messagerie", "en": "Mail"}, "old": "old.example", "new": "new.example"}
    tell = {"channels": ["crisis", "social:mastodon", "paper"], "subject": words, "facts": [fact], "contact": words}
    meetings = {
        "calendar": f"http://127.0.0.1:{radicale.port}{calendar}",
        "user": USER,
        "password": "secret://calendar",
        "from_vendors": ["teams"],
        "link": "https://visio.valbourg.example/{room}",
        "domain": "valbourg.example",
    }
    return {
        "meetings": {"uses": "calendar.reissue", "with": meetings},
        "tell": {"uses": "people.inform", "with": tell, "needs": ["meetings"]},
    }


@pytest.fixture(scope="module")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    with radicale_server(tmp_path_factory.mktemp("radicale")) as server:
        yield server


def test_people_are_told_and_meetings_moved_and_both_are_taken_back(
    simulator: Simulator, radicale: Radicale, tmp_path: Path
) -> None:
    simulator.reset()
    calendar = radicale.calendar()
    radicale.put(f"{calendar}a.ics", meeting("a", start=FAR))
    before = radicale.all(calendar)

    def with_people(folder: Path) -> None:
        sheet = yaml.safe_load((folder / "bascule.yaml").read_text())
        title = {"fr": "Annonce", "en": "Notice"}
        sheet["services"]["people"] = {
            "title": title,
            "vendor": "microsoft-365",
            "target": "visio",
            "failover": "people-failover",
            "origin": {"uses": "probe.tcp", "with": {"host": "valbourg.sharepoint.test", "port": 80}},
        }
        sheet["scopes"]["rehearsal"]["networks"].append("127.0.0.1/32")
        account = {
            "driver": "mastodon",
            "url": "https://mastodon.secours.example",
            "token": "secret://social-token",
        }
        for scope in sheet["scopes"].values():
            scope["social"] = {**scope.get("social", {}), "mastodon": account}
        (folder / "bascule.yaml").write_text(yaml.safe_dump(sheet, allow_unicode=True, sort_keys=False))
        runbook = {"runbook": "people-failover", "service": "people", "title": title}
        text = yaml.safe_dump({**runbook, "steps": steps(radicale, calendar)}, allow_unicode=True)
        (folder / "runbooks/people-failover.yaml").write_text(text)

    hall = TownHall(simulator, tmp_path, change=with_people)
    try:
        secret = tmp_path / "data/secrets/rehearsal/calendar"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        run_id = hall.run(["people"])
        told = hall.steps(run_id)["people-failover/tell"]
        assert values(radicale.text(f"{calendar}a.ics"), "SEQUENCE") == ["1"]
        hall.undo(run_id)
        assert hall.state(run_id) is RunState.UNDONE
        hall.check_fold(run_id)
    finally:
        hall.stop()
    outputs = told.outputs if isinstance(told.outputs, dict) else json.loads(told.outputs)
    texts = simulator.state()["social"]["mastodon"]["statuses"]
    assert radicale.all(calendar) == before
    assert [outputs["reference"] in text for text in texts] == [True, True]
    assert "ANNULE" in texts[1]
    assert len([*Path(outputs["paper"]).parent.glob("notice-*.html")]) == 2
