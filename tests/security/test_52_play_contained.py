"""Fault 52: a playbook reads the controller's secrets. The sandbox denies it, and whatever else such a play would try.

The same play runs without the sandbox as well, and there it succeeds: these tests can fail.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from providers.ansible import AnsiblePlay, confinement
from providers.ansible.containment import Containment, Trial, containment, try_out
from providers.base import Context, ProviderError, Tag
from providers.wants import Play
from tests.ssh_host import SshHost, make_host

ATTACK = Path(__file__).with_name("attack.py")
SECRET = "the-controllers-own-secret"
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Attack the machine that runs this
      ansible.builtin.set_stats:
        data:
          done: >-
            {{ lookup('pipe', ansible_playbook_python ~ ' -I -S ' ~ playbook_dir ~ '/attack.py ' ~ (plan | quote)) }}
    - name: Do what it was meant for
      ansible.builtin.raw: echo done >> {{ home }}/done
"""
MISSING = Containment("", "bubblewrap is missing", "install it")


@dataclass
class Town:
    """A data directory as the service's, a host, and a service that answers on a port of this machine."""

    host: SshHost
    data: Path
    port: int
    abstract: str
    witness: int
    word: str

    @property
    def context(self) -> Context:
        return self.host.context(self.data / "workspaces/run-1/step-1", self.data / "checkouts/commit")

    @property
    def hidden(self) -> list[Path]:
        """What no play may read."""
        names = ("bascule.db", "secrets/live/cloud", "token", "workspaces/run-2/step-1/attempts/0001/output.log")
        return [self.data / name for name in names]

    @property
    def forbidden(self) -> list[Path]:
        """Where no play may write."""
        return [self.data / "planted", self.data / "checkouts/commit/planted", self.data.parent / "planted"]

    def attack(self, context: Context | None = None) -> tuple[dict[str, Any], str, list[str]]:
        """What the play achieved, the mark of what it left behind, and what it said."""
        left, said = f"left-{uuid.uuid4()}", list[str]()
        plan = {
            "read": list(map(str, [*self.hidden, "/etc/shadow"])),
            "list": [str(self.data), str(Path.home()), "/run", "/dev/shm"],
            "write": list(map(str, self.forbidden)),
            "word": self.word,
            "pid": self.witness,
            "port": self.port,
            "abstract": self.abstract,
            "left": left,
        }
        values = {"plan": json.dumps(plan), "home": str(self.host.home)}
        want = Play(play="attack.yml", hosts={"portal": "127.0.0.1"}, vars=values)
        found = AnsiblePlay(context or self.context).apply(want, Tag("run-1", "step-1"), {}, said.append)
        done = found.outputs["done"]
        return done if isinstance(done, dict) else json.loads(done), left, said


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    directory = tmp_path_factory.mktemp("town")
    host, data = make_host(directory / "host"), directory / "data"
    word, abstract = f"canary-{uuid.uuid4()}", f"bascule-test-{uuid.uuid4()}"
    with host.running(), witness(word) as pid, greeting(abstract) as port:
        town = Town(host, data, port, abstract, pid, word)
        for path in town.hidden:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(SECRET)
        (data / "checkouts/commit").mkdir(parents=True)
        shutil.copy(ATTACK, data / "checkouts/commit/attack.py")
        (data / "checkouts/commit/attack.yml").write_text(PLAY)
        yield town


@contextmanager
def witness(word: str) -> Iterator[int]:
    """A process of this machine with a secret in its environment."""
    process = subprocess.Popen(["sleep", "600"], env={"WORD": word, "PATH": os.environ["PATH"]})
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def greeting(abstract: str) -> Iterator[int]:
    """Somebody who says hello at a TCP port, and at an abstract Unix socket."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind("\0" + abstract)
        unix.listen()
        for one in (tcp, unix):
            threading.Thread(target=_greet, args=(one,), daemon=True).start()
        yield tcp.getsockname()[1]


def _greet(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            with listener.accept()[0] as one:
                one.sendall(b"hello")


def remaining(mark: str) -> list[str]:
    """Living processes with this mark in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
    return found


