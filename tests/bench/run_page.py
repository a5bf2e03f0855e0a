"""The page of a run: server time, bytes and first paint, by the number of its steps, beside the JSON of the same run.

    python -m tests.bench.run_page            20, 200 and 2,000 steps, 100,000 lines of output
    python -m tests.bench.run_page --quick    a tenth of the lines, fewer repetitions

A run of the given size is written into a database of its own, six tenths of it done, some under way, one failed. The
service's own web server answers on loopback; times are medians, from the request's first byte to the answer's last, and
beside them those of the processor, which other programs on the machine disturb less.
First paint is Chromium's first-contentful-paint, with an empty cache, beside that of a plain table of as many rows and
bytes from a bare file server: what is left of the difference is the page's own doing.
"""

import argparse
import functools
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from orchestrator.app import Bascule, Settings
from orchestrator.domain.journal import RunEvent, StepEvent
from orchestrator.domain.plan import Plan
from orchestrator.engine.progress import Progress
from orchestrator.store import runs
from orchestrator.store.runs import NewStep, OutputLine
from orchestrator.web.server import settle
from tests.databases import put_tables
from tests.integration.service_fixture import serving

CHROMIUM = "/usr/bin/chromium"
A_SERVICE = 100
"""Steps of one service, at most."""
FAILED, UNDER_WAY = 1, 8


@dataclass(frozen=True, slots=True)
class Row:
    steps: int
    page: "Cost"
    json: "Cost"


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds by the clock and of the processor, the client's part included, and bytes."""

    clock: float
    cpu: float
    size: int


def steps_of(count: int) -> list[NewStep]:
    """Chains of ten side by side within each service; a service begins when the one before has."""
    made = []
    for number in range(count):
        service, within = divmod(number, A_SERVICE)
        name = f"service-{service:02}"
        needs = [f"{name}-failover/step-{within - 10:03}"] if within >= 10 else []
        needs += [f"service-{service - 1:02}-failover/step-{within:03}"] if service and within < 10 else []
        spec: dict[str, Any] = {
            "uses": "dns.records",
            "service": name,
            "runbook": f"{name}-failover",
            "on_failure": "pause",
        }
        spec |= {"with": {"zone": f"{name}.example", "records": [{"name": "@", "type": "MX", "values": ["10 mx."]}]}}
        spec |= {
            "title": {"fr": f"Bascule de l’enregistrement {within}", "en": f"Move record {within}"},
            "expect": 20.0,
        }
        made.append(NewStep(f"{name}-failover/step-{within:03}", "dns.records", spec, tuple(needs)))
    return made


def write_run(bascule: Bascule, count: int, lines: int) -> str:
    """The run's id. Its events are those of a real one; nothing works on it."""
    run_id, steps = f"bench-{count}", steps_of(count)
    services = tuple(dict.fromkeys(step.spec["service"] for step in steps))
    plan = Plan(commit="c", scope="rehearsal", mode="rehearsal", direction="failover", services=services, steps=())
    values: dict[str, Any] = {
        "id": run_id,
        "plan_digest": f"d-{count}",
        "commit": "c",
        "scope": "rehearsal",
        "mode": "rehearsal",
    }
    values |= {"direction": "failover", "services": list(services), "requested_by": "olga", "reason": "a benchmark"}
    values |= {"releases_needed": 0, "created_at": time.time()}
    progress = Progress(bascule.database, lambda _conn, _dispatch: None, time.time)
    with bascule.database.write() as conn:
        runs.save_plan(conn, f"d-{count}", "c", 0.0, plan.model_dump(mode="json"))
    with progress.journal(run_id, lambda conn: runs.insert_run(conn, values, steps)) as journal:
        journal.run_event(RunEvent.CREATED, data={"steps": len(steps)})
        journal.run_event(RunEvent.STARTED)
        journal.start_steps()
        done = count * 6 // 10
        for number, step in enumerate(steps[: done + FAILED + UNDER_WAY]):
            view = journal.view(step.step_id)
            if view.state != "ready":
                continue
            view = journal.step_event(step.step_id, view, StepEvent.INTENT, {"fence": "bench"})
            if number < done:
                journal.step_event(step.step_id, view, StepEvent.SUCCEEDED, {"message": "1 record set is as wanted."})
            elif number < done + FAILED:
                journal.step_event(step.step_id, view, StepEvent.FAILED, {"message": "The name server refuses."})
    for first in range(0, lines, 10_000):
        said = [
            OutputLine(run_id, steps[number % count].step_id, 1, time.time(), f"line {number}: the record is set")
            for number in range(first, min(first + 10_000, lines))
        ]
        with bascule.database.write() as conn:
            runs.add_output(conn, said)
    return run_id


