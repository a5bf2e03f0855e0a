"""What the sandbox costs a play: the same play, with and without it, one after the other.

    python -m tests.bench.plays            21 pairs
    python -m tests.bench.plays --pairs 5

The play is the smallest that reaches a host: one `raw` task over SSH, on this machine.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from providers.ansible import AnsiblePlay, confinement
from providers.ansible.containment import Containment, containment
from providers.base import Tag
from providers.wants import Play
from tests.ssh_host import SshHost, make_host

PLAY = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.raw: 'true'\n"
WITHOUT = Containment("", "it is left out", "see this benchmark")


def seconds(host: SshHost, directory: Path, step: str) -> float:
    """One play, as a step of its own."""
    context = host.context(directory / "run-1" / step, directory / "estate")
    begun = time.perf_counter()
    AnsiblePlay(context).apply(
        Play(play="play.yml", hosts={"portal": "127.0.0.1"}), Tag("run-1", step), {}, lambda _: None
    )
    return time.perf_counter() - begun


def pairs(host: SshHost, directory: Path, count: int) -> dict[str, list[float]]:
    """With and without in turns, so that whatever else the machine does meets both alike."""
    (directory / "estate").mkdir()
    (directory / "estate/play.yml").write_text(PLAY)
    ways: dict[str, Any] = {"without": lambda: WITHOUT, "with": containment}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1, count):
        for name, way in ways.items():
            vars(confinement)["containment"] = way
            spent = seconds(host, directory, f"{name}-{number}")
            if number >= 0:  # the first of each warms up
                found[name].append(spent)
    return found


def show(found: dict[str, list[float]]) -> None:
    middle = {name: statistics.median(times) for name, times in found.items()}
    gained = statistics.median(one - other for one, other in zip(found["with"], found["without"], strict=True))
    table = Table("play", "median ms", "fastest ms", "ratio", title=f"{len(found['with'])} pairs")
    for name, times in found.items():
        ratio = f"{middle[name] / middle['without']:.2f}"
        table.add_row(f"{name} sandbox", f"{middle[name] * 1000:.0f}", f"{min(times) * 1000:.0f}", ratio)
    Console().print(table, f"The sandbox adds {gained * 1000:.0f} ms to a play (median of the pairs).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=21)
    asked = parser.parse_args()
    assert containment().holds, containment()
    with tempfile.TemporaryDirectory(prefix="bascule-bench-") as directory:
        host = make_host(Path(directory, "host"))
        with host.running():
            show(pairs(host, Path(directory), asked.pairs))


if __name__ == "__main__":
    main()
