"""The `bascule` command against a real service: exit codes, what is said, and that nothing is lost on the way."""

import io
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest

from orchestrator.cli import main
from orchestrator.cli.attention import DIGITS, stands_still
from orchestrator.cli.client import Service
from orchestrator.cli.exits import NoService
from orchestrator.cli.wording import clean
from tests.town_hall import commit_all, git

WITHIN = 60.0
PASSWORD = "four words nobody ever said"

SHEET = """
estate: village
title: {fr: Village, en: Village}
services:
  paper:
    title: {fr: Papier, en: Paper}
    vendor: aws
    target: scaleway
    failover: paper-failover
  port: {title: {fr: Port, en: Port}, vendor: aws, target: scaleway, failover: port-failover}
  hurry: {title: {fr: Hâte, en: Hurry}, vendor: aws, target: scaleway, failover: hurry-failover}
scopes:
  rehearsal: {mode: rehearsal, networks: [127.0.0.0/8]}
  drill: {mode: drill, networks: [127.0.0.0/8]}
  live: {mode: live, networks: [127.0.0.0/8]}
"""

PAPER = """
runbook: paper-failover
service: paper
title: {fr: Papier, en: Paper}
steps:
  breathe: {uses: wait.for, with: {duration: 50ms}}
  go: {uses: human.approval, with: {role: approver, count: 2, instructions: docs/go.md}, needs: [breathe]}
  sheet: {uses: human.task, with: {instructions: docs/go.md}, needs: [go]}
"""

PORT = """
runbook: port-failover
service: port
title: {fr: Port, en: Port}
parameters:
  number: {type: integer, default: 9}
steps:
  answers: {uses: probe.tcp, with: {host: 127.0.0.1, port: "${{ parameters.number }}"}}
  after: {uses: wait.for, with: {duration: 50ms}, needs: [answers]}
"""

HURRY = """
runbook: hurry-failover
service: hurry
title: {fr: Hâte, en: Hurry}
steps:
  breathe: {uses: wait.for, with: {duration: 50ms}}
"""


