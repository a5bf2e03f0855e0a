"""Every wait ends at the deadline, with and without TLS: for the head, the body, and the sending."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from providers.bounded_transport import BoundedAdapter
from providers.vendor_http import Deadline
from tests.probe_targets import Authority

SECONDS = 0.6
MARGIN = 5.0
"""Seconds that a busy machine may be late; without an end at the deadline each of these would take ten and more."""
BODY = b"x" * 50_000_000
"""More than the kernel takes on for a server that does not read."""
Serve = Callable[[socket.socket], object]


@contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server for one connection; its URL."""

    def once() -> None:
        with suppress(OSError), listener.accept()[0] as line:  # the client gives up, as it should
            serve(tls.wrap_socket(line, server_side=True) if tls else line)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=once)
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)  # nobody waits for a client that never came
        thread.join(15)
        assert not thread.is_alive()


def session(deadline: Deadline) -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    for scheme in ("http://", "https://"):
        made.mount(scheme, BoundedAdapter(deadline.seconds_left))
    return made


def slowly(first: bytes) -> Serve:
    """The beginning at once, and then a byte now and then for as long as anybody listens."""

    def serve(line: socket.socket) -> None:
        line.recv(65536)
        line.sendall(first)
        pause = threading.Event()
        for _ in range(200):
            line.sendall(b"x")
            pause.wait(0.05)

    return serve


@pytest.mark.every_day("False")
@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_byte_by_byte_ends_at_the_deadline(tmp_path: Path, first: bytes, secure: bool) -> None:
    authority = Authority(tmp_path)
    tls = authority.server_context("127.0.0.1") if secure else None
    with serving(slowly(first), tls) as url, session(Deadline(SECONDS)) as http:
        began = time.monotonic()
        with pytest.raises((requests.Timeout, requests.ConnectionError)):
            http.get(url, timeout=30, verify=str(authority.file))
        assert time.monotonic() - began < SECONDS + MARGIN


def test_sending_to_a_server_that_does_not_read_ends_at_the_deadline() -> None:
    reached, given_up = threading.Event(), threading.Event()

    def serve(_: socket.socket) -> None:
        reached.set()
        given_up.wait(10)

    with serving(serve) as url, session(Deadline(SECONDS)) as http:
        began = time.monotonic()
        try:
            with pytest.raises((requests.Timeout, requests.ConnectionError)):
                http.put(url, data=BODY, timeout=30)
            assert time.monotonic() - began < SECONDS + MARGIN
        finally:
            given_up.set()
    assert reached.is_set(), "nothing was sent"


def test_nothing_is_sent_once_the_deadline_is_over() -> None:
    with session(Deadline(-1)) as http, pytest.raises(requests.Timeout):
        http.get("http://127.0.0.1:9/")


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nETag: a\r\nContent-Le", b"HTTP/1.1 200 OK\r\nETag: a\r\n"])
def test_headers_that_break_off_are_no_answer(head: bytes) -> None:
    def serve(line: socket.socket) -> None:
        line.recv(65536)
        line.sendall(head)

    with serving(serve) as url, session(Deadline(5)) as http, pytest.raises(requests.ConnectionError):
        http.head(url)


def test_an_answer_in_time_arrives_whole() -> None:
    def serve(line: socket.socket) -> None:
        line.recv(65536)
        line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    with serving(serve) as url, session(Deadline(5)) as http:
        assert http.get(url).content == b"abcde"
