"""The simulator's own life: it starts fast, ends clean however it ends, and says what it lacks."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.simulator_fixture import ROOT, Simulator, free_index, running_simulator


@pytest.fixture
def index() -> Iterator[int]:
    with free_index() as found:
        yield found


def start_server(simulator: Simulator) -> None:
    """One server that runs."""
    base = f"{simulator.addresses['scaleway']}/instance/v1/zones/{simulator.zone}"
    token = {"X-Auth-Token": simulator.secret("scaleway-token")}
    with httpx.Client(base_url=base, headers=token, trust_env=False, timeout=20) as client:
        body = {"name": "portal", "commercial_type": "DEV1-S", "image": "debian_bookworm"}
        server = client.post("/servers", json=body).json()["server"]
        client.post(f"/servers/{server['id']}/action", json={"action": "poweron"})
    deadline = time.monotonic() + 20
    while simulator.state()["servers"][0]["state"] != "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def family(pid: int) -> list[int]:
    """The process and all that come from it, also those in namespaces of their own."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that ended since it was listed
            children += map(int, (task / "children").read_text().split())
    return [pid, *(member for child in children for member in family(child))]


def traces(simulator: Simulator, processes: list[int]) -> list[str]:
    """What the kernel still has of it: processes, its interface, mounts."""
    found = [str(pid) for pid in processes if Path(f"/proc/{pid}").exists()]
    found += [str(link) for link in Path("/sys/class/net").glob(f"basc{simulator.index}*")]
    found += [str(name) for name in Path("/run/netns").glob(f"basc{simulator.index}-*")]
    return found + [line for line in Path("/proc/mounts").read_text().splitlines() if str(simulator.data) in line]


@pytest.mark.faults
def test_a_clean_end_leaves_its_secrets_only(index: int, tmp_path: Path) -> None:
    started = time.monotonic()
    with running_simulator(index, tmp_path) as simulator:
        assert time.monotonic() - started < 6, "about a second on an idle machine"
        seed = json.dumps(simulator.state())
        start_server(simulator)
        processes = family(simulator.pid)
        secrets = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
        assert {oct(path.stat().st_mode)[-3:] for path in (tmp_path / "secrets").iterdir()} == {"600"}
        assert len(processes) >= 4
        assert traces(simulator, processes)
    assert traces(simulator, processes) == []
    assert not (tmp_path / "ready").exists()
    with running_simulator(index, tmp_path) as again:
        assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == secrets
        assert json.dumps(again.state()) == seed
        again.reset()
        assert json.dumps(again.state()) == seed


@pytest.mark.faults
def test_a_killed_one_leaves_nothing_and_its_index_is_free_again(index: int, tmp_path: Path) -> None:
    with running_simulator(index, tmp_path) as simulator:
        start_server(simulator)
        processes = family(simulator.pid)
        os.kill(simulator.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while traces(simulator, processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert traces(simulator, processes) == []
    with running_simulator(index, tmp_path) as again:
        start_server(again)


@pytest.mark.faults
def test_one_index_runs_once(index: int, tmp_path: Path) -> None:
    with running_simulator(index, tmp_path / "first") as simulator:
        command = [sys.executable, "-m", "providers.simulator", "--index", str(index), "--data", str(tmp_path)]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
        assert (second.returncode, second.stdout) == (1, "")
        assert f"runs already (process {simulator.pid})" in second.stderr
        assert simulator.state()["servers"] == []


@pytest.mark.faults
@pytest.mark.parametrize(
    ("arguments", "environment", "remedy"),
    [
        (["--index", "251", "--data", "x"], {}, "choose one from 0 to 250"),
        (["--index", "250", "--data", "x"], {"PATH": "/nowhere"}, "apt-get install iproute2 mmdebstrap util-linux"),
    ],
)
def test_a_refusal_names_the_remedy(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], remedy: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "providers.simulator", *arguments],
        cwd=ROOT,
        env=dict(os.environ) | environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr


def test_without_root_it_says_sudo() -> None:
    script = (
        "import os, sys; os.setresuid(65534, 65534, 65534); sys.argv = ['x', '--data', 'x'];"
        "from providers.simulator.__main__ import main; sys.exit(main())"
    )
    preload = "import providers.simulator.__main__;"
    done = subprocess.run(
        [sys.executable, "-c", preload + script], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("The simulator makes servers from network namespaces and needs root: run it with sudo.\n")


@pytest.mark.faults
def test_a_taken_address_is_named(index: int, tmp_path: Path) -> None:
    with socket.create_server((f"127.77.{index}.91", 9000)):
        command = [sys.executable, "-m", "providers.simulator", "--index", str(index), "--data", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"The simulator cannot listen at 127.77.{index}.91:9000: Address already in use. "
        "Stop what uses that address, or choose another --index.\n"
    )
    assert not Path(f"/sys/class/net/basc{index}").exists()