def test_every_attempt_of_a_malicious_play_fails(town: Town) -> None:
    assert containment().holds, containment()
    done, left, said = town.attack(replace(town.context, contained=True))
    assert {key: value for key, value in done.items() if key.startswith("read") and value is not None} == {}
    assert done[f"list {town.data}"] == ["checkouts"]
    assert set(done[f"list {Path.home()}"] or []) <= {".pyenv"}
    assert done["list /run"] is None
    assert len([name for name in done["list /dev/shm"] if name.startswith("bascule-play-")]) == 1
    assert [path for path in town.forbidden if path.exists()] == []
    assert done["environments"] == []
    assert SECRET not in json.dumps(done)
    assert town.word not in json.dumps(done)
    assert (done["parent"], done["signal"], done["kernel"]) == (None, None, None)
    assert (done["service"], done["abstract"]) == (None, None)
    assert done["door"] == f"127.0.0.1 port {town.port} is no target of this play\n"
    assert done["elsewhere"] == "198.51.100.1 port 22 is no target of this play\n"
    assert done["interfaces"] == ["lo"]
    assert done["namespace"] is None
    assert done["left"] is True
    assert remaining(left) == []
    assert "not sandboxed" not in " ".join(said)
    assert (town.host.home / "done").read_text() == "done\n"


@pytest.mark.faults
def test_without_the_sandbox_it_would_have_succeeded(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "containment", lambda: MISSING)
    workspace = town.data / "workspaces/run-1/step-2"
    done, left, said = town.attack(replace(town.context, workspace=workspace))
    assert [done[f"read {path}"] for path in town.hidden] == [SECRET] * len(town.hidden)
    assert [path for path in town.forbidden if not path.exists()] == []
    for path in town.forbidden:
        path.unlink()
    assert str(town.witness) in done["environments"]
    assert (done["service"], done["abstract"]) == ("hello", "hello")
    assert done["kernel"] == ("/proc/sys/kernel/core_pattern" if os.geteuid() == 0 else None)
    assert said[0] == "not sandboxed: plays are not contained: bubblewrap is missing; install it"
    assert remaining(left) == []  # the fence ends all of it as well


def test_where_it_must_be_contained_it_is_refused_otherwise(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "containment", lambda: MISSING)
    workspace = town.data / "workspaces/run-1/step-3"
    with pytest.raises(ProviderError, match="contained only, and plays are not contained: bubblewrap is") as caught:
        town.attack(replace(town.context, workspace=workspace, contained=True))
    assert (caught.value.permanent, caught.value.effect_possible) == (True, False)
    assert not (workspace / "attempts").exists()


def test_data_that_every_play_would_see_is_no_containment(town: Town) -> None:
    within = replace(town.context, workspace=Path("/usr/share/bascule/workspaces/run-1/step-1"), contained=True)
    with pytest.raises(ProviderError, match="keep the data directory elsewhere than below /usr"):
        confinement.containment_for(within)


def test_a_machine_without_user_namespaces_is_found_out() -> None:
    """By trying: nothing in this machine's settings is read."""
    script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    code = "from providers.ansible.containment import try_out; print(try_out())"
    inside = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", sys.executable, "-c", code]
    said = subprocess.run(inside, check=True, capture_output=True, text=True, cwd=ATTACK.parents[2]).stdout
    assert said.startswith("plays are not contained: bubblewrap does not work here (bwrap: ")
    assert "allow user namespaces" in said


def test_a_machine_without_bubblewrap_is_found_out_and_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    trial = Trial(lambda: now)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert str(trial()) == (
            "plays are not contained: the program `bwrap` is missing; install the Debian package bubblewrap"
        )
    assert not trial().holds
    now = 61.0
    assert trial() == try_out()
