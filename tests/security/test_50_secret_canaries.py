"""Fault 50: a canary in each secret, a rehearsal that goes wrong at many places, and none found anywhere afterwards.

Not in the database or its log, not in what the service logs or answers, not in its data directory, not on a command
line or in an environment, and no core file is written.
"""

import os
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.domain.model import ENDED_RUN, RunState
from providers.ansible.attempts import PRIVATE_PREFIX
from tests.dns_servers import free_port
from tests.security.canaries import Canaries, Sampled, names_of, sampling
from tests.simulator_fixture import Simulator
from tests.town_hall import commit_all, commit_estate

WITHIN = 120.0
SERVICE = """
  canary:
    title: {fr: Canari, en: Canary}
    vendor: aws
    target: scaleway
    failover: canary-failover
"""
SOURCES = """
  sources:
    canary: {format: generic, auth: {bearer: secret://canary-hook}, trust_domain: canary}
"""
RUNBOOK = """
runbook: canary-failover
service: canary
title: {fr: Canari, en: Canary}
steps:
  content:
    uses: storage.copy
    with: {from: {store: source, bucket: valbourg-portal}, to: {store: target, bucket: valbourg-portal}}
    on_failure: continue
  server:
    uses: compute.server
    with: {provider: scaleway, name: canary, resources: {cpu: 2, memory: 2}, image: debian-12}
    on_failure: continue
    verify: {uses: probe.ssh, with: {host: "${{ steps.server.outputs.address }}"}, within: 1m, every: 1s}
  refused:
    uses: compute.server
    with: {provider: outscale, name: refused, resources: {cpu: 2, memory: 2}, image: debian-12}
    on_failure: continue
  play:
    uses: ansible.play
    with:
      play: ansible/leak.yml
      hosts: {canary: "${{ steps.server.outputs.address }}"}
      secrets: {access_key: secret://target-access, secret_key: secret://target-secret}
    needs: [server]
    on_failure: continue
  names:
    uses: dns.records
    with:
      zone: valbourg.example
      records: [{name: canary, type: TXT, ttl: 60, values: ["here"]}]
    on_failure: continue
  told:
    uses: notify.send
    with: {channel: canary, title: {fr: Canari, en: Canary}, body: {fr: Un mot, en: A word}}
    on_failure: continue
  model:
    uses: probe.completion
    with: {url: "https://api.mistral.ai/v1", key: secret://canary-key, model: mistral-small-latest}
    on_failure: continue
  posted:
    uses: probe.mastodon
    with: {url: "https://mastodon.secours.example", token: secret://canary-social}
    on_failure: continue
  undone:
    uses: probe.oidc
    with: {issuer: "https://mastodon.secours.example", client_id: canary, client_secret: secret://canary-client}
    on_failure: continue
"""
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: "Say {{ access_key }}"
      ansible.builtin.debug: {msg: "{{ access_key }} and {{ secret_key }}"}
    - name: Fail with it
      ansible.builtin.command: {cmd: "cat /nowhere/at/all", stdin: "{{ secret_key }}"}
"""
WRONG = {"outscale-secret", "canary-hook", "canary-url", "canary-key", "canary-social", "canary-client"}
"""Secrets that the test makes itself; the others are the simulator's own, which work."""
PUBLIC = {"simulator-authority"}
"""A certificate."""


@dataclass
class House:
    """The real service, its data, its log, and everything that it answered."""

    data: Path
    log: Path
    canaries: Canaries
    process: subprocess.Popen[bytes]
    http: httpx.Client
    answers: list[bytes] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        answer = self.http.request(method, path, json=body)
        self.answers.append(answer.content)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def rehearse(self) -> dict[str, str]:
        """The state of each step at the run's end."""
        plan = self.ask("POST", "/api/v1/plans", {"services": ["canary"], "scope": "rehearsal"})
        run = self.ask("POST", "/api/v1/runs", {"digest": plan["digest"], "as": "olga"}, 201)["id"]
        end = time.monotonic() + WITHIN
        while True:
            found = self.ask("GET", f"/api/v1/runs/{run}")
            if RunState(found["run"]["state"]) in ENDED_RUN:
                break
            assert time.monotonic() < end, found
            time.sleep(0.1)
        for part in ("events", "logs"):
            self.ask("GET", f"/api/v1/runs/{run}/{part}")
        self.answers.append(self.http.get(f"/runs/{run}").content)
        return {one["id"].partition("/")[2]: one["state"] for one in found["steps"]}


