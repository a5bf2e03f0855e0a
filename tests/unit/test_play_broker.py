"""A contained play's connections: to its targets, on their one port, nowhere else; copied both ways to the end."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from providers.ansible import broker, door
from tests.loopback import LOOPBACK

HELLO = b"SSH-2.0-test\r\n"


@contextmanager
def echo() -> Iterator[int]:
    """A target that greets, and sends back all that it gets; it says `end` once its visitor has nothing more."""

    def answer() -> None:
        with listener, listener.accept()[0] as one:
            one.sendall(HELLO)
            while data := one.recv(65536):
                one.sendall(data)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(timeout=10)
    assert not thread.is_alive()


@contextmanager
def serving(directory: Path, targets: dict[str, int]) -> Iterator[Path]:
    path = directory / "door"

    def serve() -> None:
        with suppress(OSError):  # it goes on for ever; the socket's end is its end here, as the process's is in a play
            broker.serve(listener, targets, LOOPBACK)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)


def asked(path: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(10)
        one.connect(str(path))
        one.sendall(request)
        answer = b""
        while not answer.endswith(b"\n") and (more := one.recv(1)):
            answer += more
        return answer


def test_ssh_gets_a_connection_that_is_no_network_socket(tmp_path: Path) -> None:
    """By the program that ssh starts, as ssh receives it."""
    ssh, proxy = socket.socketpair()
    with echo() as port, serving(tmp_path, {"localhost": port}) as path:
        command = [sys.executable, "-I", "-S", door.__file__, str(path), "LocalHost", str(port)]
        with ssh, proxy:
            assert subprocess.run(command, stdout=proxy.fileno(), check=False).returncode == 0
            _, descriptors, _, _ = socket.recv_fds(ssh, 16, 1)
        with socket.socket(fileno=descriptors[0]) as given:
            assert given.family == socket.AF_UNIX
            given.settimeout(10)
            large = b"x" * 3_000_000
            sender = threading.Thread(target=given.sendall, args=(large,))
            sender.start()
            got = b""
            while len(got) < len(HELLO) + len(large):
                got += given.recv(65536)
            sender.join()
            assert got == HELLO + large
        # The target learns that its visitor is gone: `echo` ends.


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        (b"127.0.0.1 23\n", b"127.0.0.1 port 23 is no target of this play\n"),
        (b"127.0.0.2 22\n", b"127.0.0.2 port 22 is no target of this play\n"),
        (b"127.0.0.1 022\n", b"127.0.0.1 port 022 is no target of this play\n"),
        (b"127.0.0.1\n", b"127.0.0.1 port  is no target of this play\n"),
        (b"\xff\x1b[2J 22\n", b"? port  is no target of this play\n"),
        (b"x" * 600, b"x" * 512 + b" port  is no target of this play\n"),
        (b"127.0.0.1 22 \n", b"127.0.0.1 port 22  is no target of this play\n"),
    ],
)
def test_whatever_was_not_declared_is_refused(tmp_path: Path, request_line: bytes, answer: bytes) -> None:
    with serving(tmp_path, {"127.0.0.1": 22}) as path:
        assert asked(path, request_line) == answer


def test_a_target_that_is_away_is_told(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with serving(tmp_path, {"127.0.0.1": port}) as path:
            said = asked(path, f"127.0.0.1 {port}\n".encode())
    assert said == f"connect to host 127.0.0.1 port {port}: Connection refused\n".encode()
