"""Real hosts: each a set of namespaces with its own root, processes, address and sshd."""

import json
import logging
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from providers.simulator import kernel
from providers.simulator.addresses import Addresses
from providers.simulator.fleet_parts import MachineError
from providers.simulator.network import Network, NetworkError

HERE = Path(__file__).parent
BOOT_SECONDS = 20.0
STOP_SECONDS = 5.0
DISK_BYTES = "4g"
"""Together for all servers; memory is taken only as it is written."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Machine:
    process: subprocess.Popen[str]
    host: int
    ready: threading.Event
    log: list[str]


class NamespaceMachines:
    """Starts and stops hosts. `prepare` mounts their disks; the process needs private mounts before (kernel.py)."""

    def __init__(self, addresses: Addresses, network: Network, image: Path, disks: Path, ssh_public: str) -> None:
        self._addresses = addresses
        self._network = network
        self._image = image
        self._disks = disks
        self._ssh_public = ssh_public
        self._machines: dict[str, _Machine] = {}
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """One memory file system for all disks, with the image beside them."""
        self._disks.mkdir(parents=True, exist_ok=True)
        kernel.mount("tmpfs", str(self._disks), "tmpfs", 0, f"mode=700,size={DISK_BYTES}")
        (self._disks / "image").mkdir()
        kernel.mount(str(self._image), str(self._disks / "image"), flags=kernel.MS_BIND)

    def start(self, server_id: str, hostname: str, host: int, user_data: bytes | None) -> None:
        disk = self._disks / server_id
        for part in ("upper", "work", "root"):
            (disk / part).mkdir(parents=True, exist_ok=True)
        facts = {
            "hostname": hostname,
            "address": self._addresses.server(host),
            "resolver": self._addresses.gateway,
            "authorized_key": self._ssh_public,
            "user_data": (user_data or b"").decode("utf-8", "replace"),
            "init": (HERE / "node_init.py").read_text(),
        }
        (disk / "facts.json").write_text(json.dumps(facts))
        try:
            namespace = self._network.attach(host)
        except NetworkError as error:
            raise MachineError(str(error)) from error
        machine = _Machine(self._spawn(namespace, disk), host, threading.Event(), [])
        with self._lock:
            self._machines[server_id] = machine
        threading.Thread(target=_follow, args=(machine, hostname), name=f"log-{hostname}", daemon=True).start()
        if not machine.ready.wait(BOOT_SECONDS) or machine.process.poll() is not None:
            self.stop(server_id)
            raise MachineError("; ".join(machine.log[-3:]) or f"no SSH within {BOOT_SECONDS:g} s")

    def stop(self, server_id: str) -> None:
        with self._lock:
            machine = self._machines.pop(server_id, None)
        if machine is None:
            return
        assert machine.process.stdin is not None
        machine.process.stdin.close()
        try:
            machine.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            machine.process.kill()
            machine.process.wait(STOP_SECONDS)
        self._network.detach(machine.host)

    def forget(self, server_id: str) -> None:
        shutil.rmtree(self._disks / server_id, ignore_errors=True)

    def stop_all(self) -> None:
        for server_id in list(self._machines):
            self.stop(server_id)

    def _spawn(self, namespace: Path, disk: Path) -> subprocess.Popen[str]:
        """Standard input is the server's life line: it closes with this process, however that ends."""
        return subprocess.Popen(
            [
                *("nsenter", f"--net={namespace}", "--"),
                *("unshare", "--mount", "--propagation", "private", "--pid", "--uts", "--ipc", "--fork"),
                *("--kill-child=KILL", "--"),
                *(sys.executable, "-I", "-S", str(HERE / "node_setup.py")),
            ],
            cwd=disk,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )


def _follow(machine: _Machine, hostname: str) -> None:
    """Reads what a machine says until it ends."""
    assert machine.process.stdout is not None
    for line in machine.process.stdout:
        if line == "ready\n":
            machine.ready.set()
        else:
            machine.log.append(line.rstrip())
            del machine.log[:-100]
            _log.debug("%s: %s", hostname, line.rstrip())
    machine.ready.set()
