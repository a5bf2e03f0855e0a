"""`python -m providers.simulator --index N --data DIR`: starts one simulator and stays until it is told to stop."""

import argparse
import fcntl
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import IO

from providers.simulator import kernel
from providers.simulator.addresses import Addresses, BadIndexError
from providers.simulator.folder import make_folder
from providers.simulator.image import ImageError, ready_image
from providers.simulator.network import NetworkError
from providers.simulator.world import ListenError, World

LOCKS = Path("/run")
PROGRAMS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
"""Program: the Debian package that has it."""


class StartError(Exception):
    """The simulator cannot start here; the message holds the remedy."""


def main() -> int:
    """Exit codes: 0 stopped, 1 could not start, 2 usage."""
    arguments = _arguments()
    try:
        _check_machine()
        _hide_mounts()
        if arguments.build_image:
            ready_image(_tell)
            return 0
        return _run(Addresses(arguments.index), arguments.data.resolve())
    except (StartError, BadIndexError, ImageError, ListenError, NetworkError) as refused:
        sys.stderr.write(f"{refused}\n")
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m providers.simulator", description=__doc__)
    parser.add_argument("--index", type=int, default=0, help="owns 127.77.INDEX.0/24 and 198.18.INDEX.0/24")
    parser.add_argument("--data", type=Path, help="directory for its secrets and its ready file")
    parser.add_argument("--foreground", action="store_true", help="stay in the foreground (always so)")
    parser.add_argument("--build-image", action="store_true", help="only make the servers' image")
    arguments = parser.parse_args()
    if not arguments.build_image and arguments.data is None:
        parser.error("--data DIR is needed")
    return arguments


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise StartError("The simulator makes servers from network namespaces and needs root: run it with sudo.")
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if missing:
        raise StartError(f"The simulator needs Debian packages that are missing: apt-get install {' '.join(missing)}")


def _hide_mounts() -> None:
    try:
        kernel.private_mounts()
    except OSError as error:
        raise StartError(
            f"Root may not make namespaces here ({error.strerror}), as in a container: "
            "run the simulator on a machine of its own, or in a container with --privileged."
        ) from error


def _run(addresses: Addresses, data: Path) -> int:
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    with _lock(addresses):
        make_folder(data)
        (data / "ready").unlink(missing_ok=True)
        world = World(addresses, data, ready_image(_tell))
        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        try:
            world.start()
            for name, address in addresses.listed().items():
                _tell(f"{name:22} {address}")
            _tell(f"ready: {data / 'ready'}")
            stop.wait()
        finally:
            world.stop()
    return 0


def _lock(addresses: Addresses) -> IO[str]:
    """Held while this index runs; raises StartError when another process has it."""
    file = (LOCKS / f"bascule-simulator-{addresses.index}.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        raise StartError(
            f"Simulator {addresses.index} runs already (process {holder}): stop it, or choose another --index."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
