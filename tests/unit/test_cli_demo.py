"""What the demo promises: its programs end with it, and its proof is only praised when it holds."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli.demo.children import Child, ChildError
from orchestrator.cli.demo.proof import Facts, broken_promises

WITHIN = 20.0
BEFORE = Facts(
    identity="127.77.3.81",
    portal="127.77.3.80",
    heading="Mairie",
    served_by="old",
    mx="old.example",
    delivered_to="old.example",
    message_taken_by="smtp-old",
    cloud="127.77.3.80",
    keeps_a_file="no",
    visio="127.77.3.80",
    lets_people_in="no",
)
AFTER = Facts(
    identity="198.18.3.10",
    portal="198.18.3.11",
    heading="Mairie",
    served_by="bascule",
    mx="mx.mailo.com",
    delivered_to="mx.mailo.com",
    message_taken_by="smtp-new",
    cloud="127.77.3.101",
    keeps_a_file="yes",
    visio="127.77.3.106",
    lets_people_in="yes",
)
SLEEPER = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """A process that ended and was not waited for yet does not live."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def sleeper(file: Path) -> list[str]:
    return [sys.executable, "-c", SLEEPER, str(file)]


def test_a_program_ends_with_its_context(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with Child(sleeper(file), tmp_path / "log"):
        until(lambda: file.exists() and file.read_text() != "")
        assert lives(int(file.read_text()))
    assert not lives(int(file.read_text()))


def test_a_program_ends_when_the_demo_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    demo = (
        "import sys, time; from pathlib import Path; from orchestrator.cli.demo.children import Child; "
        "child = Child(sys.argv[2:], Path(sys.argv[1])); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", demo, str(tmp_path / "log"), *sleeper(file)])
    try:
        until(lambda: file.exists() and file.read_text() != "")
        pid = int(file.read_text())
        assert lives(pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(WITHIN)
    until(lambda: not lives(pid))


def test_a_program_that_ends_too_early_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such town'); raise SystemExit(3)"]
    with Child(command, tmp_path / "log") as child, pytest.raises(ChildError, match="no such town"):
        child.wait_until(lambda: False, WITHIN, lambda: time.sleep(0.02))


def test_a_finished_failover_keeps_its_promises() -> None:
    assert broken_promises(BEFORE, AFTER, 3) == []


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        ({"portal": BEFORE.portal}, "portal.valbourg.example leads to a new server"),
        ({"identity": "198.18.4.10"}, "id.valbourg.example leads to a new server"),
        ({"served_by": "old"}, "the portal's page is served by the fallback"),
        ({"heading": ""}, "the portal's content is the same"),
        ({"message_taken_by": "nobody"}, "the new mail server takes a message"),
        ({"cloud": BEFORE.cloud}, "cloud.valbourg.example leads to a Nextcloud that keeps a file"),
        ({"keeps_a_file": "no"}, "cloud.valbourg.example leads to a Nextcloud that keeps a file"),
        ({"lets_people_in": "no"}, "visio.valbourg.example leads to a Visio that lets people in"),
    ],
)
def test_a_broken_promise_is_named(change: dict[str, str], promise: str) -> None:
    assert broken_promises(BEFORE, replace(AFTER, **change), 3) == [promise]
