"""A transport for requests' sessions in which every wait ends at the deadline of the provider's call.

The timeouts of requests bound the silence between two bytes, so a server that
sends one now and then holds a call for as long as it likes. Here each single
read and write of the socket waits at most until the deadline: the status line,
the headers, the body, with and without TLS.
"""

import http.client
import io
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

Left = Callable[[], float]
"""Seconds until the deadline; zero or less when it is over."""


class BoundedAdapter(HTTPAdapter):
    """For `session.mount`. What waits past the deadline fails as any timeout of requests does."""

    def __init__(self, left: Left) -> None:
        self._left = left
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools: Any = {"http": partial(_Pool, left=self._left), "https": partial(_TlsPool, left=self._left)}
        self.poolmanager.pool_classes_by_scheme = pools

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """As requests' own; connecting waits at most until the deadline too."""
        left = self._left()
        if left <= 0:
            raise requests.Timeout("the time of this call is over", request=request)
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        bounded = (min(connect or left, left), min(read or left, left))
        return super().send(request, stream, bounded, verify, cert, proxies)


class _Connection(HTTPConnection):
    left: Left

    def wait(self) -> float:
        """Seconds that the next read or write may take. Raises TimeoutError when the deadline is over."""
        left = self.left()
        if left <= 0:
            raise TimeoutError("the time of this call is over")
        return left if self.timeout is None else min(self.timeout, left)

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.wait())
        super().send(data)

    @property
    def response_class(self) -> Any:  # type: ignore[override]
        """What http.client reads the answer with."""
        return partial(_Answer, wait=self.wait)


class _TlsConnection(_Connection, HTTPSConnection):
    """The same inside TLS, whose handshake Python bounds as a whole by the connect timeout."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def __init__(self, *args: Any, left: Left, **kwargs: Any) -> None:
        self._left = left
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> Any:
        made: Any = super()._new_conn()
        made.left = self._left
        return made


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Answer(http.client.HTTPResponse):
    """Reads from the socket through `_Reader`, headers included.

    The standard library takes headers that break off for all there are; an answer
    without its last ones says something else than the server meant.
    """

    def __init__(self, sock: socket.socket, *args: Any, wait: Callable[[], float], **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._lines = _Lines(_Reader(sock, wait))
        self.fp = self._lines

    def begin(self) -> None:
        super().begin()
        if self._lines.broke_off:
            raise http.client.IncompleteRead(b"")


class _Lines(io.BufferedReader):
    """Remembers when a line was asked for and the stream had ended."""

    broke_off = False

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self.broke_off = self.broke_off or not line
        return line


class _Reader(io.RawIOBase):
    """The socket's stream, with a wait of its own for each single read."""

    def __init__(self, sock: socket.socket, wait: Callable[[], float]) -> None:
        self._sock = sock
        self._wait = wait
        self._stream: Any = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._wait())
        count: int | None = self._stream.readinto(buffer)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()
