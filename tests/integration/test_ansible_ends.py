"""However a play is interrupted, nothing of it lives on here, and the step can be tried again.

The service is a process of its own in these tests: `python -m tests.integration.test_ansible_ends DIR`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from providers.ansible import AnsiblePlay
from providers.base import Presence, ProviderError, Tag
from providers.wants import Play
from tests.ssh_host import SshHost, make_host

ROOT = Path(__file__).parents[2]
TAG = Tag("run-1", "step-1")
PLAY = """
- name: Slow
  hosts: all
  gather_facts: false
  tasks:
    - name: Begin
      ansible.builtin.raw: echo begun >> {{ home }}/begun
    - name: Wait while the host is held
      ansible.builtin.raw: while test -e {{ home }}/hold; do sleep 0.05; done
      timeout: 60
    - name: Finish
      ansible.builtin.raw: echo finished >> {{ home }}/finished
"""


@dataclass
class Slow:
    """A play that waits in its second task for as long as the file `hold` is on its host."""

    host: SshHost
    directory: Path

    @property
    def want(self) -> Play:
        return Play(
            play="slow.yml",
            hosts={"portal": "127.0.0.1"},
            vars={"home": str(self.host.home)},
            secrets={"password": "secret://password"},
        )

    def provider(self, deadline: float = 60.0) -> AnsiblePlay:
        workspace, estate = self.directory / "run-1" / "step-1", self.directory / "estate"
        return AnsiblePlay(self.host.context(workspace, estate, deadline, password="hidden-in-memory"))

    def hold(self) -> None:
        (self.host.home / "hold").touch()

    def let_go(self) -> None:
        (self.host.home / "hold").unlink()

    def lines(self, name: str) -> int:
        path = self.host.home / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def private(self) -> list[Path]:
        """Directories in memory that hold this test's password."""
        found = Path("/dev/shm").glob("bascule-play-*/vars.json")
        return [path.parent for path in found if str(self.host.home) in path.read_text()]

    @contextmanager
    def service(self, *prefix: str) -> Iterator[subprocess.Popen[bytes]]:
        """A service in the middle of the play; killed at the end if it still lives."""
        module = "tests.integration.test_ansible_ends"
        arguments = [*prefix, sys.executable, "-m", module, str(self.directory), str(self.host.port), self.host.user]
        process = subprocess.Popen(arguments, cwd=ROOT, start_new_session=True)
        try:
            until(lambda: self.lines("begun") > 0 or process.poll() is not None)
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    host = make_host(tmp_path / "host")
    (tmp_path / "estate").mkdir()
    (tmp_path / "estate" / "slow.yml").write_text(PLAY)
    with host.running():
        slow = Slow(host, tmp_path)
        slow.hold()
        yield slow
        (host.home / "hold").unlink(missing_ok=True)


def no_namespaces() -> list[str]:
    """Runs a command as root without the right to make namespaces, as in a locked-down container."""
    as_root = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
    return [*as_root, "setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]


def plain_user() -> list[str]:
    """Runs a command as nobody in particular, as the service should be run."""
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534"]


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param([], id="root"),
        pytest.param(plain_user(), id="plain-user", marks=pytest.mark.faults),
        pytest.param(no_namespaces(), id="no-namespaces", marks=pytest.mark.faults),
    ],
)
def test_play_dies_with_the_service(slow: Slow, prefix: list[str]) -> None:
    with slow.service(*prefix) as service:
        family = descendants(service.pid)
        assert len(family) >= 3
        with pytest.raises(ProviderError, match="still running") as caught:
            slow.provider(deadline=0.3).apply(slow.want, TAG, {}, print)
        assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
        assert slow.private()
        service.kill()
        until(lambda: not any(map(alive, family)))
    until(lambda: not slow.private())
    assert_interrupted_then_finishes(slow)


@pytest.mark.faults
def test_everything_killed_at_once(slow: Slow) -> None:
    """As the kernel does when memory is short: nobody is left to clear up, so the next attempt does."""
    with slow.service() as service:
        family = descendants(service.pid)
        supervisor = next(pid for pid in family if b"ansible.supervisor" in command_of(pid))
        for pid in (supervisor, service.pid):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(map(alive, family)))
    assert_interrupted_then_finishes(slow)
    assert slow.private() == []


@pytest.mark.faults
def test_deadline_ends_the_play(slow: Slow) -> None:
    said: list[str] = []
    others = set(descendants(os.getpid(), b"ansible"))
    with pytest.raises(ProviderError, match=r'during task "Wait while the host is held".*deadline of 6 s') as caught:
        slow.provider(deadline=6).apply(slow.want, TAG, {}, said.append)
    assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
    assert said[-1] == "task Wait while the host is held"
    assert set(descendants(os.getpid(), b"ansible")) <= others
    assert_interrupted_then_finishes(slow)


def test_the_kill_switch_ends_the_play(slow: Slow) -> None:
    said: list[str] = []
    others = set(descendants(os.getpid(), b"ansible"))
    engaged: list[float] = []

    def report(line: str) -> None:
        said.append(line)
        if line == "task Wait while the host is held":
            engaged.append(time.monotonic())

    provider = slow.provider()
    provider._context = replace(provider._context, halted=lambda: bool(engaged))
    with pytest.raises(ProviderError, match=r"during task .* because the kill switch was engaged") as caught:
        provider.apply(slow.want, TAG, {}, report)
    assert time.monotonic() - engaged[0] < 5.0
    assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
    assert set(descendants(os.getpid(), b"ansible")) <= others
    assert_interrupted_then_finishes(slow)


def assert_interrupted_then_finishes(slow: Slow) -> None:
    assert slow.lines("finished") == 0
    found = slow.provider().observe(slow.want, TAG, {})
    assert found.presence is Presence.ABSENT
    assert 'interrupted during task "Wait while the host is held"' in found.message
    slow.let_go()
    said: list[str] = []
    done = slow.provider().apply(slow.want, TAG, {}, said.append)
    assert (done.presence, done.effect) == (Presence.OURS, {"attempt": "0002"})
    assert said[0] == found.message
    assert slow.lines("finished") == 1
    assert slow.private() == []


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come within 30 s"
        time.sleep(0.02)


def descendants(root: int, command: bytes = b"") -> list[int]:
    """Processes below `root` whose command line holds these words."""
    family, grown = {root}, True
    while grown:
        children = {pid for pid in everyone() if parent_of(pid) in family}
        grown = not children <= family
        family |= children
    return [pid for pid in family - {root} if command in command_of(pid)]


def everyone() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def status_of(pid: int) -> list[str]:
    """State and parent, from proc(5); empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return []


def parent_of(pid: int) -> int:
    status = status_of(pid)
    return int(status[1]) if status else -1


def alive(pid: int) -> bool:
    status = status_of(pid)
    return bool(status) and status[0] != "Z"


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def serve(directory: Path, port: int, user: str) -> None:
    """What the service does: apply."""
    slow = Slow(SshHost(directory / "host", port, user), directory)
    slow.provider().apply(slow.want, TAG, {}, lambda _: None)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