def write_estate(directory: Path, index: int) -> Path:
    estate = commit_estate(directory / "estate", index)
    sheet = (estate / "bascule.yaml").read_text()
    channel = "      canary: {driver: apprise, url: secret://canary-url}\n    social:"
    sheet = sheet.replace("\nservices:", f"\nservices:{SERVICE}", 1).replace("\nsignals:", f"\nsignals:{SOURCES}", 1)
    sheet = sheet.replace("    social:", channel)
    (estate / "bascule.yaml").write_text(sheet)
    (estate / "runbooks/canary-failover.yaml").write_text(RUNBOOK)
    (estate / "ansible/leak.yml").write_text(PLAY)
    commit_all(estate, "canaries")
    return estate


def plant(simulator: Simulator, data: Path) -> Canaries:
    """Every secret of the rehearsal as a file, as an operator would put it there."""
    rehearsal = data / "secrets/rehearsal"
    rehearsal.parent.mkdir(parents=True)
    shutil.copytree(simulator.data / "secrets", rehearsal)
    own = {name: f"canary-{secrets.token_hex(12)}" for name in WRONG}
    own["canary-url"] = f"json://127.0.0.1:{free_port()}/{own['canary-url']}/"
    (data / "secrets/signals").mkdir()
    for name, value in own.items():
        file = (data / "secrets/signals" if name == "canary-hook" else rehearsal) / name
        file.write_text(value)
        file.chmod(0o600)
    files = [file for file in (data / "secrets").glob("*/*") if file.name not in PUBLIC]
    values = {file.name: file.read_text().strip() for file in files}
    values["canary-url"] = own["canary-url"].split("/")[-2]
    return Canaries(values)


