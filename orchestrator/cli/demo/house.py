"""The demo's own service: `bascule serve` in a data directory of its own, on a free port."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.cli.client import Service
from orchestrator.cli.demo.children import Child, ChildError, python_path
from orchestrator.cli.exits import CommandError, NoService

READY_WITHIN = 60.0


@contextmanager
def running_service(data: Path, estate: Path, log: Path) -> Iterator[Service]:
    """The service, answering, until the end of the context. Raises CommandError with its last words."""
    command = [sys.executable, "-m", "orchestrator.cli", "--data", str(data), "--estate", str(estate)]
    command += ["serve", "--host", "127.0.0.1", "--port", str(_free_port())]
    environment = {name: value for name, value in python_path().items() if not name.startswith("BASCULE_")}
    with Child(command, log, environment=environment) as child:
        try:
            child.wait_until(lambda: _answers(data), READY_WITHIN, lambda: time.sleep(0.1))
        except ChildError as error:
            raise CommandError(f"The service did not start: {error.message}") from error
        with Service.of(data) as service:
            yield service


def _answers(data: Path) -> bool:
    try:
        with Service.of(data) as service:
            service.runs(limit=1)
    except NoService:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
