"""What the shell completes, with a service, with one that hangs, and without any."""

import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from orchestrator.cli.completion import PATIENCE
from orchestrator.cli.root import app
from orchestrator.cli.session import Session
from orchestrator.domain.people.role import Role
from tests.integration.service_fixture import RunningService, running_service

SHEET = "desk-failover/sheet"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture(scope="module")
def waiting(service: RunningService) -> Iterator[str]:
    """A run at whose sheet a person is waited for."""
    made = service.start(service.plan("desk")["digest"])
    service.wait(made, "waiting", SHEET)
    yield made
    service.decide(made, "cancel", "olga", reason="test ends")
    service.wait(made, "cancelled")


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], tuple[list[str], str]]:
    """A bash that has Typer's script: what it completes a line with, and what it says on standard error."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "bascule"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orchestrator.cli "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BASCULE_")}
    kept |= {
        "PATH": f"{folder}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8",
        "HOME": str(folder),
        PATIENCE: "30",
    }
    # As `--show-completion` writes it, which asks the processes above it what shell they are.
    script = subprocess.run(
        [command], env=kept | {"_BASCULE_COMPLETE": "source_bash"}, capture_output=True, text=True, check=True
    ).stdout

    def completed(data: Path, line: str) -> tuple[list[str], str]:
        asked = f"""{script}
            read -r -a COMP_WORDS <<<"$LINE"
            [[ $LINE == *" " ]] && COMP_WORDS+=("")
            COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
            _bascule_completion bascule
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        environment = kept | {"BASCULE_DATA": str(data), "LINE": line}
        answer = subprocess.run(
            ["bash", "--norc", "-c", asked], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return answer.stdout.split(), answer.stderr

    return completed


Bash = Callable[[Path, str], tuple[list[str], str]]


def data_of(service: RunningService) -> Path:
    return service.bascule.settings.data


def test_bash_completes_what_only_the_service_knows(service: RunningService, waiting: str, bash: Bash) -> None:
    assert bash(data_of(service), f"bascule approve {waiting} ") == ([SHEET], "")


def test_without_a_service_nothing_is_offered_and_nothing_is_said(bash: Bash, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert bash(nowhere, "bascule watch ") == ([], "")
    assert not nowhere.exists(), "nothing was begun"


def test_a_service_that_hangs_is_not_waited_for(completed: "Completed", tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        (tmp_path / "service.json").write_text(f'{{"url": "http://127.0.0.1:{deaf.getsockname()[1]}"}}')
        (tmp_path / "token").write_text("token")
        begun = time.monotonic()
        assert completed("watch ", data=tmp_path, within=0.3) == []
        assert time.monotonic() - begun < 10


Completed = Callable[..., list[str]]


@pytest.fixture
def completed(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> Completed:
    """The same in this process: a new one takes a second to load."""

    def asked(line: str, data: Path | None = None, token: str = "", within: float = 20.0) -> list[str]:
        monkeypatch.setenv(PATIENCE, str(within))
        words = f"bascule {line}".split(" ")
        monkeypatch.setenv("BASCULE_DATA", str(data or data_of(service)))
        monkeypatch.setenv("BASCULE_TOKEN", token)
        monkeypatch.setenv("_BASCULE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        out = io.StringIO()
        with redirect_stdout(out), pytest.raises(SystemExit):
            app(args=[], obj=Session(), prog_name="bascule")
        return out.getvalue().split()

    return asked


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("prop", ["proposals"]),
        ("plan ", ["desk", "phone"]),
        ("rehearse desk ", ["phone"]),
        ("run desk --scope ", ["rehearsal", "drill", "live"]),
        ("doctor --scope l", ["live"]),
        ("proposals release ", []),
        ("standing revoke ", []),
        ("signals acknowledge a", ["aws"]),
        ("people grant ", []),
    ],
)
def test_names_of_the_estate(completed: Completed, line: str, offered: list[str]) -> None:
    assert completed(line) == offered


def test_each_command_is_offered_the_runs_and_steps_that_it_is_for(completed: Completed, waiting: str) -> None:
    for command in ("watch", "status", "history", "logs", "pause", "cancel", "undo", "approve"):
        assert waiting in completed(f"{command} "), command
    assert completed("resume ") == [], "nothing is paused"
    assert completed("release ") == [], "nothing waits for its release"
    assert completed(f"retry {waiting} ") == [], "nothing failed"
    assert SHEET in completed(f"reject {waiting} desk")
    assert len(completed(f"logs {waiting} --step ")) == 5
    assert completed("approve 20000101-000000-abcdef ") == []


def test_people_are_offered_to_who_may_manage_them(completed: Completed, service: RunningService) -> None:
    token = service.person("ada", Role.ADMIN).headers["Authorization"].removeprefix("Bearer ")
    assert "ada" in completed("people grant ", token=token)
    assert completed("people add ", token=token) == []
