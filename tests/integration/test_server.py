"""The service as its own process: it says where it is, and stops in good order."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from orchestrator.web.server import listen
from tests.integration.service_fixture import commit, estate_files, until


def test_the_process_stops_in_good_order_while_someone_watches(tmp_path: Path) -> None:
    estate, data = tmp_path / "estate", tmp_path / "data"
    commit(estate, estate_files(9))
    command = [sys.executable, "-m", "orchestrator.cli", "--data", str(data), "--estate", str(estate)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "serve", "--port", "0"], stdout=log, stderr=log)
    try:
        said = until(lambda: read_json(data / "service.json"), 30, lambda: (tmp_path / "log").read_text())
        token = (data / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=said["url"], headers=headers, timeout=20, trust_env=False) as http:
            digest = http.post("/api/v1/plans", json={"services": ["desk"], "parameters": {"port": 1}}).json()["digest"]
            run_id = http.post("/api/v1/runs", json={"digest": digest, "as": "olga"}).json()["id"]
            with http.stream("GET", f"/api/v1/runs/{run_id}/stream") as response:
                lines = response.iter_lines()
                assert next(lines).startswith("retry")
                process.send_signal(signal.SIGTERM)
                assert not any(line.startswith("event: end") for line in lines)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
    written = (tmp_path / "log").read_text()
    assert str(data / "token") in written
    assert token not in written
    assert "Traceback" not in written


def test_an_answer_on_a_kept_connection_does_not_wait_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def read_json(path: Path) -> dict[str, Any] | None:
    """A file that another process writes: None until all of it is there."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found
