"""Announcements and profiles in the engine, at Mastodon's stand-in: lost answers, drift, undo."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain.model import RunState, StepState
from orchestrator.engine.worker import Worker
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.operations.decisions import Decisions
from orchestrator.store.database import Database
from providers.base import Secret
from providers.simulator.fediverse import FediverseServer
from providers.simulator.mastodon import MASTODON
from tests.integration.engine_world import Engine, World, step
from tests.served import Served, served

TOKEN = "token-only-known-to-this-test"
OLD, NEW = "https://old.valbourg.example", "https://www.valbourg.example"
POST = {"account": "town", "text": {"fr": "La mairie déménage.", "en": "The town hall moves."}}
PROFILE = {"account": "town", "fields": [{"name": "Site", "value": NEW}]}
BEFORE = {"fields": {"Site": OLD}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served("mastodon", lambda url, effects: FediverseServer(MASTODON, url, TOKEN, effects), tmp_path) as made:
        made.stand_in.fields = [("Site", OLD), ("Horaires", "9 h - 17 h")]
        yield made


@pytest.fixture
def engine(tmp_path: Path, server: Served) -> Iterator[Engine]:
    database = Database(f"sqlite:///{tmp_path / 'bascule.db'}")
    database.migrate()
    account = {"driver": "mastodon", "url": server.url, "token": "secret://social-token"}
    scope = {"networks": ["127.0.0.0/8"], "tls": {"ca": str(server.ca)}, "social": {"town": account}}
    made = Engine(database, World())
    workshop = EstateWorkshop(
        lambda *_: scope, lambda _: tmp_path, lambda _: lambda _: Secret(TOKEN), tmp_path / "work"
    )
    made.worker = Worker(database, workshop, time.time)
    made.progress = made.worker.progress
    made.worker.start()
    yield made
    made.worker.stop()
    database.close()


def test_what_is_announced_comes_once_and_goes_with_the_run(engine: Engine, server: Served) -> None:
    links = step("links", uses="social.profile", before=BEFORE, **{"with": PROFILE})
    with server.losing_answers():
        engine.start_run("r", links, step("tell", "links", uses="social.post", **{"with": POST}))
        engine.wait("r", RunState.SUCCEEDED)
    assert [action for action, _ in server.written()] == ["profile.update", "status.post"]
    assert server.stand_in.fields == [("Site", NEW), ("Horaires", "9 h - 17 h")]

    Decisions(engine.progress).undo("r", "olga", "back again")
    engine.wait("r", RunState.UNDONE)
    assert server.stand_in.statuses == []
    assert server.stand_in.fields == [("Site", OLD), ("Horaires", "9 h - 17 h")]
    engine.check_fold("r")
    assert not any(TOKEN in line for line in engine.story("r"))


def test_a_profile_that_moved_since_the_plan_is_held(engine: Engine, server: Served) -> None:
    server.stand_in.fields = [("Site", "https://ailleurs.example")]
    engine.start_run("r", step("links", uses="social.profile", before=BEFORE, **{"with": PROFILE}))
    engine.wait("r", StepState.HELD, "links")
    assert server.written() == []
    Decisions(engine.progress).retry("r", "links", "olga", accept_drift=True)
    engine.wait("r", RunState.SUCCEEDED)
    assert server.stand_in.fields == [("Site", NEW)]
