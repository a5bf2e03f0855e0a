"""Many servers at each simulated cloud: through Bascule, and as a person would write it with libcloud.

    python -m tests.bench.servers            100 servers, 16 threads
    python -m tests.bench.servers --count 20

All ways use the same drivers, each server takes 0.3 s to boot, and is looked at
every 0.25 s until it runs. Requests, servers and wrong signatures are counted at
the cloud. What must hold is asserted: as many servers as were asked for, no more,
and every request rightly signed. Time is not.
"""

import argparse
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.server_wave import CLOUDS, Cost, Place, Way, cost_of, through_compute_server, through_plain_libcloud

WAYS: tuple[tuple[str, Way, bool], ...] = (
    ("Bascule", through_compute_server, True),
    ("libcloud loop", through_plain_libcloud, True),
    ("libcloud loop", through_plain_libcloud, False),
)
"""Name, way, and whether from all threads."""
COLUMNS = ("cloud", "way", "threads", "wall s", "asked a server", "MB read", "made", "twice", "signed right")


def measure(place: Place, way: Way, count: int, threads: int) -> Cost:
    """One wave at a cloud of its own. Raises AssertionError when it made too many servers or asked wrongly."""
    with (
        tempfile.TemporaryDirectory(prefix="bascule-bench-") as name,
        place(Path(name), count, wait=time.sleep) as wave,
    ):
        cost = cost_of(way, wave, threads)
    assert (cost.servers, cost.duplicates) == (count, 0)
    assert cost.refused == 0
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="servers at each cloud")
    parser.add_argument("--threads", type=int, default=16)
    arguments = parser.parse_args()
    table = Table(title=f"{arguments.count} servers at each cloud")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:2] else "right")
    for cloud, place in CLOUDS.items():
        for name, way, side_by_side in WAYS:
            threads = arguments.threads if side_by_side else 1
            cost = measure(place, way, arguments.count, threads)
            each, answered = f"{cost.requests / arguments.count:.1f}", f"{cost.answered / 1e6:.1f}"
            right = f"{cost.requests - cost.refused} of {cost.requests}"
            made = (str(cost.servers), str(cost.duplicates), right)
            table.add_row(cloud, name, str(threads), f"{cost.seconds:.1f}", each, answered, *made)
        table.add_section()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
