"""What the checks of office and visio services see in services that answer, and yet do not work."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from providers.base import Finding, Presence, ProviderError
from providers.simulator.condition import Condition
from providers.simulator.http_service import Request, Response
from providers.wants import CollaboraProbe, CryptpadProbe, MeetProbe, NextcloudProbe, WebdavProbe
from tests.dns_servers import ZONE
from tests.office_town import SECRETS, TAG, Town, Trial, office_town

OTHER = "a-secret-that-is-not-the-right-one"
DAY = 86400.0


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with office_town(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest.fixture
def town(street: Town, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """As new: what a test configures differently is put back after it."""
    yield street
    monkeypatch.undo()
    street.office.reset()


Configure = Callable[..., Trial]
"""The trial, with its service configured differently for this test."""


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Configure:
    def configure(trial: Trial, **settings: Any) -> Trial:
        for name, value in settings.items():
            monkeypatch.setattr(trial.service, name, value)
        return trial

    return configure


def absent(town: Town, trial: Trial) -> str:
    """What a look says of something that does not hold; never a secret."""
    found = trial.look(town)
    assert found.presence is Presence.ABSENT
    assert [secret for secret in (*SECRETS.values(), OTHER) if secret in repr(found)] == []
    return found.message


def holds(town: Town, trial: Trial) -> Finding:
    found = trial.look(town)
    assert found.presence is Presence.ALREADY, found.message
    return found


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("nextcloud", {"installed": False}, "not installed; expected installed: true"),
        ("nextcloud", {"needs_upgrade": True}, "database must still be upgraded; expected needsDbUpgrade: false"),
        ("nextcloud", {"passwords": {"crise": OTHER}}, "does not let crise in (statuscode 997): user or password are"),
        ("onlyoffice", {"secret": OTHER}, "does not take our signature (error 6): it has another JWT secret"),
        ("onlyoffice", {"checks_tokens": False}, "takes commands without a token; expected error 6"),
        ("onlyoffice", {"clock": lambda: time.time() + DAY}, "has expired (error 7): its clock is wrong, or ours"),
        ("collabora", {"scheme": "http"}, f"sends browsers to http://collabora.{ZONE}"),
        ("collabora", {"told_as": "https://localhost:9980"}, "sends browsers to https://localhost:9980/browser/"),
        ("cryptpad", {"safe_url": None}, "says httpSafeOrigin 'None'; expected https://sandbox.pads."),
        (
            "cryptpad",
            {"url": "http://localhost:3000"},
            "says httpUnsafeOrigin 'http://localhost:3000'; expected",
        ),
        ("meet", {"livekit_url": ""}, "names no LiveKit server; expected its URL"),
        ("meet", {"livekit_url": "wss//livekit"}, "names 'wss//livekit'; expected a URL"),
        ("meet", {"livekit_url": f"ws://livekit.{ZONE}"}, "expected wss, browsers refuse others"),
        ("livekit", {"secrets": {SECRETS["livekit-key"]: OTHER}}, "does not take our key (401, 'invalid authorization"),
        ("livekit", {"secrets": {}}, "does not take our key (401, 'invalid API key'): it has another key or secret"),
        ("jitsi", {"hosts": {"another.example"}}, f"opened no session for jitsi.{ZONE} (improper-addressing)"),
    ],
)
def test_a_wrong_setting_is_said(
    town: Town, configured: Configure, kind: str, settings: dict[str, Any], said: str
) -> None:
    message = absent(town, configured(town.trial(kind), **settings))
    assert said in message
    assert message.endswith(".")
    assert "\n" not in message


def test_nextcloud_is_looked_at_without_a_user(town: Town) -> None:
    trial = town.trial("nextcloud")
    found = trial.make(town.context).observe(NextcloudProbe(url=trial.want.url), TAG, None)
    assert (found.presence, found.outputs) == (Presence.ALREADY, {"version": "31.0.5"})


def test_onlyoffice_from_before_its_short_path(town: Town, configured: Configure) -> None:
    assert holds(town, configured(town.trial("onlyoffice"), old=True)).outputs == {"version": "9.0.4.50"}


def test_both_forms_of_jitsis_settings(town: Town, configured: Configure) -> None:
    trial = town.trial("jitsi")
    for container in (False, True):
        assert holds(town, configured(trial, container=container)).outputs == {"domain": f"jitsi.{ZONE}"}
    assert (trial.service.opened, trial.service.sessions) == (2, {})


def test_livekit_lets_the_canary_in_once_and_only_in_an_attempt(town: Town) -> None:
    trial = town.trial("livekit")
    holds(town, trial)
    assert trial.service.joined == []
    trial.apply(town)
    (joined,) = trial.service.joined
    room, _, participant = joined.partition("/")
    assert room == participant
    assert room.startswith("bascule-canary-")


def test_a_refusal_that_is_not_livekits_is_no_sign_of_life(town: Town, configured: Configure) -> None:
    trial = town.trial("meet")
    odd = Odd({"/rtc": Response(401, b"<html>Sign in</html>", {"Content-Type": "text/html"})})
    configured(trial, livekit_url=town.other("livekit", odd))
    assert "answered 401, '<html>Sign in</html>', to a stranger; expected LiveKit's 401" in absent(town, trial)


def test_the_sandbox_must_answer_too(town: Town) -> None:
    trial = town.trial("cryptpad")
    town.office.become("cryptpad-sandbox", Condition.PARKED)
    assert f"https://sandbox.pads.{ZONE}" in absent(town, trial)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<wopi-discovery>&b;</wopi-discovery>"
)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (BOMB, "expected XML without a document type"),
        (BOMB.decode().encode("utf-16"), "expected XML without a document type"),
        (b"<wopi-discovery>", "expected XML without a document type"),
        (b"<other/>", "expected a WOPI discovery document"),
        (b"<wopi-discovery>" + b" " * 1024 * 1024 + b"</wopi-discovery>", "answered more than 1048576 bytes"),
    ],
)
def test_discovery_is_read_with_care(town: Town, document: bytes, said: str) -> None:
    trial = town.trial("collabora")
    odd = Odd({"/hosting/discovery": Response(200, document, {"Content-Type": "text/xml"})})
    want = CollaboraProbe(url=town.other("collabora", odd))
    found = trial.make(town.context).observe(want, TAG, None)
    assert found.presence is Presence.ABSENT
    assert said in found.message


@pytest.mark.parametrize("livekit_url", ["wss://192.0.2.1", "https://[::1"])
def test_a_service_cannot_lead_a_check_out_of_its_networks(town: Town, configured: Configure, livekit_url: str) -> None:
    trial = configured(town.trial("meet"), livekit_url=livekit_url)
    with pytest.raises(ProviderError, match="outside the networks") if "192" in livekit_url else nullcontext():
        assert "expected a URL" in absent(town, trial)


class Odd:
    """Answers some paths in a way of its own, and knows no others."""

    def __init__(self, answers: dict[str, Response]) -> None:
        self._answers = answers

    def handle(self, request: Request) -> Response:
        return self._answers.get(request.path, Response(404))

    in_maintenance = read_only = handle


@pytest.mark.parametrize(
    ("model", "with_"),
    [
        (CryptpadProbe, {"url": "https://pads.example/", "safe_url": "https://pads.example"}),
        (NextcloudProbe, {"url": "https://cloud.example", "user": "anne"}),
        (NextcloudProbe, {"url": "https://anne:secret@cloud.example"}),
        (MeetProbe, {"url": "https://visio.example", "livekit_key": "secret://key"}),
        (WebdavProbe, {"url": "https://a.example", "user": "anne", "password": "secret://a", "folder": "a/../b"}),
        (WebdavProbe, {"url": "https://a.example", "user": "anne", "password": "secret://a", "folder": "/a"}),
        (WebdavProbe, {"url": "https://a.example", "user": "an:ne", "password": "secret://a"}),
        (WebdavProbe, {"url": "https://a.example", "user": "anne", "password": "in clear"}),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(model: type[BaseModel], with_: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(with_)


def test_a_folder_may_have_any_name_that_people_give_it() -> None:
    folder = "Crise 2026/Équipe communication"
    assert WebdavProbe(url="https://a.example", user="anne", password="secret://a", folder=folder).folder == folder
