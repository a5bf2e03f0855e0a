"""What a contained play can still do: files, roles and collections of the estate, modules, become, several hosts."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from providers.ansible import AnsiblePlay
from providers.base import Context, ProviderError, Tag
from providers.wants import Play
from tests.ssh_host import SshHost, make_host

TAG = Tag("run-1", "step-1")
PLAY = """
- hosts: all
  gather_facts: false
  become: {become}
  become_method: su
  tasks:
    - name: A file of the estate, by a module that is copied over
      ansible.builtin.copy: {{src: page, dest: "{{{{ home }}}}/page-{{{{ inventory_hostname }}}}", mode: "0600"}}
    - name: A role and its template
      ansible.builtin.include_role: {{name: greeting}}
    - name: A module of a vendored collection
      town.example.greet: {{name: "{{{{ inventory_hostname }}}}"}}
      register: greeted
    - name: Hand out
      ansible.builtin.set_stats:
        aggregate: false
        data: {{said: "{{{{ greeted.said }}}}", controller: "{{{{ lookup('pipe', 'hostname') }}}}"}}
"""
MODULE = """
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.town.example.plugins.module_utils.words import WORD

module = AnsibleModule(argument_spec={"name": {"type": "str"}})
module.exit_json(changed=False, said=WORD + " " + module.params["name"])
"""


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_collection(root: Path, files: dict[str, str]) -> None:
    """As a publisher makes one."""
    write(root, files)
    listed = [
        {"name": name, "ftype": "file", "chksum_sha256": hashlib.sha256(text.encode()).hexdigest()}
        for name, text in files.items()
    ]
    listing = json.dumps({"files": listed, "format": 1})
    manifest = {"name": "FILES.json", "chksum_sha256": hashlib.sha256(listing.encode()).hexdigest()}
    about = {"namespace": "town", "name": "example", "version": "1.0.0"}
    lists = {"collection_info": about, "file_manifest_file": manifest, "format": 1}
    write(root, {"FILES.json": listing, "MANIFEST.json": json.dumps(lists)})


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    host = make_host(tmp_path / "host")
    with host.running():
        yield host


@pytest.fixture
def context(host: SshHost, tmp_path: Path) -> Context:
    estate = tmp_path / "estate"
    become = str(os.geteuid() == 0).lower()  # su asks others for a password
    write(
        estate / "ansible",
        {
            "site.yml": PLAY.format(become=become),
            "files/page": "of the estate",
            "roles/greeting/tasks/main.yml": "- ansible.builtin.template: {src: a.j2, dest: '{{ home }}/greeting'}\n",
            "roles/greeting/templates/a.j2": "hello {{ who }}",
        },
    )
    write_collection(
        estate / "ansible/collections/ansible_collections/town/example",
        {"plugins/modules/greet.py": MODULE, "plugins/module_utils/words.py": "WORD = 'hello'\n"},
    )
    return replace(host.context(tmp_path / "run-1/step-1", estate), contained=True)


def want(host: SshHost) -> Play:
    hosts = {"one": "127.0.0.1", "two": "localhost"}
    return Play(play="ansible/site.yml", hosts=hosts, vars={"home": str(host.home), "who": "{{ everybody }}"})


@pytest.mark.faults
def test_a_contained_play_does_its_work(host: SshHost, context: Context) -> None:
    done = AnsiblePlay(context).apply(want(host), TAG, {}, lambda _: None)
    assert done.outputs["said"] in ("hello one", "hello two")
    assert done.outputs["controller"] == "play"
    assert {path.name for path in host.home.iterdir()} == {"page-one", "page-two", "greeting"}
    assert (host.home / "greeting").read_text() == "hello {{ everybody }}"
    known = [line.split()[0] for file in context.workspace.parent.glob("known_hosts-*") for line in file.open()]
    assert sorted(known) == [f"[127.0.0.1]:{host.port}", f"[localhost]:{host.port}"]


def test_a_collection_that_was_changed_stops_the_play(host: SshHost, context: Context) -> None:
    module = context.estate / "ansible/collections/ansible_collections/town/example/plugins/modules/greet.py"
    module.write_text(MODULE + "# changed\n")
    with pytest.raises(ProviderError, match=r"collection town.example: plugins/modules/greet.py is not what") as caught:
        AnsiblePlay(context).apply(want(host), TAG, {}, lambda _: None)
    assert (caught.value.permanent, caught.value.effect_possible) == (True, False)
    assert list(host.home.iterdir()) == []
