"""MX, SPF and autodiscover of many zones, swapped at a real PowerDNS: a `dns.records` step beside `octodns-sync`.

    python -m tests.bench.dns_zones               200 zones
    python -m tests.bench.dns_zones --zones 50    fewer

Each side has a PowerDNS of its own (SQLite, loopback) with the same zones, and takes its turn `--rounds` times,
each time with fresh servers; the medians are shown. Seconds are those of one whole process, from its start to its end:

ours      imports, the step's look (what a claim does), and its apply: compare, change, read back from the server
octodns   the installed `octodns-sync --doit --force`: imports, whole zones from YAML, plan, apply

CPU seconds are those of that process alone, user and system: what else the machine does moves them less.

Before it both saw the same state: ours as the plan's values, octoDNS as the YAML of whole zones in which the three
record sets were then changed. Then somebody else edited some zones: in half of these a record was added, in half
the MX itself was changed; ours refuses the latter and sends nothing there. An edit is kept when it is still
served afterwards. HTTP requests are the lines of PowerDNS's own log. Zones that nobody edited and that do not serve
the wanted records afterwards are counted as wrong.
"""

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from providers.registry import provider_for
from tests.bench.dns_step import TAG, context_of, wish
from tests.dns_servers import API_KEY, Server, powerdns

WANTED = [
    "@ 60 MX 10 mx.mailo.com.",
    '@ 60 TXT "v=spf1 include:mailo.com ~all"',
    "autodiscover 60 CNAME autodiscover.mailo.com.",
]
ADDED = 'proof 300 TXT "added by somebody else"'
MOVED = "@ 60 MX 5 mx.third.example."
EDITED_SHARE = 20
"""One zone in so many is edited by somebody else."""

REQUEST = re.compile(r'"(GET|PATCH|POST|PUT|DELETE) /api/\S* HTTP/1\.1" (\d+)')


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side's process took and left."""

    seconds: float
    cpu: float
    requests: Counter[str]
    kept: int
    wrong: int
    said: str


@dataclass(frozen=True, slots=True)
class Edits:
    """Which zones somebody else edits between the plan and the change."""

    added: Sequence[str]
    moved: Sequence[str]

    @classmethod
    def of(cls, zones: Sequence[str]) -> "Edits":
        edited = zones[:: max(EDITED_SHARE, 1)]
        return cls(edited[::2], edited[1::2])

    def make(self, server: Server) -> None:
        for zone in self.added:
            server.change('add proof 300 TXT "added by somebody else"', zone=zone)
        for zone in self.moved:
            server.change("delete @ MX", "add @ 60 MX 5 mx.third.example.", zone=zone)

    def kept(self, server: Server) -> int:
        added = sum(ADDED in server.records(zone) for zone in self.added)
        return added + sum(MOVED in server.records(zone) for zone in self.moved)

    @property
    def count(self) -> int:
        return len(self.added) + len(self.moved)


@contextmanager
def our_command(server: Server, zones: Sequence[str], directory: Path) -> Iterator[list[str]]:
    want = wish(zones)
    context = context_of(server.address, server.api, API_KEY, zones, directory)
    planned = provider_for("dns.records", want, context).observe(want, TAG, None).values
    job = directory / "job.json"
    job.write_text(json.dumps({"server": [server.address, server.api, API_KEY], "planned": planned}))
    yield [sys.executable, "-m", "tests.bench.dns_step", str(job)]


