"""A play on a server of the simulator: a host with a root of its own, made by the compute driver."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from providers.ansible import AnsiblePlay
from providers.base import Context, Presence, Secret, Tag
from providers.compute.server import ComputeServer
from providers.wants import Play, Server
from tests.simulator_fixture import Simulator

pytest_plugins = ["tests.simulator_fixture"]

SERVER_SECONDS = 30.0
MARK = Path("/root/bascule-test-was-here")
PLAY = f"""
- name: A page
  hosts: all
  gather_subset: ["!all", "!min", platform]
  tasks:
    - name: Mark the host
      ansible.builtin.copy: {{content: "{{{{ text }}}}", dest: {MARK}}}
    - name: Hand out
      ansible.builtin.set_stats:
        data: {{name: "{{{{ ansible_facts.hostname }}}}"}}
"""


@pytest.fixture
def context(fresh_simulator: Simulator, tmp_path: Path) -> Context:
    """The rehearsal scope of this simulator, as far as servers and plays need it."""
    cloud = {
        "driver": "scaleway",
        "url": fresh_simulator.addresses["scaleway"],
        "zone": fresh_simulator.zone,
        "project": fresh_simulator.project,
        "organization": fresh_simulator.organization,
        "token": "secret://scaleway-token",
    }
    for name in ("estate", "run-1/server"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "estate" / "page.yml").write_text(PLAY)
    return Context(
        scope={
            "networks": ["127.0.0.0/8", "198.18.0.0/15"],
            "compute": {"scaleway": cloud},
            "ssh": {"user": "root", "port": 22, "key": "secret://ssh-key"},
        },
        reveal=lambda reference: Secret(fresh_simulator.secret(reference.removeprefix("secret://")).strip()),
        workspace=tmp_path / "run-1" / "server",
        estate=tmp_path / "estate",
    )


@pytest.mark.faults
def test_play_reaches_the_server_and_nothing_else(context: Context, tmp_path: Path) -> None:
    server = Server(provider="scaleway", name="portal", size="DEV1-S", image="debian_bookworm")
    end = time.monotonic() + SERVER_SECONDS
    while (made := ComputeServer(context).apply(server, Tag("run-1", "server"), {}, print)).presence != Presence.OURS:
        assert time.monotonic() < end, made.message
        time.sleep(made.again_after)
    want = Play(play="page.yml", hosts={"portal": made.outputs["address"]}, vars={"text": "{{ not a template }}"})
    step = replace(context, workspace=tmp_path / "run-1" / "page")
    said: list[str] = []
    done = AnsiblePlay(step).apply(want, Tag("run-1", "page"), {}, said.append)
    assert done.outputs == {"name": "portal"}
    assert "changed portal: Mark the host" in said
    assert not MARK.exists()
    again = AnsiblePlay(replace(context, workspace=tmp_path / "run-1" / "again"))
    assert again.apply(want, Tag("run-1", "again"), {}, said.append).presence is Presence.OURS
    assert "ok portal: Mark the host" in said
