"""Fault 41: Jinja, YAML, shell and HTML in values, outputs and facts are never rendered and never run by a play.

The plays here run without the sandbox, so that whatever ran would be seen: it is not what these tests stand on.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from providers.ansible import AnsiblePlay, confinement, private
from providers.ansible.containment import Containment
from providers.base import Finding, ProviderError, Tag
from providers.wants import Play
from tests.ssh_host import SshHost, make_host

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Say {{ corpus | first }}
      ansible.builtin.debug: {msg: "{{ corpus }}"}
    - name: What a host answers is no template either
      ansible.builtin.raw: cat {{ home }}/answer
      register: answered
    - name: Nor is it when it passes through further variables
      ansible.builtin.set_fact:
        again: "{{ answered.stdout | from_json }}"
    - name: Shells get words
      ansible.builtin.raw: printf %s {{ item | quote }}
      loop: "{{ again }}"
      register: echoed
    - name: A host's facts
      ansible.builtin.setup: {fact_path: "{{ home }}/facts", gather_subset: ["!all"]}
    - name: A file of it
      ansible.builtin.template: {src: page.j2, dest: "{{ home }}/page", mode: "0600"}
    - name: Hand out
      ansible.builtin.set_stats:
        data:
          corpus: "{{ corpus }}"
          again: "{{ again }}"
          echoed: "{{ echoed.results | map(attribute='stdout') | list }}"
          facts: "{{ ansible_facts.ansible_local.hostile }}"
"""
TEMPLATE = "{% for one in corpus + ansible_facts.ansible_local.hostile %}{{ one }}\n{% endfor %}"


def corpus_for(trap: Path) -> list[str]:
    """Texts that make this file where they are rendered, loaded or run."""
    touch = f"touch {trap}"
    return [
        f"{{{{ lookup('ansible.builtin.pipe', '{touch}') }}}}",
        f"{{% set x = lookup('pipe', '{touch}') %}}",
        f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}} {{{{ query('pipe', '{touch}') }}}}",
        f"!!python/object/apply:os.system ['{touch}']",
        "!unsafe text",
        "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  616263",
        f"$({touch})",
        f"`{touch}`",
        f"'; {touch}; '",
        f'" && {touch} && "',
        f"| {touch}",
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "${{ steps.other.outputs.password }} ${HOME} %(home)s {home}",
        "{# comment #} {{ 7 * 7 }} {{ hostvars }}",
        '{"__ansible_vault": "x", "__ansible_unsafe": "y"}',
    ]


@dataclass
class Stage:
    host: SshHost
    directory: Path
    trap: Path

    @property
    def corpus(self) -> list[str]:
        return corpus_for(self.trap)

    def play(self, said: list[str], **values: Any) -> Finding:
        estate = self.directory / "estate"
        estate.mkdir()
        (estate / "play.yml").write_text(PLAY)
        (estate / "page.j2").write_text(TEMPLATE)
        home = self.host.home
        (home / "answer").write_text(json.dumps(self.corpus))
        (home / "facts").mkdir(exist_ok=True)
        (home / "facts/hostile.fact").write_text(json.dumps(self.corpus))
        want = Play(play="play.yml", hosts={"portal": "127.0.0.1"}, vars={"home": str(home)} | values)
        context = self.host.context(self.directory / "run-1/step-1", estate)
        return AnsiblePlay(context).apply(want, Tag("run-1", "step-1"), {}, said.append)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    host = make_host(tmp_path_factory.mktemp("ssh") / "host")
    with host.running():
        yield host


@pytest.fixture
def stage(host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(confinement, "containment", lambda: Containment("", "it is left out", "see this test"))
    return Stage(host, tmp_path, tmp_path / "trap")


def test_values_outputs_and_facts_are_data(stage: Stage) -> None:
    said: list[str] = []
    corpus = stage.corpus
    done = stage.play(said, corpus=corpus)
    assert not stage.trap.exists()
    echoed = [one.replace("\r\n", "\n") for one in done.outputs["echoed"]]  # a terminal's ends of lines
    assert done.outputs == {"corpus": corpus, "again": corpus, "echoed": done.outputs["echoed"], "facts": corpus}
    assert echoed == corpus
    page = (stage.host.home / "page").read_text()
    assert page == "".join(f"{one}\n" for one in corpus + corpus)
    assert all(line.isprintable() for line in said)


@pytest.mark.faults
def test_unmarked_they_would_have_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap works: it is the mark that keeps it shut."""
    monkeypatch.setattr(private, "unsafe", lambda value: value)
    stage.play([], corpus=stage.corpus[:1])
    assert stage.trap.exists()


@pytest.mark.parametrize("name", ["playbook_dir", "inventory_hostname", "hostvars", "ansible_host", "omit"])
def test_what_ansible_says_itself_is_no_parameter(stage: Stage, name: str) -> None:
    with pytest.raises(ProviderError, match=f"variable {name} belongs to Ansible") as caught:
        replace(stage).play([], **{name: "elsewhere"})
    assert caught.value.permanent
