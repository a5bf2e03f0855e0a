"""What a play's end means, what it may show, and what may not reach it: against a real SSH host."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from providers.ansible import AnsiblePlay
from providers.base import Finding, Presence, ProviderError, Tag
from providers.wants import Play
from tests.sampling import sampled
from tests.ssh_host import SshHost, make_host

PASSWORD = "open sesame\nsecond line of it"


@dataclass
class Stage:
    """A host, an estate, and steps of one run that play on it."""

    host: SshHost
    directory: Path
    said: list[str] = field(default_factory=list)
    steps: Iterator[int] = field(default_factory=itertools.count)

    def play(self, tasks: str, want: Callable[[Play], Play] = lambda want: want, **values: Any) -> Finding:
        """Run these tasks on `portal` as a new step of run-1."""
        step = f"step-{next(self.steps)}"
        estate = self.directory / "estate"
        estate.mkdir(exist_ok=True)
        lines = "".join(f"    {line}\n" for line in tasks.strip("\n").splitlines())
        (estate / f"{step}.yml").write_text(f"- hosts: portal,web\n  gather_facts: false\n  tasks:\n{lines}")
        wanted = Play(
            play=f"{step}.yml",
            hosts={"portal": "127.0.0.1"},
            vars={"home": str(self.host.home), **values},
            secrets={"password": "secret://password"},
        )
        self.said = []
        context = self.host.context(self.directory / "run-1" / step, estate, password=PASSWORD)
        return AnsiblePlay(context).apply(want(wanted), Tag("run-1", step), {}, self.said.append)

    def refused(self, tasks: str, want: Callable[[Play], Play] = lambda want: want, **values: Any) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            self.play(tasks, want, **values)
        assert "\n" not in caught.value.message
        assert len(caught.value.message) <= 2000
        return caught.value


def payload_for(trap: Path) -> str:
    """On the controller a template can run any program: this one makes a file."""
    return "{{ lookup('ansible.builtin.pipe', 'touch " + str(trap) + "') }}"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    host = make_host(tmp_path_factory.mktemp("ssh") / "host")
    with host.running():
        yield host


@pytest.fixture
def stage(host: SshHost, tmp_path: Path) -> Stage:
    return Stage(host, tmp_path)


def test_failed_task_is_for_good_and_says_where_and_why(stage: Stage) -> None:
    refusal = stage.refused("""
- name: Try the words of {{ password }}
  ansible.builtin.raw: echo "first {{ item }}"; echo "no room for {{ password | quote }}" >&2; exit {{ item }}
  loop: [0, 3]
""")
    assert (refusal.permanent, refusal.effect_possible) == (True, True)
    assert refusal.message.startswith(
        'Task "Try the words of •••" of step-0.yml failed on portal: non-zero return code'
    )
    assert "no room for" in refusal.message
    assert not [line for line in [refusal.message, *stage.said] if "sesame" in line or "second line" in line]


@pytest.mark.faults
def test_very_long_reason_is_cut(stage: Stage) -> None:
    refusal = stage.refused("- ansible.builtin.fail: {msg: \"{{ 'no ' * 3000 }}\"}")
    assert refusal.message.endswith("no…. Mend the play or the host, then retry the step.")
    assert max(len(line.encode()) for line in stage.said) == 4096


@pytest.mark.faults
def test_rescued_and_ignored_failures_are_none(stage: Stage) -> None:
    done = stage.play("""
- block:
    - ansible.builtin.raw: exit 1
  rescue:
    - ansible.builtin.set_stats: {data: {saved: true}}
- ansible.builtin.raw: exit 1
  ignore_errors: true
""")
    assert (done.presence, done.outputs) == (Presence.OURS, {"saved": True})
    assert any(line.startswith("failed (ignored) portal: ansible.builtin.raw") for line in stage.said)


def test_host_out_of_reach_may_come_back(stage: Stage) -> None:
    nowhere = make_host(stage.directory / "nowhere")
    stage = replace(stage, host=nowhere)
    refusal = stage.refused("- ansible.builtin.ping:")
    assert not refusal.permanent
    assert refusal.message.startswith("Ansible could not reach portal (127.0.0.1): ")
    assert refusal.message.endswith("lets the scope's SSH key in, then retry the step.")


@pytest.mark.faults
def test_play_that_matches_no_host_is_refused(stage: Stage) -> None:
    refusal = stage.refused(
        "- ansible.builtin.ping:", lambda want: want.model_copy(update={"hosts": {"x": "127.0.0.1"}})
    )
    assert refusal.permanent
    assert "must match one of: x" in refusal.message


@pytest.mark.faults
def test_play_with_a_mistake_says_which(stage: Stage) -> None:
    refusal = stage.refused("- ansible.builtin.nosuch:")
    assert (refusal.permanent, refusal.effect_possible) == (True, False)
    assert "couldn't resolve module/action 'ansible.builtin.nosuch'" in refusal.message


def test_secret_is_not_handed_out(stage: Stage) -> None:
    refusal = stage.refused('- ansible.builtin.set_stats: {data: {deep: [{er: "x {{ password }}"}]}}')
    assert refusal.permanent
    assert "hands out a secret" in refusal.message


def test_swapped_host_is_refused_by_the_next_step(tmp_path: Path) -> None:
    host = make_host(tmp_path / "host")
    stage = Stage(host, tmp_path)
    with host.running():
        stage.play("- ansible.builtin.raw: 'true'")
        with host.stopped():
            host.new_host_key()
        refusal = stage.refused("- ansible.builtin.raw: touch {{ home }}/reached")
    assert "Another host key than before in this run: find out who answers at 127.0.0.1" in refusal.message
    assert not (host.home / "reached").exists()


def test_nothing_of_the_environment_reaches_the_play(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASCULE_CANARY", "canary")
    monkeypatch.setenv("ANSIBLE_VERBOSITY", "3")
    done = stage.play("""
