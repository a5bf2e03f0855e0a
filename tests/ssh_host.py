"""A real SSH host for tests of Ansible: sshd on a free loopback port, in a directory of its own.

It lets in who runs the tests, by a key made here. Plays of the tests touch
nothing but the `home` directory that they are given.
"""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from providers.base import Context, ProviderError, Secret
from tests.loopback import within

START_SECONDS = 20.0
SSHD_CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/client_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
SetEnv HOME={directory}/home
"""
"""A home of its own: what the user's shell does when it starts is none of a test's business."""


@dataclass
class SshHost:
    """A host. `home` is what plays may touch, `user` whom it lets in."""

    directory: Path
    port: int
    user: str
    _process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def key(self) -> str:
        return (self.directory / "client_key").read_text()

    @property
    def scope(self) -> dict[str, object]:
        return within(
            {"ssh": {"user": self.user, "port": self.port, "key": "secret://ssh-key", "host_keys": "accept-new"}}
        )

    def context(self, workspace: Path, estate: Path, deadline: float = 60.0, **secrets: str) -> Context:
        """What a provider gets; secrets are named with `_` for `-`."""
        known = {name.replace("_", "-"): value for name, value in secrets.items()} | {"ssh-key": self.key}

        def reveal(reference: str) -> Secret:
            name = reference.removeprefix("secret://")
            if name not in known:
                raise ProviderError(f"There is no secret {name}; set it.", permanent=True)
            return Secret(known[name])

        return Context(scope=self.scope, reveal=reveal, workspace=workspace, estate=estate, deadline=deadline)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The host's sshd, up within this context."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Nobody answers at the host's port within this context."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            command = _sshd(self.directory / "sshd_config")
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        _await_greeting(self.port)

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def new_host_key(self) -> None:
        """What somebody else at this address would show from now on."""
        for path in (self.directory / "host_key", self.directory / "host_key.pub"):
            path.unlink(missing_ok=True)
        _key(self.directory / "host_key")


def make_host(directory: Path) -> SshHost:
    """A host that is not running yet."""
    (directory / "home").mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _key(directory / "client_key")
    _key(directory / "host_key")
    (directory / "sshd_config").write_text(SSHD_CONFIG.format(directory=directory, port=port))
    return SshHost(directory, port, pwd.getpwuid(os.geteuid()).pw_name)


def _key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def _sshd(config: Path) -> list[str]:
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert sshd, "the Debian package openssh-server is needed"
    command = [sshd, "-D", "-e", "-f", str(config)]
    if os.geteuid() != 0:
        return command
    # As root sshd insists on /run/sshd; it gets one that only it sees.
    script = 'mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", *command]


def _await_greeting(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                assert connection.recv(8).startswith(b"SSH-2.0")
                return
        except OSError:
            assert time.monotonic() < end, f"sshd did not start within {START_SECONDS} s"
            time.sleep(0.02)
