"""One viewer and many of the same run: how long after an order each of them is told.

    python -m tests.bench.viewers            1 and 200 viewers, 40 orders
    python -m tests.bench.viewers --quick    1 and 50, 10 orders

The service is a process of its own on loopback. Half of the viewers listen to the run's own stream, as its page does;
half to `/live`, which tells the other pages that something moved. An order pauses or resumes the run. Counted:

told      of all that should have been told, the share that was
p50, max  milliseconds from before the order is sent until a viewer has read the news of it
order     milliseconds until the order itself was answered, in the middle
CPU       user and system seconds of the service for one order
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console as Terminal
from rich.table import Table

from tests.browser.console_process import SHEET_STEP, console
from tests.integration.service_fixture import until

APART = 0.7
"""Seconds between two orders: `/live` tells twice a second at most."""


@dataclass(frozen=True, slots=True)
class Row:
    viewers: int
    told: float
    p50: float
    longest: float
    order: float
    cpu: float


@dataclass(slots=True)
class Viewer:
    """`heard`: the times at which something was told."""

    path: str
    event: bytes
    heard: list[float]

    async def listen(self, port: int, token: str, ready: asyncio.Semaphore) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        writer.write(head.encode())
        try:
            while line := await reader.readline():
                if line.startswith(b"retry:"):
                    ready.release()
                if line.startswith(b"event: " + self.event):
                    self.heard.append(time.monotonic())
        finally:
            writer.close()


async def watched(url: str, token: str, run_id: str, count: int, orders: int, process: int) -> Row:
    port, ready = int(url.rsplit(":", 1)[1]), asyncio.Semaphore(0)
    kinds = ((f"/runs/{run_id}/live", b"run"), ("/live", b"moved"))
    viewers = [Viewer(*kinds[number % 2], []) for number in range(count)]
    listening = [asyncio.create_task(viewer.listen(port, token, ready)) for viewer in viewers]
    for _ in viewers:
        await ready.acquire()
    await asyncio.sleep(2 * APART)
    sent, answered, before = [], [], cpu_of(process)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
        for number in range(orders):
            sent.append(time.monotonic())
            verb = "resume" if number % 2 else "pause"
            (await http.post(f"/api/v1/runs/{run_id}/{verb}", json={"as": "olga"})).raise_for_status()
            answered.append(time.monotonic())
            await asyncio.sleep(APART)
    await asyncio.sleep(1)
    spent = cpu_of(process) - before
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    delays = [after for viewer in viewers for after in delays_of(sent, viewer.heard)]
    return Row(
        viewers=count,
        told=len(delays) / (count * orders),
        p50=1000 * statistics.median(delays),
        longest=1000 * max(delays),
        order=1000 * statistics.median(end - begun for begun, end in zip(sent, answered, strict=True)),
        cpu=spent / orders,
    )


def delays_of(sent: Sequence[float], heard: Sequence[float]) -> list[float]:
    """For each order the time until the first news after it, where some came before the next order."""
    found = []
    for number, begun in enumerate(sent):
        end = sent[number + 1] if number + 1 < len(sent) else float("inf")
        first = next((at for at in heard if begun <= at < end), None)
        if first is not None:
            found.append(first - begun)
    return found


def cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer viewers and orders")
    quick = parser.parse_args().quick
    orders, counts = (10, (1, 50)) if quick else (40, (1, 200))
    with tempfile.TemporaryDirectory() as work, console(Path(work), lost=False) as made:
        made.start()
        token = (Path(work) / "data" / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"{made.url}/api/v1", headers=headers, timeout=60, trust_env=False) as http:
            digest = http.post("/plans", json={"services": ["desk"], "scope": "rehearsal"}).json()["digest"]
            run_id = http.post("/runs", json={"digest": digest, "as": "olga"}).json()["id"]

            def waits() -> bool | None:
                steps = {one["id"]: one["state"] for one in http.get(f"/runs/{run_id}").json()["steps"]}
                return steps[SHEET_STEP] == "waiting" or None

            until(waits, 30, lambda: "the run does not come so far")
        rows = [asyncio.run(watched(made.url, token, run_id, count, orders, made.pid)) for count in counts]
    table = Table(title=f"{orders} orders to one run, {1000 * APART:g} ms apart")
    for name in ("viewers", "told", "p50 ms", "max ms", "order ms", "CPU ms an order"):
        table.add_column(name, justify="right")
    for row in rows:
        cells = (f"{row.told:.1%}", f"{row.p50:.0f}", f"{row.longest:.0f}", f"{row.order:.0f}", f"{1000 * row.cpu:.0f}")
        table.add_row(str(row.viewers), *cells)
    Terminal(width=90).print(table)


if __name__ == "__main__":
    main()
