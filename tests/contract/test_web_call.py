"""The HTTP client that checks share: bounded, bound to the scope, and silent about secrets."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, ProviderError, Secret, Tag
from providers.dns.deadline import Deadline
from providers.probes.check import Attempt, DoesNotHoldError
from providers.probes.resolver import Names
from providers.probes.web_call import basic, bearer, call, parsed
from tests.contract.suite import everything_said
from tests.probe_targets import Authority

KEY = "the-key-of-this-test"
LINES = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"

Talk = Callable[[socket.socket, bytes], None]
"""What a server does with a connection and the head of a request."""


def attempt(directory: Path, seconds: float = 5.0, **scope: Any) -> Attempt:
    def reveal(reference: str) -> Secret:
        return Secret({"secret://key": KEY, "secret://broken": f"{KEY}\r\nX-Other: 1"}[reference])

    context = Context({"networks": ["127.0.0.0/8"], **scope}, reveal, directory, directory)
    deadline = Deadline(seconds)
    return Attempt(context, Tag("run-1", "step-1"), deadline, Names(context.scope, deadline), writing=True)


class Server:
    """Takes connections one after another; keeps the heads of all requests."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None) -> None:
        self.heads: list[str] = []
        self._talk = talk
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            line.settimeout(5)
            try:
                secured = self._tls.wrap_socket(line, server_side=True) if self._tls else line
                with secured:
                    head = secured.recv(65536)
                    self.heads.append(head.decode())
                    self._talk(secured, head)
            except OSError:
                line.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@contextmanager
def serving(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(talk, tls)
    try:
        yield server
    finally:
        server.close()


def _echo(line: socket.socket, head: bytes) -> None:
    line.sendall(LINES % (len(head), head))


def test_a_secret_goes_in_its_header_and_is_not_quoted(tmp_path: Path) -> None:
    at = attempt(tmp_path)
    with serving(_echo) as server:
        url = f"http://127.0.0.1:{server.port}/"
        for header in (bearer(at.context, "secret://key"), basic(at.context, "anne", "secret://key")):
            answer = call(at, "GET", url, headers={"Authorization": header})
            assert header.reveal() in answer.text
            assert header.reveal().split()[1] not in f"{answer.words} {answer!r}"
            with pytest.raises(DoesNotHoldError) as caught:
                answer.json()
            assert header.reveal().split()[1] not in everything_said(caught.value)


def test_a_secret_is_not_sent_in_clear_to_another_machine(tmp_path: Path) -> None:
    at = attempt(tmp_path, networks=["192.0.2.0/24"])
    with pytest.raises(ProviderError) as caught:
        call(at, "GET", "http://192.0.2.1/", headers={"Authorization": bearer(at.context, "secret://key")})
    assert caught.value.permanent
    assert "write its URL with https" in caught.value.message


def test_a_secret_that_is_no_header_is_said_without_it(tmp_path: Path) -> None:
    at = attempt(tmp_path)
    with pytest.raises(ProviderError) as caught:
        call(at, "GET", "http://127.0.0.1:1/", headers={"Authorization": bearer(at.context, "secret://broken")})
    assert caught.value.permanent
    assert KEY not in everything_said(caught.value)


@pytest.mark.parametrize("url", ["http://u:the-password@127.0.0.1/", "ftp://127.0.0.1/", "http:///x", "http://a:b/"])
def test_what_is_no_url_of_a_web_server_is_refused(url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        parsed(url)
    assert caught.value.permanent
    assert "the-password" not in caught.value.message


def test_an_address_outside_the_networks_is_never_asked(tmp_path: Path) -> None:
    at = attempt(tmp_path, networks=["198.18.0.0/16"])
    with serving(_echo) as server, pytest.raises(ProviderError, match="outside the networks"):
        call(at, "GET", f"http://127.0.0.1:{server.port}/")
    assert server.heads == []


def test_a_write_whose_answer_is_lost_is_not_sent_again(tmp_path: Path) -> None:
    with serving(lambda line, head: line.close()) as server, pytest.raises(DoesNotHoldError, match="does not answer"):
        call(attempt(tmp_path), "POST", f"http://127.0.0.1:{server.port}/", body=b"once")
    assert len(server.heads) == 1


def test_a_redirect_is_not_followed_with_a_secret_in_hand(tmp_path: Path) -> None:
    def move(line: socket.socket, head: bytes) -> None:
        line.sendall(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n")

    at = attempt(tmp_path)
    with serving(move) as server:
        url = f"http://127.0.0.1:{server.port}/"
        answer = call(at, "GET", url, headers={"Authorization": bearer(at.context, "secret://key")}, redirects=3)
        assert (answer.status, len(server.heads)) == (302, 1)
        with pytest.raises(DoesNotHoldError, match="redirects more than 3 times"):
            call(at, "GET", url, redirects=3)


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_drips_meets_the_deadline(tmp_path: Path, beginning: bytes) -> None:
    over = threading.Event()

    def drip(line: socket.socket, head: bytes) -> None:
        line.sendall(beginning)
        while not over.wait(0.02):
            line.sendall(b".")

    started = time.monotonic()
    with serving(drip) as server:
        try:
            with pytest.raises((ProviderError, DoesNotHoldError)):
                call(attempt(tmp_path, seconds=0.5), "GET", f"http://127.0.0.1:{server.port}/")
        finally:
            over.set()
    assert time.monotonic() - started < 4


def test_a_body_is_read_as_far_as_asked(tmp_path: Path) -> None:
    def much(line: socket.socket, head: bytes) -> None:
        line.sendall(LINES % (5_000_000, b"x" * 1_000_000))
        while line.recv(65536):
            pass

    with serving(much) as server:
        answer = call(attempt(tmp_path), "GET", f"http://127.0.0.1:{server.port}/", most_bytes=1000)
    assert (len(answer.body), answer.cut) == (1000, True)


def test_the_certificate_must_be_for_the_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    at = attempt(tmp_path, tls={"ca": str(authority.file)})
    with serving(_echo, authority.server_context("127.0.0.1")) as server:
        assert call(at, "GET", f"https://127.0.0.1:{server.port}/").status == 200
    with (
        serving(_echo, authority.server_context("other.example")) as server,
        pytest.raises(DoesNotHoldError, match="certificate is not valid for"),
    ):
        call(at, "GET", f"https://127.0.0.1:{server.port}/")


def test_a_write_without_a_body_says_so(tmp_path: Path) -> None:
    with serving(_echo) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert "content-length: 0" in call(attempt(tmp_path), "POST", url).text.lower()
        assert "content-length" not in call(attempt(tmp_path), "DELETE", url).text.lower()
