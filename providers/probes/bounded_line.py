"""Connections for httpcore in which every single wait ends at the attempt's deadline.

httpcore bounds the silence between two reads, so a server that sends one byte now
and then would hold a check for as long as it likes.
"""

import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
from httpcore import SyncBackend

Wait = Callable[[], float]
"""Seconds that the next wait may take. Raises TimeIsUpError when none are left."""


class BoundedBackend(httpcore.NetworkBackend):
    """Connects to one address, whatever the host of the URL is called: the caller has checked that address."""

    def __init__(self, address: str, wait: Wait) -> None:
        self._address = address
        self._wait = wait

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        del host, timeout
        line = SyncBackend().connect_tcp(self._address, port, self._wait(), local_address, socket_options)
        return _Line(line, self._wait)


class _Line(httpcore.NetworkStream):
    def __init__(self, line: httpcore.NetworkStream, wait: Wait) -> None:
        self._line = line
        self._wait = wait

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        return self._line.read(max_bytes, self._wait())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._line.write(buffer, self._wait())

    def close(self) -> None:
        self._line.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        del timeout
        return _Line(self._line.start_tls(ssl_context, server_hostname, self._wait()), self._wait)

    def get_extra_info(self, info: str) -> Any:
        return self._line.get_extra_info(info)
