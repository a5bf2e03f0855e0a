"""`bascule secrets` and its API, with a service and without one: values go in, and none comes out anywhere."""

import io
import json
import logging
import os
import pty
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.app import Bascule, Settings
from orchestrator.cli import main
from orchestrator.cli.secrets_commands import secret_lines
from orchestrator.domain.people.actor import Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.sealing import PeopleSealing
from orchestrator.store import people
from orchestrator.store.database import Database
from orchestrator.store.tables import audit_entries
from tests.audit_whole import assert_audit_whole
from tests.integration.service_fixture import RunningService, commit, estate_files, running_service

VALUE = "a-value-that-nobody-sees"


class Hand:
    """The command on one data directory, and what it said so far."""

    def __init__(self, data: Path, estate: Path) -> None:
        self.data = data
        self.estate = estate
        self.said_all = ""

    def said(self, code: int, *arguments: str, value: str = "") -> str:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr("sys.stdin", io.StringIO(value))
            patch.setenv("COLUMNS", "200")
            with pytest.raises(SystemExit) as end:
                main(["--data", str(self.data), "--estate", str(self.estate), "secrets", *arguments])
        said = out.getvalue() + err.getvalue()
        self.said_all += said
        assert end.value.code == code, said
        assert "Traceback" not in said
        return said

    def listed(self) -> dict[str, str]:
        found = json.loads(self.said(0, "list", "--json"))["secrets"]
        return {f"{one['scope']}/{one['name']}": one["source"] for one in found}

    def file(self, place: str, value: str) -> Path:
        path = self.data / "secrets" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
        path.chmod(0o600)
        return path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with running_service(tmp_path) as made:
        made.bascule.announce_address(made.url)
        yield made


@pytest.fixture(params=["beside a service", "alone"])
def hand(request: pytest.FixtureRequest, tmp_path: Path) -> Hand:
    if request.param == "alone":
        commit(tmp_path / "estate", estate_files(9))
        return Hand(tmp_path / "data", tmp_path / "estate")
    running = request.getfixturevalue("service")
    return Hand(running.bascule.paths.data, running.estate)


def acts(url: str) -> list[tuple[str, Any]]:
    database = Database(url)
    try:
        with database.read() as conn:
            query = sa.select(audit_entries.c.kind, audit_entries.c.data).order_by(audit_entries.c.seq)
            rows = conn.execute(query.where(audit_entries.c.kind.like("secret%"))).all()
            assert VALUE not in repr(rows)
        assert_audit_whole(database)
    finally:
        database.close()
    return [(row.kind, row.data) for row in rows]


@pytest.mark.every_day("beside a service")
def test_set_list_remove(hand: Hand) -> None:
    assert "No secret is kept here" in hand.said(0, "list")
    assert "Sealed: secret://token of scope live" in hand.said(
        0, "set", "live", "token", "--as", "olga", value=f"{VALUE}\n"
    )
    assert "Sealed anew" in hand.said(0, "set", "live", "token", "--as", "olga", value=VALUE)
    shown = hand.said(0, "list")
    assert "token                            sealed, set " in shown
    assert "by olga" in shown
    assert "the same as that of secret://token of scope live" in hand.said(4, "set", "drill", "copy", value=VALUE)
    assert "has no scope 'nowhere'" in hand.said(1, "set", "nowhere", "token", value="x")
    assert "empty: nothing was stored" in hand.said(1, "set", "live", "token", value="\n")
    assert "at most 65536 bytes" in hand.said(1, "set", "live", "large", value="é" * 40000)
    assert hand.listed() == {"live/token": "sealed"}
    hand.said(0, "remove", "live", "token", "--as", "olga")
    assert "no sealed secret token" in hand.said(1, "remove", "live", "token")
    hand.file("drill/plain", "p")
    assert "remove the file secrets/drill/plain" in hand.said(1, "remove", "drill", "plain")
    assert VALUE not in hand.said_all
    place = {"scope": "live", "name": "token"}
    assert acts(f"sqlite:///{hand.data / 'bascule.db'}") == [
        ("secret.set", place),
        ("secret.set", place),
        ("secret.removed", place),
    ]


