"""The starter estate's play for programs that use an AI model, run over SSH."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.ansible import AnsiblePlay
from providers.base import Tag
from providers.wants import Play
from tests.contract.suite import refused
from tests.ssh_host import SshHost, make_host

ESTATE = Path(__file__).parents[2] / "playbooks"
KEY = "sk-canary-of-mistral"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    made = make_host(tmp_path / "host")
    made.home.mkdir(exist_ok=True)
    with made.running():
        yield made


def run(host: SshHost, tmp_path: Path, step: str, consumers: list[dict[str, Any]]) -> list[str]:
    """What the play says."""
    shutil.copytree(ESTATE, tmp_path / "estate", dirs_exist_ok=True)
    want = Play(
        play="ansible/ai-endpoint.yml",
        hosts={"programs": "127.0.0.1"},
        vars={"base_url": "https://api.example.eu/v1", "model": "m", "scope": "rehearsal", "consumers": consumers},
        secrets={"api_key": "secret://mistral-key"},
    )
    said: list[str] = []
    context = host.context(tmp_path / "workspace" / step, tmp_path / "estate", 60.0, mistral_key=KEY)
    AnsiblePlay(context).apply(want, Tag("run-1", step), {}, said.append)
    return said


@pytest.mark.faults
def test_a_second_run_changes_nothing_and_the_key_is_never_told(host: SshHost, tmp_path: Path) -> None:
    file = host.home / "config.json"
    file.write_text('{"openai": {"url": "https://api.openai.com/v1", "key": "old"}, "else": 1}\n')
    consumer = {"path": str(file), "format": "json", "base_url": "openai.url", "api_key": "openai.key"}
    first = run(host, tmp_path, "first", [consumer])
    assert file.read_text() == f'{{"openai": {{"url": "https://api.example.eu/v1", "key": "{KEY}"}}, "else": 1}}\n'
    second = run(host, tmp_path, "second", [consumer])
    assert [line.split()[0] for line in (*first, *second) if "Address, key and model" in line] == [
        "task",
        "changed",
        "task",
        "ok",
    ]
    assert not any(KEY in line for line in (*first, *second))


@pytest.mark.every_day("consumers2-it is not there; give the path that the program reads")
@pytest.mark.parametrize(
    ("consumers", "told"),
    [
        ([], "No file of programs is named"),
        ([{"path": "/nowhere/.env", "format": "env", "hosts": ["another"]}], "No file of programs is named"),
        ([{"path": "/nowhere/.env", "format": "env"}], "it is not there; give the path that the program reads"),
    ],
)
def test_what_cannot_be_changed_is_no_success(
    host: SshHost, tmp_path: Path, consumers: list[dict[str, Any]], told: str
) -> None:
    with refused() as caught:
        run(host, tmp_path, "step", consumers)
    assert told in caught.value.message
    assert caught.value.permanent