- ansible.builtin.set_stats:
    data:
      seen: "{{ lookup('env', 'BASCULE_CANARY', 'ANSIBLE_VERBOSITY', 'SSH_AUTH_SOCK') }}"
      home: "{{ lookup('env', 'HOME') }}"
""")
    assert done.outputs["seen"] in (",,", ["", "", ""])
    assert done.outputs["home"].startswith("/dev/shm/bascule-play-")


@pytest.mark.faults
def test_values_are_never_templates(stage: Stage) -> None:
    trap = stage.directory / "trap"
    payload = payload_for(trap)
    deep = {"list": [payload, {"key": payload}], "text": f"a {payload} b"}
    done = stage.play(
        """
- name: Say {{ text }}
  ansible.builtin.debug: {msg: "{{ deep }} {{ text }}"}
- ansible.builtin.set_stats: {data: {text: "{{ text }}", deep: "{{ deep }}"}}
""",
        text=payload,
        deep=deep,
    )
    assert done.outputs == {"text": payload, "deep": deep}
    assert not trap.exists()


@pytest.mark.parametrize("place", sampled(["name", "address"], lambda place: place == "name"))
def test_hosts_are_never_templates(stage: Stage, place: str) -> None:
    """The wish refuses such names and addresses; were one to slip through, it would still only be text."""
    trap = stage.directory / "trap"
    payload = payload_for(trap)
    hosts = {payload: "127.0.0.1"} if place == "name" else {"portal": payload}
    with pytest.raises(ValueError, match="hosts"):
        Play(play="x.yml", hosts=hosts)
    with pytest.raises(ProviderError):
        stage.play(
            """
- ansible.builtin.debug: {msg: "{{ inventory_hostname }} {{ ansible_host }} {{ hostvars }}"}
- ansible.builtin.ping:
""",
            lambda want: Play.model_construct(**{**dict(want), "hosts": hosts}),
        )
    assert not trap.exists()


@pytest.mark.parametrize(
    "values", [{"x": {"__ansible_vault": "v"}}, {"x": {"{{ 1 }}": 1}}, {"ansible_connection": "local"}]
)
def test_values_that_mean_something_to_ansible_are_refused(stage: Stage, values: dict[str, Any]) -> None:
    refusal = stage.refused("- ansible.builtin.ping:", **values)
    assert refusal.permanent
    assert "rename it" in refusal.message


def test_address_is_never_an_option() -> None:
    """To ssh, `-V` is no host."""
    with pytest.raises(ValueError, match="hosts"):
        Play(play="x.yml", hosts={"portal": "-V"})


def test_missing_ssh_client_names_its_package(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(stage.directory))
    refusal = stage.refused("- ansible.builtin.ping:")
    assert refusal.permanent
    assert "openssh-client" in refusal.message


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"ssh": None}, "`ssh`"),
        ({"user": "-oProxyCommand=x"}, "user"),
        ({"port": "22"}, "port"),
        ({"host_keys": "no"}, "host_keys"),
    ],
)
def test_scope_that_cannot_be_right_is_refused(stage: Stage, change: dict[str, Any], word: str) -> None:
    context = stage.host.context(stage.directory / "run-1" / "step-0", stage.directory)
    (stage.directory / "x.yml").write_text("[]")
    scope = change if "ssh" in change else {"ssh": {**context.scope["ssh"], **change}}
    with pytest.raises(ProviderError, match=word) as caught:
        AnsiblePlay(replace(context, scope=scope)).apply(
            Play(play="x.yml", hosts={"portal": "127.0.0.1"}), Tag("run-1", "step-0"), {}, print
        )
    assert caught.value.permanent