@pytest.mark.every_day("alone")
def test_plain_files_are_sealed_then_gone(hand: Hand) -> None:
    hand.said(0, "list")
    files = {
        "live/token": VALUE,
        "drill/shared": VALUE,
        "signals/prometheus": "p" * 16,
        "gone/token": "g" * 16,
        "drill/empty": "\n",
        "drill/key": "-----BEGIN KEY-----\nabc\n-----END KEY-----\n",
    }
    paths = {place: hand.file(place, value) for place, value in files.items()}
    (hand.data / "secrets/drill/link").symlink_to("/etc/passwd")
    assert "! unsealed" in hand.said(0, "list")
    said = json.loads(hand.said(1, "seal", "drill", "--json"))
    assert said["sealed"] == ["drill/key"]
    assert {one["name"]: one["why"].split(":")[0] for one in said["left"]} == {
        "empty": "It is empty.",
        "shared": "The value is the same as that of secret",
    }
    paths["drill/shared"].unlink()
    said = json.loads(hand.said(1, "seal", "--json"))
    assert said["sealed"] == ["live/token", "signals/prometheus"]
    assert {place for place, path in paths.items() if path.exists()} == {"gone/token", "drill/empty"}
    assert hand.listed()["live/token"] == "sealed"
    hand.file("live/token", "another value")
    assert "Another value is sealed already" in hand.said(1, "seal", "live")
    hand.file("live/token", VALUE)
    assert "Sealed 1 secret." in hand.said(0, "seal", "live")
    kinds = [kind for kind, _ in acts(f"sqlite:///{hand.data / 'bascule.db'}")]
    assert kinds == ["secret.sealed"] * 3
    bascule_db = b"".join(path.read_bytes() for path in hand.data.glob("bascule.db*"))
    assert VALUE.encode() not in bascule_db
    assert b"BEGIN KEY" not in bascule_db


@pytest.mark.every_day("alone")
def test_keys_change_and_old_ones_go(hand: Hand) -> None:
    hand.said(0, "set", "live", "token", value=VALUE)
    hand.said(0, "set", "drill", "token", value="the drill's")
    first = (hand.data / "secrets.key").read_text()
    said = json.loads(hand.said(0, "rotate", "--as", "olga", "--json"))
    assert (said["resealed"], said["dropped"], said["left"], said["key"]) == (2, 0, [], said["made"])
    assert (hand.data / "secrets.key").read_text().splitlines()[1] == first.strip()
    assert "the same as that of" in hand.said(4, "set", "drill", "copy", value=VALUE), "compared across keys"
    assert "Let go of 2 old keys" in hand.said(0, "rotate", "--drop-old")
    assert len((hand.data / "secrets.key").read_text().splitlines()) == 1
    assert "Sealed anew: 0 secrets" in hand.said(0, "rotate", "--reseal")
    bascule_is_alone = not (hand.data / "service.json").exists()
    if bascule_is_alone:
        bascule = Bascule(Settings(hand.data, str(hand.estate)))
        try:
            assert bascule.secret_store.of("live")("secret://token").reveal() == VALUE
        finally:
            bascule.stop()
    kinds = [kind for kind, _ in acts(f"sqlite:///{hand.data / 'bascule.db'}")]
    assert kinds[2:] == ["secrets.resealed", "secrets.resealed", "secrets.keys_dropped", "secrets.resealed"]


@pytest.mark.faults
def test_a_key_that_still_seals_something_stays(service: RunningService) -> None:
    hand = Hand(service.bascule.paths.data, service.estate)
    hand.said(0, "set", "live", "token", value=VALUE)
    file = hand.data / "secrets.key"
    kept = file.read_text()
    file.write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    said = json.loads(hand.said(1, "rotate", "--drop-old", "--json"))
    assert said["left"] == ["live/token"]
    assert "other keys seal live/token" in said["advice"][0]
    assert "its key is not here" in hand.said(0, "list")
    file.write_text(kept)
    assert json.loads(hand.said(0, "rotate", "--drop-old", "--json"))["dropped"] == 1
    assert service.bascule.secret_store.of("live")("secret://token").reveal() == VALUE


def test_keys_of_the_environment_are_changed_by_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(tmp_path / "estate", estate_files(9))
    hand = Hand(tmp_path / "data", tmp_path / "estate")
    old, new = "A" * 42 + "E=", "B" * 42 + "E="
    monkeypatch.setenv("BASCULE_SECRETS_KEY", old)
    hand.said(0, "set", "live", "token", value=VALUE)
    assert not (hand.data / "secrets.key").exists()
    assert "which this service does not write" in hand.said(0, "rotate")
    monkeypatch.setenv("BASCULE_SECRETS_KEY", f"{new},{old}")
    said = hand.said(0, "rotate", "--reseal", "--drop-old")
    assert "Sealed anew: 1 secret." in said
    assert "remove all but the first from BASCULE_SECRETS_KEY" in said
    monkeypatch.setenv("BASCULE_SECRETS_KEY", new)
    assert "sealed, set" in hand.said(0, "list")
    monkeypatch.setenv("BASCULE_SECRETS_KEY", "not a key")
    assert "Line 1 of BASCULE_SECRETS_KEY is no key" in hand.said(1, "list")