def timed(http: httpx.Client, path: str, times: int) -> Cost:
    """Medians; the first answer, which fills caches, is left out."""
    clock, cpu = [], []
    for _ in range(times + 1):
        started, worked = time.perf_counter(), time.process_time()
        answer = http.get(path)
        clock.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
        assert answer.status_code == 200, answer.text
    return Cost(statistics.median(clock[1:]), statistics.median(cpu[1:]), len(answer.content))


def paints(browser: Browser, url: str, times: int) -> float:
    """Milliseconds until the first contentful paint, the median."""
    found = []
    for _ in range(times):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(url, wait_until="load")
            script = "performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)[0]"
            page.wait_for_function(f"{script} !== undefined")
            found.append(float(page.evaluate(script)))
    return statistics.median(found)


def plain_page(size: int, rows: int) -> str:
    """A table of so many bytes, with nothing else."""
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>plain</title><table>"
    row = "<tr><td>{}</td><td>{}</td></tr>"
    filler = "word " * ((size - len(head)) // rows // 5)
    return head + "".join(row.format(number, filler) for number in range(rows)) + "</table>"


@contextmanager
def bare_server(directory: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, name="bare")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer lines and repetitions")
    arguments = parser.parse_args()
    times, lines = (3, 10_000) if arguments.quick else (9, 100_000)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="bascule-bench-") as name:
        directory = Path(name)
        settings = Settings(data=directory / "data", estate_url=str(directory / "estate"))
        put_tables(settings.data)
        bascule = Bascule(settings)
        rows, more = [], []
        settle()
        with serving(bascule) as server:
            headers = {"Authorization": f"Bearer {bascule.token}"}
            with httpx.Client(base_url=server.local_url, headers=headers, timeout=60, trust_env=False) as http:
                for steps in (20, 200, 2000):
                    run_id = write_run(bascule, steps, lines if steps == 2000 else 300)
                    page, json = timed(http, f"/runs/{run_id}", times), timed(http, f"/api/v1/runs/{run_id}", times)
                    rows.append(Row(steps, page, json))
                for what, path in {
                    "by state": f"/runs/{run_id}?sort=state",
                    "one service drawn": f"/runs/{run_id}?open=service-06",
                    "on paper": f"/runs/{run_id}/paper",
                    "one step": f"/runs/{run_id}/steps/service-06-failover/step-001",
                    "one step, first lines": f"/runs/{run_id}/steps/service-06-failover/step-001?after=0",
                }.items():
                    more.append((what, timed(http, path, times)))
                text = http.get(f"/runs/{run_id}").text
            (directory / "plain").mkdir()
            plain = plain_page(len(text.encode()), 2000)
            (directory / "plain" / "index.html").write_text(plain)
            with sync_playwright() as playwright, bare_server(directory / "plain") as bare:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                ours = paints(browser, f"{server.local_url}/runs/{run_id}?token={bascule.token}", times)
                theirs = paints(browser, f"{bare}/index.html", times)
                browser.close()
        bascule.database.close()
    console.print(_table(rows))
    console.print(_more(more, lines))
    console.print(
        f"first paint at 2,000 steps: {ours:.0f} ms; a plain table of {len(plain.encode()):,} bytes: {theirs:.0f} ms"
    )


def _table(rows: list[Row]) -> Table:
    table = Table(title="The page of a run, and its JSON")
    for column in ("steps", "page ms", "JSON ms", "page CPU ms", "JSON CPU ms", "CPU ratio", "page KB", "JSON KB"):
        table.add_column(column, justify="right")
    table.add_column("CPU ms a step", justify="right")
    for row in rows:
        page, json = row.page, row.json
        table.add_row(
            f"{row.steps:,}",
            f"{page.clock:.0f}",
            f"{json.clock:.0f}",
            f"{page.cpu:.1f}",
            f"{json.cpu:.1f}",
            f"{page.cpu / json.cpu:.2f}",
            f"{page.size / 1000:.0f}",
            f"{json.size / 1000:.0f}",
            f"{page.cpu / row.steps:.2f}",
        )
    return table


def _more(rows: list[tuple[str, Cost]], lines: int) -> Table:
    table = Table(title=f"Other pages of the run of 2,000 steps, with {lines:,} lines of output")
    for column in ("page", "ms", "CPU ms", "KB"):
        table.add_column(column, justify="left" if column == "page" else "right")
    for what, cost in rows:
        table.add_row(what, f"{cost.clock:.0f}", f"{cost.cpu:.1f}", f"{cost.size / 1000:.0f}")
    return table


if __name__ == "__main__":
    main()
