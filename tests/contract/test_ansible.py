"""`ansible.play` keeps the shared contract, against a real SSH host."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from providers.ansible import AnsiblePlay
from providers.wants import Play
from tests.contract.suite import Case, ProvableContract, quiet
from tests.ssh_host import SshHost, make_host

PASSWORD = 'correct horse; battery "staple"'
PLAY = """
- name: The page
  hosts: all
  gather_facts: false
  tasks:
    - name: Write the page once, as {{ password }}
      ansible.builtin.raw: >-
        test -e {{ home }}/page || { echo made >> {{ home }}/changes; echo hello > {{ home }}/page; }
    - name: Wait while the host is held
      ansible.builtin.raw: while test -e {{ home }}/hold; do sleep 0.05; done
      timeout: 30
    - name: Say too much
      ansible.builtin.debug:
        msg: the password is {{ password }}
    - name: Hand out
      ansible.builtin.set_stats:
        data: {page: "{{ home }}/page"}
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    host = make_host(tmp_path / "host")
    with host.running():
        yield host


@pytest.fixture
def case(host: SshHost, tmp_path: Path) -> Case:
    estate = tmp_path / "estate"
    play = estate / "ansible" / "page.yml"
    play.parent.mkdir(parents=True)
    play.write_text(PLAY)

    @contextmanager
    def without_the_play() -> Iterator[None]:
        play.unlink()
        try:
            yield
        finally:
            play.write_text(PLAY)

    @contextmanager
    def supervisor_killed_after_the_write() -> Iterator[None]:
        hold = host.home / "hold"
        hold.touch()
        killer = threading.Thread(target=kill_once_changed)
        killer.start()
        try:
            yield
        finally:
            killer.join()
            hold.unlink()

    def kill_once_changed() -> None:
        until(changed)
        os.kill(supervisor(), signal.SIGKILL)

    def changed() -> bool:
        return (host.home / "changes").exists()

    return Case(
        want=Play(
            play="ansible/page.yml",
            hosts={"portal": "127.0.0.1"},
            vars={"home": str(host.home)},
            secrets={"password": "secret://password"},
        ),
        context=host.context(tmp_path / "run-1" / "step-1", estate, password=PASSWORD),
        make=AnsiblePlay,
        world=lambda: {path.name: path.read_text() for path in host.home.iterdir() if path.name != "hold"},
        crash_after_write=supervisor_killed_after_the_write,
        break_permanently=without_the_play,
        break_briefly=host.stopped,
        effects=lambda: len((host.home / "changes").read_text().splitlines()) if changed() else 0,
        effects_once=1,
        atomic=False,
        patience=3.0,
        secrets=[PASSWORD, host.key],
    )


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come within 30 s"
        time.sleep(0.02)


def supervisor() -> int:
    """The process id of the supervisor that this process started."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"providers.ansible.supervisor" in (entry / "cmdline").read_bytes():
                return int(entry.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    raise AssertionError("no supervisor is running")


@pytest.mark.core
class TestAnsiblePlay(ProvableContract):
    @pytest.mark.faults
    def test_apply_twice_runs_once(self, case: Case) -> None:
        before = case.before()
        first = case.apply(before)
        assert first.outputs == {"page": f"{case.want.vars['home']}/page"}
        case.apply(before)
        assert [path.name for path in (case.context.workspace / "attempts").iterdir()] == ["0001"]

    def test_undo_takes_only_the_proof_back(self, case: Case) -> None:
        before = case.before()
        effect = case.apply(before).effect
        world = case.world()
        said: list[str] = []
        assert case.provider().undo(case.want, case.tag, effect, said.append).presence == "absent"
        assert case.world() == world
        assert case.observe(before).presence == "absent"
        assert case.provider().apply(case.want, case.tag, before, quiet).effect == {"attempt": "0002"}

    def test_no_secret_is_left_on_the_disk(self, case: Case) -> None:
        case.apply(case.before())
        workspace = case.context.workspace.parent
        kept = b"\n".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
        assert b"the password is \xe2\x80\xa2" in kept
        assert [secret for secret in case.secrets if secret.encode() in kept] == []
