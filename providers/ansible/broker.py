"""Connects a contained play to its targets, and to nothing else.

The play has no network. Its ssh asks at a Unix socket (see `door`) for a host and
a port; a process out here connects when exactly these were declared, and copies bytes
both ways. The play never holds a socket of this machine's network: it could connect it elsewhere.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from providers.base import ProviderError
from providers.reach import Reach

CONNECT_SECONDS = 10.0
AT_ONCE = 64
"""Connections of one play at the same time; Ansible works on five hosts at a time."""
REQUEST_LIMIT = 512
"""Bytes of a request: a host name has at most 255."""
CHUNK = 256 * 1024

Targets = Mapping[str, int]
"""Address, in small letters -> its one port."""


def start_broker(path: Path, targets: Targets, reach: Reach, bind: Callable[[], None]) -> int:
    """Listen at `path` in a process of its own; its id. It ends with this process, as `bind` sees to.

    To be called before this process has threads.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(AT_ONCE)
    child = os.fork()
    if child:
        listener.close()
        return child
    try:
        bind()
        _let_go_of_standard_streams()
        serve(listener, targets, reach)
    finally:
        os._exit(os.EX_SOFTWARE)


def serve(listener: socket.socket, targets: Targets, reach: Reach) -> None:
    """Answer every request at the socket, each in threads of its own, for ever."""
    room = threading.BoundedSemaphore(AT_ONCE)
    while True:
        inner, _ = listener.accept()
        if not room.acquire(blocking=False):
            inner.close()
            continue
        threading.Thread(target=_serve_one, args=(inner, targets, reach, room), daemon=True).start()


def _serve_one(inner: socket.socket, targets: Targets, reach: Reach, room: threading.BoundedSemaphore) -> None:
    try:
        with closing(inner), suppress(OSError):
            inner.settimeout(CONNECT_SECONDS)
            host, _, port = _request(inner).partition(" ")
            host = host.lower()
            if host not in targets or port != str(targets[host]):
                inner.sendall(f"{host} port {port} is no target of this play\n".encode())
                return
            try:
                outer = reach.connected(host, targets[host], CONNECT_SECONDS)
            except ProviderError as error:
                inner.sendall(f"{error.message}\n".encode())
                return
            except OSError as error:
                inner.sendall(f"connect to host {host} port {port}: {error.strerror or error}\n".encode())
                return
            with closing(outer):
                inner.sendall(b"open\n")
                _relay(inner, outer)
    finally:
        room.release()


def _request(inner: socket.socket) -> str:
    """One line, printable; what can't be a request is told as `?`."""
    line = b""
    while not line.endswith(b"\n") and len(line) < REQUEST_LIMIT:
        byte = inner.recv(1)
        if not byte:
            break
        line += byte
    text = line.decode(errors="replace").rstrip("\n")
    return text if text.isprintable() else "?"


def _relay(inner: socket.socket, outer: socket.socket) -> None:
    """Copy both ways until ssh lets go, or until the target does and ssh has read all that came."""
    for end in (inner, outer):
        end.settimeout(None)
    outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    back = threading.Thread(target=_pour, args=(outer, inner), daemon=True)
    back.start()
    _pour(inner, outer)
    with suppress(OSError):
        outer.shutdown(socket.SHUT_RDWR)
    back.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    """Copy one way; the end of the source becomes the end of the sink."""
    buffer = memoryview(bytearray(CHUNK))
    try:
        while size := source.recv_into(buffer):
            sink.sendall(buffer[:size])
    except OSError:
        # One side is gone: the other learns it by the end of what it reads.
        with suppress(OSError):
            source.shutdown(socket.SHUT_RD)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _let_go_of_standard_streams() -> None:
    """The lifeline and the lines for people are the supervisor's; complaints stay ours."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