@contextmanager
def octodns_command(server: Server, zones: Sequence[str], directory: Path) -> Iterator[list[str]]:
    source = directory / "zones"
    config = directory / "octodns.yaml"
    powerdns_ = {"host": "127.0.0.1", "port": server.api, "api_key": API_KEY}
    providers = {
        "config": {"class": "octodns.provider.yaml.YamlProvider", "directory": str(source), "enforce_order": False},
        "powerdns": {"class": "octodns_powerdns.PowerDnsProvider", **powerdns_},
    }
    names = {f"{zone}.": {"sources": ["config"], "targets": ["powerdns"]} for zone in zones}
    config.write_text(yaml.safe_dump({"providers": providers, "zones": names}))
    dump = [program("octodns-dump"), "--config-file", str(config), "--output-dir", str(source), "*", "powerdns"]
    subprocess.run(dump, check=True, capture_output=True)
    for zone in zones:
        file = source / f"{zone}.yaml"
        records = yaml.safe_load(file.read_text())
        apex = [record for record in records[""] if record["type"] not in ("MX", "TXT")]
        apex.append({"type": "MX", "ttl": 60, "values": [{"preference": 10, "exchange": "mx.mailo.com."}]})
        apex.append({"type": "TXT", "ttl": 60, "value": "v=spf1 include:mailo.com ~all"})
        records[""] = apex
        records["autodiscover"] = {"type": "CNAME", "ttl": 60, "value": "autodiscover.mailo.com."}
        file.write_text(yaml.safe_dump(records))
    yield [program("octodns-sync"), "--config-file", str(config), "--doit", "--force"]


SIDES = {"dns.records": our_command, "octodns-sync": octodns_command}


def program(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    assert path.exists(), f"{name} is not installed beside {sys.executable}"
    return str(path)


def cpu_of_children() -> float:
    """Seconds, user and system, of all child processes that have ended; the servers run on."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def turn(side: str, zones: Sequence[str]) -> Turn:
    edits = Edits.of(zones)
    with tempfile.TemporaryDirectory(prefix="bascule-bench-") as name:
        directory = Path(name)
        (at := directory / "server").mkdir()
        with powerdns(at, zones) as server, SIDES[side](server, zones, directory) as command:
            edits.make(server)
            log = at / "log"
            start = log.stat().st_size
            began, used = time.perf_counter(), cpu_of_children()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            seconds, cpu = time.perf_counter() - began, cpu_of_children() - used
            said = done.stdout.strip()
            assert done.returncode == 0, f"{side} failed: {said[-500:]} {done.stderr[-2000:]}"
            requests = Counter(f"{verb} {code}" for verb, code in REQUEST.findall(log.read_text()[start:]))
            edited = {*edits.added, *edits.moved}
            wrong = sum(not set(WANTED) <= set(server.records(zone)) for zone in zones if zone not in edited)
            return Turn(seconds, cpu, requests, edits.kept(server), wrong, said)


def table(turns: dict[str, list[Turn]], zones: Sequence[str]) -> Table:
    edits = Edits.of(zones)
    made = Table(title=f"MX, SPF and autodiscover in {len(zones)} zones at PowerDNS; whole processes")
    columns = ("seconds, median", "all rounds", "CPU s", "HTTP requests", "a zone", "foreign edits kept", "zones wrong")
    for column in ("", *columns):
        made.add_column(column, justify="right" if column else "left")
    for side, taken in turns.items():
        total = sum(taken[-1].requests.values())
        made.add_row(
            side,
            f"{statistics.median(one.seconds for one in taken):.2f}",
            " ".join(f"{one.seconds:.2f}" for one in taken),
            f"{statistics.median(one.cpu for one in taken):.2f}",
            f"{total} ({', '.join(f'{count} {what}' for what, count in sorted(taken[-1].requests.items()))})",
            f"{total / len(zones):.2f}",
            f"{min(one.kept for one in taken)} of {edits.count}",
            str(max(one.wrong for one in taken)),
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zones", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    zones = [f"z{number}.example" for number in range(arguments.zones)]
    turns: dict[str, list[Turn]] = {side: [] for side in SIDES}
    for _ in range(arguments.rounds):
        for side, taken in turns.items():
            taken.append(turn(side, zones))
    console = Console()
    console.print(table(turns, zones))
    console.print(f"ours, of the zones that it left alone: {turns['dns.records'][-1].said}")


if __name__ == "__main__":
    main()
