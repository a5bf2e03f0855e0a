"""HTTP listeners with faults, on the standard library: a fault must be able to close a socket unanswered."""

import select
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from providers.simulator.faults import Fault, FaultTable

MAX_BODY = 512 * 1024 * 1024
"""Bytes of one request's body."""
LONGEST_HANG = 600.0
"""Seconds that a `hang` lasts when the rule gives none."""

IDLE_SECONDS = 60.0
"""A connection without a request is closed after this time."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `path` and `raw_query` are as sent, still percent-encoded (signatures cover that form)."""

    method: str
    path: str
    raw_query: str
    headers: Message
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def decoded_path(self) -> str:
        return unquote(self.path)


@dataclass(slots=True)
class Response:
    """One HTTP answer; Content-Length is added unless `headers` has it (an answer to HEAD).

    `chunks`: a long body in place of `body`; its length is in `headers`.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterable[bytes] | None = None


Handler = Callable[[Request], Response]
Certificates = Callable[[], ssl.SSLContext]
"""The server's side of TLS, asked at each connection: what is shown may change while the service runs."""
FaultAnswer = Callable[[Fault, Request], Response]
"""Makes a vendor-shaped refusal for a fault of kind `status` or `quota`."""


def plain_refusal(fault: Fault, _request: Request) -> Response:
    return Response(fault.status, b"refused by a simulated fault\n", {"Content-Type": "text/plain"})


class _UnansweredError(Exception):
    """The connection is to be closed without an answer."""


@dataclass(frozen=True, slots=True)
class HttpService:
    """What one listener serves: the handler and how its vendor words a refusal."""

    name: str
    handler: Handler
    faults: FaultTable
    refusal: FaultAnswer = plain_refusal

    def answer(self, request: Request, connection: socket.socket) -> Response:
        """The answer under the faults in force; raises _UnansweredError when there is to be none."""
        fault = self.faults.take(self.name, f"{request.method} {request.decoded_path}")
        if fault is None:
            return self.handler(request)
        match fault.kind:
            case "delay":
                self.faults.wait(fault.seconds or 0)
                return self.handler(request)
            case "status" | "quota":
                answer = self.refusal(fault, request)
                if fault.retry_after is not None:
                    answer.headers["Retry-After"] = f"{fault.retry_after:g}"
                return answer
            case "lose_answer":
                self.handler(request)
            case "hang":
                _wait_for_hangup(connection, self.faults, fault.seconds or LONGEST_HANG)
        raise _UnansweredError


def _wait_for_hangup(connection: socket.socket, faults: FaultTable, seconds: float) -> None:
    """Waits until the other side closes, `seconds` are over or the simulator stops."""
    for _ in range(int(seconds * 20) + 1):
        faults.wait(0.05)
        if faults.stopping.is_set():
            return
        if _hung_up(connection):
            return


def _hung_up(connection: socket.socket) -> bool:
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        # TLS has no way to look without taking: whatever comes is then the other side's goodbye.
        return bool(readable) and (isinstance(connection, ssl.SSLSocket) or not connection.recv(1, socket.MSG_PEEK))
    except (OSError, ValueError):
        return True


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    wbufsize = -1
    server: "_Server"

    def handle_expect_100(self) -> bool:
        """Says at once that the body may come: the base class leaves that in the buffer."""
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def _serve(self) -> None:
        try:
            body = self._body()
        except ValueError as wrong:
            self.close_connection = True
            self._send(Response(400, f"{wrong}\n".encode(), {"Content-Type": "text/plain"}))
            return
        path, _, query = self.path.partition("?")
        request = Request(self.command, path, query, self.headers, body)
        try:
            self._send(self.server.service.answer(request, self.connection))
        except _UnansweredError:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= MAX_BODY:
            raise ValueError("the body is too large")
        return self.rfile.read(length)

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        left = MAX_BODY
        while size := int(self.rfile.readline(100).split(b";")[0].strip(), 16):
            left -= size
            if left < 0:
                raise ValueError("the body is too large")
            parts.append(self.rfile.read(size))
            self.rfile.readline(10)
        while self.rfile.readline(1000).strip():
            pass
        return b"".join(parts)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        headers = {"Content-Length": str(len(response.body))} | response.headers
        if response.status in (101, 204):
            del headers["Content-Length"]
        # No stand-in says a word in a websocket: it was opened, and that was all.
        self.close_connection = self.close_connection or response.status == 101
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            for chunk in (response.body,) if response.chunks is None else response.chunks:
                self.wfile.write(chunk)
        self.wfile.flush()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  # found by these names
    do_OPTIONS = do_PROPFIND = do_MKCOL = _serve  # noqa: N815  # and WebDAV's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Requests are not logged: effects are."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], service: HttpService, certificates: Certificates | None) -> None:
        super().__init__(address, _Connection)
        self.service = service
        self._certificates = certificates

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, so that a client that is slow to shake hands keeps nobody waiting."""
        if self._certificates is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(IDLE_SECONDS)
        with self._certificates().wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def server_bind(self) -> None:
        """Binds without the base class's reverse look-up of the address, which may wait for a resolver."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.socket.getsockname()[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in mid-answer, or trusts no certificate, is no error here; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)


class HttpListener:
    """A service on one address, in a thread of its own until `stop`, which takes up to `stops_within` seconds.

    Port 0 takes a free one, told in `port`.
    """

    def __init__(
        self,
        service: HttpService,
        host: str,
        port: int,
        certificates: Certificates | None = None,
        stops_within: float = 0.05,
    ) -> None:
        self._server = _Server((host, port), service, certificates)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(stops_within,), name=f"http-{host}:{port}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