class Village:
    """An estate, a data directory, and the commands that are given there."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.estate = folder / "estate"
        texts = {"bascule.yaml": SHEET, "docs/go.md": "# Go\n"}
        texts |= {f"runbooks/{n}-failover.yaml": t for n, t in {"paper": PAPER, "port": PORT, "hurry": HURRY}.items()}
        for name, text in texts.items():
            (self.estate / name).parent.mkdir(parents=True, exist_ok=True)
            (self.estate / name).write_text(text)
        git(self.estate, "init", "--quiet", "--initial-branch", "main")
        commit_all(self.estate, "village")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._service: subprocess.Popen[bytes] | None = None
        self.who = ""
        self.more: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.signed_in: set[str] = set()

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "orchestrator.cli",
            "--data",
            str(self.data),
            "--estate",
            str(self.estate),
            *arguments,
        ]

    def enrol(self, name: str, role: str) -> None:
        """A person as an installation gets one: added, invited by a link, with a password and an authenticator app."""
        link = self.said(0, "people", "add", name, "--role", role).strip()
        url, _, code = link.partition("/welcome?code=")
        with httpx.Client(base_url=f"{url}/api/v1/", timeout=30, trust_env=False) as http:
            said = http.post("invitations/accept", json={"secret": code, "password": PASSWORD})
            assert said.status_code == 201, said.text
            http.headers["Authorization"] = f"Bearer {said.json()['token']}"
            secret = http.post("account/totp").json()["secret"]
            answer = http.post("account/totp/confirm", json={"secret": secret, "code": pyotp.TOTP(secret).now()})
            assert answer.status_code == 204, answer.text
        self.secrets[name] = secret

    @contextmanager
    def being(self, name: str) -> Iterator[None]:
        """Signed in by `bascule login`, with the code of the next half minute: the present one was used."""
        folder = self.data.parent
        (folder / "password").write_text(PASSWORD)
        (folder / "code").write_text(pyotp.TOTP(self.secrets[name]).at(int(time.time()) + 30))
        asked = {"BASCULE_LOGIN_PASSWORD_FILE": "password", "BASCULE_LOGIN_CODE_FILE": "code"}
        self.who, self.more = name, {variable: str(folder / file) for variable, file in asked.items()}
        try:
            if name not in self.signed_in:
                assert f"Signed in as {name}" in self.said(0, "login", "--as", name)
                self.signed_in.add(name)
            yield
        finally:
            self.who, self.more = "", {}

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BASCULE_")}
        state = str(self.data.parent / "state" / (self.who or "nobody"))
        return {
            **kept,
            "COLUMNS": "80",
            "LINES": "40",
            "LC_ALL": "C.UTF-8",
            "BASCULE_AS": self.who or "olga",
            "XDG_STATE_HOME": state,
            **self.more,
        }

    def said(self, code: int, *arguments: str) -> str:
        """What a command prints, once it ended with this exit code and without a stack trace.

        The command runs in this process: a new one takes a second to load.
        """
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in self.environment().items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                main(["--data", str(self.data), "--estate", str(self.estate), *arguments])
        assert end.value.code == code, f"{arguments}: {end.value.code}\n{out.getvalue()}\n{err.getvalue()}"
        assert "Traceback" not in out.getvalue() + err.getvalue()
        return out.getvalue() if code == 0 else out.getvalue() + err.getvalue()

    def json(self, code: int, *arguments: str) -> Any:
        return json.loads(self.said(code, *arguments, "--json"))

    def serve(self) -> None:
        log = (self.data.parent / "service.log").open("ab")
        command = self.command("serve", "--port", str(self.port))
        self._service = subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log)
        self.until(self.answers, "the service to answer")

    def answers(self) -> bool:
        try:
            with Service.of(self.data) as service:
                service.runs(limit=1)
        except NoService:
            return False
        return True

    def waits(self, run: str) -> bool:
        """Whether the run waits for people and for nothing else."""
        with Service.of(self.data) as service:
            found = service.run(run)
        return stands_still(found.run, found.steps)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._service is not None:
            self._service.send_signal(number)
            self._service.wait(WITHIN)
            self._service = None

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WITHIN
        while not holds():
            log = self.data.parent / "service.log"
            assert time.monotonic() < end, f"waited for {what}: {log.read_text() if log.exists() else ''}"
            time.sleep(0.05)

    def rehearsed(self, service: str) -> str:
        """A new run that is not watched; answers its id."""
        found: str = json.loads(self.said(0, "rehearse", service, "--detach", "--json"))["id"]
        return found

    def end(self, run: str) -> None:
        """Leave nothing active behind."""
        with Service.of(self.data) as service:
            service.decide(run, "cancel", "olga", reason="test over")
            self.until(lambda: service.run(run).run.ended, f"{run} to end")


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    made = Village(tmp_path_factory.mktemp("village"))
    made.serve()
    yield made
    made.stop()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Village]:
    """A village whose service is not started."""
    made = Village(tmp_path)
    yield made
    made.stop()


def test_a_run_that_nobody_holds_up_ends_with_0(village: Village) -> None:
    said = village.said(0, "rehearse", "hurry")
    assert "hurry-failover/breathe done" in said
    assert said.splitlines()[-1].endswith(" Done")


def test_a_hold_point_is_3_says_what_to_type_and_typing_it_brings_the_run_on(village: Village) -> None:
    said = village.said(3, "rehearse", "paper")
    command = next(line.split() for line in said.splitlines() if line.strip().startswith("bascule approve"))
    assert command[-2:] == ["--as", "NAME"]
    run = command[2]
    assert village.json(3, "status", run)["waits"][0]["step"] == "paper-failover/go"
    village.said(0, *command[1:-1], "alice")
    assert "1 more approver" in village.said(3, "status", run)
    village.said(0, *command[1:-1], "bob")
    village.until(lambda: village.waits(run), "the task")
    assert village.json(0, "approve", run, "paper-failover/sheet", "--as", "carla")["state"] == "succeeded"
    assert " Done" in village.said(0, "watch", run)
    assert [event["kind"] for event in village.json(0, "history", run)][-1] == "run.finished"
    assert run in village.said(0, "history")


def test_a_closed_gate_is_4(village: Village) -> None:
    run = village.rehearsed("paper")
    village.until(lambda: village.waits(run), "the hold point")
    said = village.said(0, "status")
    assert said.startswith("1 run is active")
    assert f"bascule approve {run} paper-failover/go" in said
    assert "someone else must approve it" in village.said(4, "approve", run, "paper-failover/go", "--as", "olga")
    village.end(run)
    assert "sign in (`bascule login`)" in village.said(4, "run", "hurry", "--scope", "live")


@pytest.mark.faults
def test_a_drill_waits_for_the_release_of_exactly_its_plan(village: Village) -> None:
    assert "Nobody: this installation's token" in village.said(0, "whoami")
    village.enrol("olga", "operator")
    village.enrol("alice", "approver")
    with village.being("olga"):
        said = village.said(3, "run", "hurry", "--scope", "drill")
    command = next(line.split() for line in said.splitlines() if line.strip().startswith("bascule release"))
    _, _, run, digest, *_ = command
    assert len(digest) == DIGITS
    assert "sign in (`bascule login`)" in village.said(4, "release", run, digest, "--as", "alice")
    with village.being("olga"):
        assert "may not approve" in village.said(4, "release", run, digest)
    with village.being("alice"):
        assert "alice, shown by totp" in village.said(0, "whoami")
        assert "is of plan" in village.said(1, "release", run, "0" * DIGITS)
        assert "is of plan" in village.said(1, "release", run, digest[:4])
        assert "act in that name alone" in village.said(4, "release", run, digest, "--as", "bob")
        assert "Released by alice" in village.said(0, "release", run, digest)
        village.said(0, "watch", run)
        village.said(0, "logout")
        assert "Nobody" in village.said(0, "whoami")


def test_a_failed_step_is_1_and_belongs_to_a_person(village: Village) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        number = closed.getsockname()[1]
        said = village.said(1, "rehearse", "port", "--set", f"number={number}")
    run = next(line.split()[2] for line in said.splitlines() if line.strip().startswith("bascule retry"))
    assert "port-failover/answers failed" in said
    assert f"127.0.0.1:{number}" in village.said(1, "status", run) or str(number) in said
    village.said(2, "skip", run, "port-failover/answers")
    village.said(0, "skip", run, "port-failover/answers", "--reason", "known")
    assert "Ended, incomplete" in village.said(1, "watch", run)
    village.said(0, "undo", run, "--reason", "test over")
    assert village.json(0, "status", run)["run"]["state"] == "undone"


def test_pausing_is_3_and_resuming_goes_on(village: Village) -> None:
    run = village.rehearsed("paper")
    village.said(0, "pause", run)
    assert f"bascule resume {run}" in village.said(3, "status", run)
    village.said(0, "resume", run)
    assert "is not paused" in village.said(1, "resume", run)
    village.end(run)


def test_json_lines_of_a_watched_run(village: Village) -> None:
    lines = [json.loads(line) for line in village.said(0, "rehearse", "hurry", "--json").splitlines()]
    assert [line["kind"] for line in lines][:2] == ["created", "run"]
    assert lines[-1]["kind"] == "run"
    assert lines[-1]["state"] == "succeeded"


def test_plan_and_run_of_exactly_that_plan(village: Village) -> None:
    plan = village.json(0, "plan", "paper")
    assert village.json(0, "plan", "paper")["digest"] == plan["digest"]
    shown = village.said(0, "plan", "paper")
    assert "2 approvers say yes · With docs/go.md" in " ".join(shown.split())
    assert max(map(len, shown.splitlines()[:-2])) <= 80
    run = json.loads(village.said(0, "run", "--plan", plan["digest"], "--detach", "--json"))
    again = json.loads(village.said(0, "run", "--plan", plan["digest"], "--detach", "--json"))
    assert (run["created"], again["created"], run["id"]) == (True, False, again["id"])
    village.end(run["id"])


def test_usage_errors_are_2_and_unknown_names_1(village: Village) -> None:
    village.said(2, "run", "paper")
    village.said(2, "run", "--scope", "drill")
    village.said(2, "plan")
    village.said(2, "plan", "port", "--set", "number")
    village.said(2, "nonsense")
    assert "'nothere'" in village.said(1, "plan", "nothere")
    assert "There is no run" in village.said(1, "watch", "20000101-000000-abcdef")


def test_the_estate_is_synced_and_shown(village: Village) -> None:
    commit = git(village.estate, "rev-parse", "HEAD").strip()
    assert village.json(0, "estate", "sync") == {"commit": commit, "new": False}
    assert "service paper: aws → scaleway" in village.said(0, "estate", "show")


@pytest.mark.faults
def test_watching_bridges_a_restart_of_the_service(alone: Village) -> None:
    alone.serve()
    run = alone.rehearsed("paper")
    watching = subprocess.Popen(
        alone.command("watch", run, "--until-end"),
        env=alone.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    alone.until(lambda: alone.waits(run), "the hold point")
    assert watching.stdout is not None
    assert watching.stdout.readline(), "it watches by now"
    alone.stop(signal.SIGKILL)
    alone.serve()
    for person in ("alice", "bob"):
        alone.said(0, "approve", run, "paper-failover/go", "--as", person)
    alone.until(lambda: alone.waits(run), "the task")
    alone.said(0, "approve", run, "paper-failover/sheet", "--as", "carla")
    out, err = watching.communicate(timeout=WITHIN)
    assert watching.returncode == 0, out + err
    assert "does not answer" in err
    assert "Traceback" not in err


def test_a_living_picture_fits_80_columns_and_ends_cleanly_by_ctrl_c(village: Village) -> None:
    run = village.rehearsed("paper")
    leader, follower = pty.openpty()
    watching = subprocess.Popen(
        village.command("watch", run),
        env=village.environment() | {"TERM": "xterm", "NO_COLOR": "1"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    shown = read_until(leader, f"bascule approve {run} paper-failover/go --as NAME")
    watching.send_signal(signal.SIGINT)
    shown += read_until(leader, "The run goes on.")
    assert watching.wait(WITHIN) == 130
    assert re.search(r"■ go +waiting", clean(shown))
    assert max(len(line) for line in clean(shown.replace("\r", "\n")).splitlines()) <= 80
    assert "Traceback" not in shown
    assert "\x1b[3" not in shown, "NO_COLOR is respected"
    village.end(run)


def read_until(terminal: int, text: str) -> str:
    """What a terminal shows, up to this text."""
    shown = b""
    end = time.monotonic() + WITHIN
    while text not in shown.decode("utf-8", "replace"):
        left = end - time.monotonic()
        assert left > 0, shown.decode("utf-8", "replace")
        if select.select([terminal], [], [], left)[0]:
            shown += os.read(terminal, 65536)
    return shown.decode("utf-8", "replace")


def test_without_a_service_the_way_to_start_one_is_said(alone: Village) -> None:
    for command in (["rehearse", "paper"], ["status"], ["watch", "r"], ["pause", "r"]):
        said = alone.said(1, *command)
        assert f"No service is running for {alone.data}. Start one with: bascule serve" in said.replace("\n", " ")


@pytest.mark.faults
def test_a_plan_made_without_a_service_is_known_to_one_started_later(alone: Village) -> None:
    digest = alone.json(0, "plan", "hurry")["digest"]
    alone.serve()
    alone.said(0, "run", "--plan", digest)
    assert "Another Bascule works on" in alone.said(1, "serve", "--port", "0")


def test_validate_tells_every_problem_with_place_and_remedy(alone: Village) -> None:
    assert "is valid" in alone.said(0, "validate", str(alone.estate))
    file = alone.estate / "runbooks" / "paper-failover.yaml"
    file.write_text(PAPER.replace("count: 2", "count: 9").replace("needs: [breathe]", "needs: [breath]"))
    found = alone.json(1, "validate", str(alone.estate))
    assert {frozenset(one) for one in found} == {frozenset({"file", "line", "column", "message", "remedy"})}
    assert {(one["file"], one["line"]) for one in found} == {(str(file), 7)}
    assert len(found) == 2
    assert alone.json(1, "validate", str(file)) == found
    shown = alone.said(1, "validate", str(alone.estate))
    assert f"{file}:7:{found[0]['column']}: {found[0]['message']}" in shown
    assert shown.strip().endswith("2 problems.")
    (alone.estate / "docs" / "link.md").symlink_to("/etc/passwd")
    assert "is a link" in alone.said(1, "validate", str(alone.estate))
    alone.said(2, "validate", str(alone.estate / "nothere"))


def test_schemas_are_json(alone: Village) -> None:
    for what in ("runbook", "estate"):
        assert json.loads(alone.said(0, "schema", what))["$schema"].startswith("https://json-schema.org/")


def test_an_unexpected_error_is_one_sentence_and_its_details_are_kept(alone: Village) -> None:
    alone.data.mkdir()
    (alone.data / "bascule.db").write_bytes(b"this is no database" * 100)
    said = alone.said(1, "plan", "paper")
    assert f"The details are in {alone.data / 'bascule.log'}" in said.replace("\n", " ")
    assert "Traceback" in (alone.data / "bascule.log").read_text()


def test_help_names_the_exit_codes(alone: Village) -> None:
    said = " ".join(alone.said(0, "--help").split())
    assert "0 done · 1 failed or invalid · 2 usage · 3 waits for a person · 4 refused by a gate" in said
