"""The old identity directory: it answers an LDAP bind, and a search with nothing (RFC 4511)."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from enum import IntEnum

from providers.simulator.faults import FaultTable

SUCCESS, PROTOCOL_ERROR, INVALID_CREDENTIALS = 0, 2, 49
MAX_REQUEST = 64 * 1024
IDLE_SECONDS = 10.0


class _Op(IntEnum):
    """Tags of the protocol operations."""

    BIND_REQUEST = 0x60
    BIND_RESPONSE = 0x61
    UNBIND_REQUEST = 0x42
    SEARCH_REQUEST = 0x63
    SEARCH_DONE = 0x65
    EXTENDED_RESPONSE = 0x78


def answer(message: bytes) -> bytes:
    """The response to one LDAPMessage's content; empty when the connection is to end."""
    id_length = message[1]
    message_id = message[2 : 2 + id_length]
    operation = message[2 + id_length]
    match operation:
        case _Op.BIND_REQUEST:
            anonymous = message.endswith(b"\x80\x00")
            return _response(message_id, _Op.BIND_RESPONSE, SUCCESS if anonymous else INVALID_CREDENTIALS)
        case _Op.SEARCH_REQUEST:
            return _response(message_id, _Op.SEARCH_DONE, SUCCESS)
        case _Op.UNBIND_REQUEST:
            return b""
        case _:
            return _response(message_id, _Op.EXTENDED_RESPONSE, PROTOCOL_ERROR)


def _response(message_id: bytes, operation: int, code: int) -> bytes:
    """LDAPResult with empty matchedDN and diagnosticMessage."""
    result = bytes([operation, 7, 0x0A, 1, code, 0x04, 0, 0x04, 0])
    content = bytes([0x02, len(message_id)]) + message_id + result
    return bytes([0x30, len(content)]) + content


class _Session(socketserver.StreamRequestHandler):
    server: "_Server"
    timeout = IDLE_SECONDS

    def handle(self) -> None:
        fault = self.server.faults.take("identity-old", "CONNECT")
        if fault is not None:
            if fault.kind not in ("delay", "hang"):
                return
            self.server.faults.wait(fault.seconds if fault.seconds is not None else 600)
        with contextlib.suppress(ConnectionError, TimeoutError, IndexError):
            for message in self._messages():
                response = answer(message)
                if not response:
                    return
                self.wfile.write(response)

    def _messages(self) -> Iterator[bytes]:
        while len(head := self.rfile.read(2)) == 2 and head[0] == 0x30:
            length = head[1]
            if length & 0x80:
                length = int.from_bytes(self.rfile.read(length & 0x7F))
            if length > MAX_REQUEST:
                return
            yield self.rfile.read(length)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], faults: FaultTable) -> None:
        super().__init__(address, _Session)
        self.faults = faults


class DirectoryListener:
    """The directory on one address until `stop`."""

    def __init__(self, faults: FaultTable, host: str, port: int) -> None:
        self._server = _Server((host, port), faults)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="ldap", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