@contextmanager
def house(simulator: Simulator, directory: Path) -> Iterator[House]:
    data, log = directory / "data", directory / "service.log"
    estate, canaries, port = write_estate(directory, simulator.index), plant(simulator, data), free_port()
    command = [sys.executable, "-m", "orchestrator.cli", "--data", str(data), "--estate", str(estate)]
    (directory / "cores").mkdir()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "serve", "--port", str(port)],
            cwd=directory / "cores",
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(directory)},
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            preexec_fn=allow_core_files,
        )
    try:
        until(lambda: (data / "service.json").exists() or process.poll() is not None, "the service to answer")
        assert process.poll() is None, log.read_text()
        headers = {"Authorization": f"Bearer {(data / 'token').read_text()}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30, trust_env=False) as http:
            yield House(data, log, canaries, process, http)
    finally:
        process.kill()
        process.wait()


def allow_core_files() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def until(there: Any, what: str) -> None:
    end = time.monotonic() + WITHIN
    while not there():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


@pytest.mark.timeout(400)
def test_no_canary_is_found_after_a_rehearsal_that_went_wrong(fresh_simulator: Simulator, tmp_path: Path) -> None:
    with house(fresh_simulator, tmp_path) as town:
        canaries = town.canaries
        assert len(town.canaries.found_below(town.data)) == len(canaries.values), "all lie in plain files at first"
        sealed = town.ask("POST", "/api/v1/secrets/seal", {"as": "olga"})
        assert sealed["left"] == []
        with sampling(town.process.pid) as sampled:
            states = town.rehearse()
            town.ask("POST", "/api/v1/doctor", {"scope": "rehearsal"})
            hook = canaries.values["canary-hook"]
            for token, status in ((hook, 202), (f"{hook}x", 401)):
                signed = {"Authorization": f"Bearer {token}"}
                answer = town.http.post("/webhooks/canary", json={"id": 1}, headers=signed)
                town.answers.append(answer.content)
                assert answer.status_code == status, answer.text
            town.ask("POST", "/api/v1/secrets/rotate", {"as": "olga", "drop_old": True})
            town.ask("GET", "/api/v1/secrets")
        good = {name for name, state in states.items() if state == "succeeded"}
        assert good == {"content", "server", "names"}, states
        assert_nothing_found(town, sampled)
        died_without_core(town.process, tmp_path / "cores")
    assert canaries.found_below(town.data) == {}, "as a crash leaves it, its write-ahead log included"
    assert (town.data / "bascule.db-wal").stat().st_size > 0
    assert b"\xe2\x80\xa2" in b"".join(town.answers), "something was there to be taken out"


def assert_nothing_found(town: House, sampled: Sampled) -> None:
    canaries = town.canaries
    assert canaries.found_below(town.data) == {}
    assert canaries.found_in(town.log.read_bytes()) == set()
    assert names_of(map(canaries.found_in, town.answers)) == set()
    assert len(sampled.processes) > 5, "the play's processes were seen"
    assert any(b"ansible" in one for one in sampled.seen)
    assert names_of(map(canaries.found_in, sampled.seen)) == set()
    for folder in Path("/dev/shm").glob(f"{PRIVATE_PREFIX}*"):
        assert left_in(folder, canaries) == {}


def left_in(folder: Path, canaries: Canaries) -> dict[str, set[str]]:
    """Other tests' plays come and go there meanwhile."""
    try:
        return canaries.found_below(folder)
    except FileNotFoundError:
        return {}


def died_without_core(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Killed by a signal that writes a core file, where another process leaves one."""
    assert dict(limits(process.pid))["Max core file size"] == ("0", "0")
    process.send_signal(signal.SIGABRT)
    process.wait(20)
    assert process.returncode == -signal.SIGABRT
    assert list(folder.iterdir()) == []
    if any(sign in Path("/proc/sys/kernel/core_pattern").read_text() for sign in "/|"):
        return  # a control would not find it here
    script = "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"
    subprocess.run([sys.executable, "-c", script], cwd=folder, preexec_fn=allow_core_files, check=False)
    assert list(folder.iterdir()), "this machine writes core files"


def limits(pid: int) -> Iterator[tuple[str, tuple[str, str]]]:
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]:
        yield line[:26].strip(), (line[26:47].strip(), line[47:68].strip())


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """A canary that was left on purpose, in each form and place that is searched."""
    key = "-----BEGIN K-----\nfirst\nMC4CAQAwBQYDK2VwBCIEIAbC\n-----END K-----"
    canaries = Canaries({"token": "canary-0123456789", "key": key})
    (tmp_path / "log").write_text("sent canary-0123456789 to them")
    (tmp_path / "wal").write_bytes(b"\0\1MC4CAQAwBQYDK2VwBCIEIAbC\0")
    (tmp_path / "canary-0123456789").touch()
    (tmp_path / "clean").write_text("canary-")
    assert {Path(path).name: names for path, names in canaries.found_below(tmp_path).items()} == {
        "log": {"token"},
        "wal": {"key"},
        "canary-0123456789": {"token"},
    }
    for form in (b"Y2FuYXJ5LTAxMjM0NTY3ODk=", b"canary-0123456789".hex().encode()):
        assert canaries.found_in(form) == {"token"}
    command = [sys.executable, "-c", "import sys; sys.stdin.read()", "canary-0123456789"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env={"KEY": "canary-0123456789"}) as process:
        with sampling(os.getpid(), 0.001) as sampled:
            until(lambda: process.pid in sampled.processes, "the child to be seen")
        assert process.stdin is not None
        process.stdin.close()
    assert names_of(map(canaries.found_in, sampled.seen)) == {"token"}