def test_the_api_takes_values_and_answers_none(service: RunningService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    put = service.http.put("/api/v1/secrets/live/token", json={"as": "olga", "value": VALUE})
    assert (put.status_code, put.json()) == (201, {"scope": "live", "name": "token", "created": True})
    assert service.http.put("/api/v1/secrets/live/token", json={"as": "olga", "value": VALUE}).status_code == 200
    shared = service.http.put("/api/v1/secrets/drill/token", json={"as": "olga", "value": VALUE})
    assert (shared.status_code, shared.json()["code"]) == (403, "refused")
    for body in ({"as": "olga"}, {"as": "olga", "value": VALUE, "more": 1}, {"as": "olga", "value": [VALUE]}):
        answer = service.http.put("/api/v1/secrets/live/other", json=body)
        assert answer.status_code == 422
        assert VALUE not in answer.text
    assert service.http.put("/api/v1/secrets/live/..%2Fother", json={"as": "o", "value": VALUE}).status_code in (
        400,
        404,
        422,
    )
    listed = service.http.get("/api/v1/secrets")
    assert VALUE not in listed.text
    assert [one["name"] for one in listed.json()["secrets"]] == ["token"]
    assert service.http.get("/api/v1/secrets/live/token").status_code == 405
    assert service.http.request("DELETE", "/api/v1/secrets/live/token", json={"as": "olga"}).status_code == 204
    assert service.http.request("DELETE", "/api/v1/secrets/live/token", json={"as": "olga"}).status_code == 404
    assert VALUE not in caplog.text


def test_secrets_are_an_admin_s_matter(service: RunningService) -> None:
    order = {"value": VALUE}
    admin = service.person("ada", Role.ADMIN)
    assert admin.put("/api/v1/secrets/live/token", json=order).status_code == 201
    assert admin.put("/api/v1/secrets/live/token", json={**order, "as": "olga"}).status_code == 403
    assert admin.get("/api/v1/secrets").json()["secrets"][0]["set_by"] == "ada"
    password = service.person("ada", proof=Proof.PASSWORD)
    roles: list[Grant | Role] = [Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.AUTHOR, Role.AUDITOR]
    roles.append(Grant(Role.ADMIN, "desk"))
    others = [service.person(f"person {number}", role) for number, role in enumerate(roles)]
    for client in (password, *others):
        place = "/api/v1/secrets/live/token"
        answers = [
            client.get("/api/v1/secrets"),
            client.put(place, json=order),
            client.request("DELETE", place, json={}),
            client.post("/api/v1/secrets/seal", json={}),
            client.post("/api/v1/secrets/rotate", json={}),
        ]
        assert [answer.status_code for answer in answers] == [403] * 5
    assert service.bascule.secret_store.of("live")("secret://token").reveal() == VALUE


@pytest.mark.faults
def test_codes_of_people_are_sealed_anew_with_the_secrets(service: RunningService) -> None:
    bascule, sealing = service.bascule, PeopleSealing(service.bascule.secret_store.keyring)
    service.person("ada", Role.ADMIN)
    with bascule.database.write() as conn:
        people.change(conn, "ada", totp=sealing.seal("totp:ada", "the seed of her app"))
    assert bascule.secrets.rotate("olga", drop_old=True).dropped == 1
    with bascule.database.read() as conn:
        ((name, seed),) = people.sealed_seeds(conn)
    assert (name, sealing.open("totp:ada", seed)) == ("ada", "the seed of her app")
    with bascule.database.write() as conn:
        people.change(conn, "ada", totp=f"0000000000000000 {seed.partition(' ')[2]}")
    said = bascule.secrets.rotate("olga", drop_old=True)
    assert (said.left, said.dropped) == (("one-time codes/ada",), 0)
    assert "other keys seal one-time codes/ada" in said.advice[0]


@pytest.mark.faults
def test_a_prompt_does_not_show_what_is_typed(tmp_path: Path) -> None:
    commit(tmp_path / "estate", estate_files(9))
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
        command = ["--data", str(tmp_path / "data"), "--estate", str(tmp_path / "estate")]
        os.execv(
            sys.executable,
            [sys.executable, "-m", "orchestrator.cli", *command, "secrets", "set", "live", "token", "--as", "olga"],
        )
    shown = b""
    while b"(not shown)" not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, f"{VALUE}\n".encode())
    try:
        while part := os.read(terminal, 1024):
            shown += part
    except OSError:  # the terminal is closed
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    assert b"Sealed: secret://token" in shown
    assert VALUE.encode() not in shown


def test_lines_tell_what_is_to_do() -> None:
    row = {"scope": "live", "name": "a", "source": "sealed", "set_at": 0.0, "set_by": "olga", "opens": True}
    row |= {"newest_key": True, "checked_at": None}
    copy = {**row, "name": "b", "source": "openbao", "checked_at": 40.0, "set_by": "bascule"}
    old = {**row, "name": "c", "newest_key": False}
    lost = {**row, "name": "d", "opens": False}
    said = "\n".join(secret_lines([row, copy, old, lost], 100.0))
    assert said.count("live") == 1
    assert "copy of OpenBao, set 1 min 40 s ago by bascule, compared 1 min ago" in said
    assert "old key: bascule secrets rotate --reseal" in said
    assert "✘ its key is not here" in said
