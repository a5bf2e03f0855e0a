"""Fault 28: 100 MB of step output are capped: in the log, on the disk, in memory, in what the service is told."""

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from providers.ansible import AnsiblePlay
from providers.base import Finding, ProviderError, Tag
from providers.wants import Play
from tests.ssh_host import SshHost, make_host

LOUD = 100 * 1024 * 1024
PLAYS = {
    "host": f"- ansible.builtin.raw: head -c {LOUD // 5} /dev/zero | tr '\\0' x",
    "line": f"- ansible.builtin.debug: {{msg: \"{{{{ 'x' * {LOUD} }}}}\"}}",
    "outputs": f"- ansible.builtin.set_stats: {{data: {{big: \"{{{{ 'z' * {LOUD // 4} }}}}\"}}}}",
}
OURS_LIMIT = 300 * 1024 * 1024
"""Bytes of memory that our side may take at most besides what it is; without caps it took several times 100 MB."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    host = make_host(tmp_path_factory.mktemp("ssh") / "host")
    with host.running():
        yield host


def run(host: SshHost, directory: Path, name: str, said: list[str]) -> Finding:
    estate = directory / "estate"
    estate.mkdir()
    tasks = PLAYS[name] + "\n    - ansible.builtin.raw: echo last\n"
    (estate / "loud.yml").write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n    {tasks}")
    context = host.context(directory / "run-1/step-1", estate)
    return AnsiblePlay(context).apply(
        Play(play="loud.yml", hosts={"portal": "127.0.0.1"}), Tag("run-1", "step-1"), {}, said.append
    )


@contextmanager
def supervisor_peak() -> Iterator[list[int]]:
    """The most memory in bytes that a supervisor below this process held meanwhile."""
    peak, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            for entry in Path("/proc").glob("[0-9]*"):
                try:
                    if b"ansible.supervisor" in (entry / "cmdline").read_bytes():
                        pages = int((entry / "statm").read_text().split()[1])
                        peak[0] = max(peak[0], pages * resource.getpagesize())
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


@pytest.mark.every_day("host")
@pytest.mark.parametrize("name", ["host", "line"])
def test_a_loud_play_ends_well_and_leaves_little(host: SshHost, tmp_path: Path, name: str) -> None:
    said: list[str] = []
    with supervisor_peak() as peak:
        run(host, tmp_path, name, said)
    kept = sum(path.stat().st_size for path in (tmp_path / "run-1").rglob("*") if path.is_file())
    assert kept < 3 * 1024 * 1024
    assert sum(map(len, said)) <= 2 * 1024 * 1024 + 4096
    assert max(len(line.encode()) for line in said) <= 4096
    assert 0 < peak[0] < OURS_LIMIT
    assert said[-1] == "changed portal: ansible.builtin.raw"
    assert sum(line.endswith(": its result is too large to be shown") for line in said) == 1


def test_outputs_too_large_are_refused_for_good(host: SshHost, tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"hands out \d+ bytes by set_stats, 100000 are allowed") as caught:
        run(host, tmp_path, "outputs", [])
    assert caught.value.permanent
