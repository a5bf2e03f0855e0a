"""What a malicious play tries on the machine that runs it. Prints one JSON object: attempt -> what came of it, or null.

`python attack.py PLAN`, where PLAN is JSON. It imports the standard library only: it runs inside the sandbox.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any


def tried(attempt: Callable[[], Any]) -> Any:
    try:
        return attempt()
    except (OSError, subprocess.CalledProcessError):
        return None


def wrote(path: str) -> str | None:
    Path(path).write_text("was here")
    return path


def names(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


def opened(path: str) -> str:
    """For writing, though nothing is written."""
    with Path(path).open("a"):
        return path


def sent(pid: int) -> str:
    os.kill(pid, 0)
    return "sent"


def environments(word: str) -> list[str]:
    """Processes whose environment holds this word."""
    processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [one.name for one in processes if word.encode() in (tried((one / "environ").read_bytes) or b"")]


def greeted(address: Any, family: int = socket.AF_INET) -> str:
    with socket.socket(family) as one:
        one.settimeout(3)
        one.connect(address)
        return one.recv(5).decode()


def through_the_door(host: str, port: int) -> str | None:
    """What the broker says to a request that ssh would never make; it is found by its socket."""
    for path in Path("/dev/shm").glob("bascule-play-*/door"):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(path))
            one.sendall(f"{host} {port}\n".encode())
            return one.recv(200).decode()
    return None


def left_behind(name: str) -> bool:
    """Leave a process behind, in a session of its own, that would go on for an hour."""
    code = f"import time; time.sleep(3600)  # {name}"
    nowhere = subprocess.DEVNULL
    subprocess.Popen([sys.executable, "-I", "-S", "-c", code], start_new_session=True, stdout=nowhere, stderr=nowhere)
    return True


def main(plan: dict[str, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {f"read {path}": tried(Path(path).read_text) for path in plan["read"]}
    done |= {f"list {path}": tried(partial(names, Path(path))) for path in plan["list"]}
    done |= {f"write {path}": tried(partial(wrote, path)) for path in plan["write"]}
    done["environments"] = environments(plan["word"])
    done["parent"] = tried(Path(f"/proc/{os.getppid()}/environ").read_text)
    done["signal"] = tried(lambda: sent(plan["pid"]))
    done["kernel"] = tried(lambda: opened("/proc/sys/kernel/core_pattern"))
    done["service"] = tried(lambda: greeted(("127.0.0.1", plan["port"])))
    done["abstract"] = tried(lambda: greeted("\0" + plan["abstract"], socket.AF_UNIX))
    done["door"] = tried(lambda: through_the_door("127.0.0.1", plan["port"]))
    done["elsewhere"] = tried(lambda: through_the_door("198.51.100.1", 22))
    done["namespace"] = tried(lambda: subprocess.check_call(["unshare", "-Ur", "true"], stderr=subprocess.DEVNULL))
    done["left"] = left_behind(plan["left"])
    done["interfaces"] = sorted(name for _, name in socket.if_nameindex())
    return done


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))))
