"""The first process of a server: starts sshd, takes in orphans, ends when the simulator does.

Its text is copied into the server and run there by the server's own Python.
It prints `ready` when SSH answers, and
ends, and with it every process of the server, when standard input closes.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PR_SET_NAME = 15
SSH_SECONDS = 10.0
HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key")
USER_DATA = Path("/run/user-data.txt")
FIRST_BOOT = Path("/var/lib/cloud/instance")


def main() -> None:
    # Ansible's facts read this name to tell how services are managed: as under sysvinit.
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"init", 0, 0, 0)
    Path("/run/sshd").mkdir()
    Path("/run/lock").mkdir(mode=0o1777)
    if not HOST_KEY.exists():
        subprocess.run(["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(HOST_KEY)], check=True)
    subprocess.Popen(["/usr/sbin/sshd", "-D", "-e"], stdin=subprocess.DEVNULL, start_new_session=True)
    wait_for_ssh()
    os.write(1, b"ready\n")
    run_user_data()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    wake, woken = socket.socketpair()
    wake.setblocking(False)
    woken.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    while True:
        reap()
        readable, _, _ = select.select([0, woken.fileno()], [], [])
        if woken.fileno() in readable:
            woken.recv(4096)
        if 0 in readable and os.read(0, 4096) == b"":
            os._exit(0)


def wait_for_ssh() -> None:
    deadline = time.monotonic() + SSH_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", 22), 1):
                return
        except OSError:
            if time.monotonic() > deadline:
                sys.exit("sshd does not answer")
            time.sleep(0.005)


def run_user_data() -> None:
    """On the first boot: kept where cloud-init keeps it, and run when it is a script."""
    text = USER_DATA.read_text()
    if not text or FIRST_BOOT.exists():
        return
    FIRST_BOOT.mkdir(parents=True)
    script = FIRST_BOOT / "user-data.txt"
    script.write_text(text)
    if text.startswith("#!"):
        script.chmod(0o700)
        subprocess.Popen([str(script)], stdin=subprocess.DEVNULL, start_new_session=True)


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    main()
