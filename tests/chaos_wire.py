"""How messages stand on a connection: HTTP/1.1 (RFC 9112) and DNS over TCP (RFC 1035 §4.2.2), whole and unread.

A message is the bytes as they came, so what a proxy hands on is what was sent.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from http import HTTPStatus
from io import BufferedIOBase

import dns.message
import dns.opcode
import dns.rcode

PAGE = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Gateway</title></head>
<body><h1>Please wait</h1><p>The service is behind this gateway.</p></body></html>
"""
"""What a gateway in between says in its own name; XHTML, because a careless reader of XML takes it for an answer."""

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_WITHOUT_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its method (or DNS opcode), what it is about, and its bytes."""

    method: str
    target: str
    raw: bytes
    is_write: bool

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer, as its head and its body; `closes` says that it ends with the connection."""

    head: bytes
    body: bytes
    closes: bool = False

    @property
    def raw(self) -> bytes:
        return self.head + self.body


class Wire(ABC):
    """A protocol of requests and answers, one after the other on a connection."""

    @abstractmethod
    def request(self, client: BufferedIOBase, go_on: BufferedIOBase) -> Asked | None:
        """The next request; None at the connection's end. `go_on` takes an interim answer that it waits for."""

    @abstractmethod
    def answer(self, upstream: BufferedIOBase, asked: Asked) -> Answered:
        """The answer to it. Raises EOFError when there is none."""

    @abstractmethod
    def unavailable(self, asked: Asked, retry_after: float | None) -> Answered:
        """The refusal that says: not now; nothing was done."""

    def page(self, asked: Asked, status: HTTPStatus) -> Answered:
        """A gateway's page. Raises NotImplementedError where the protocol has no gateways."""
        raise NotImplementedError


class Http(Wire):
    """HTTP/1.1 with lengths, chunks, and bodies that end with the connection."""

    def request(self, client: BufferedIOBase, go_on: BufferedIOBase) -> Asked | None:
        head = _head(client)
        if not head:
            return None
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        fields = _fields(head)
        if fields.get("expect", "").lower() == "100-continue":
            go_on.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        body = _chunks(client) if chunked else _exactly(client, int(fields.get("content-length", 0)))
        return Asked(method, target, head + body, method not in _READS)

    def answer(self, upstream: BufferedIOBase, asked: Asked) -> Answered:
        while True:
            head = _head(upstream)
            if not head:
                raise EOFError
            status = int(head.split(b" ", 2)[1])
            if status >= 200:
                break
        fields = _fields(head)
        closes = fields.get("connection", "").lower() == "close"
        if asked.method == "HEAD" or status in _WITHOUT_BODY:
            return Answered(head, b"", closes)
        if "chunked" in fields.get("transfer-encoding", "").lower():
            return Answered(head, _chunks(upstream), closes)
        if "content-length" in fields:
            return Answered(head, upstream.read(int(fields["content-length"])), closes)
        return Answered(head, upstream.read(), True)

    def unavailable(self, asked: Asked, retry_after: float | None) -> Answered:
        more = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        return _made(asked, HTTPStatus.SERVICE_UNAVAILABLE, b"overloaded\n", {"Content-Type": "text/plain", **more})

    def page(self, asked: Asked, status: HTTPStatus) -> Answered:
        return _made(asked, status, PAGE, {"Content-Type": "text/html; charset=utf-8"})


class Actions(Http):
    """An API whose every request is a POST of an action's name, as Outscale's: those that read are told by the name."""

    def request(self, client: BufferedIOBase, go_on: BufferedIOBase) -> Asked | None:
        asked = super().request(client, go_on)
        if asked is None:
            return None
        body = asked.raw.partition(b"\r\n\r\n")[2]
        action = asked.target.rpartition("/")[2]
        return replace(asked, target=f"{asked.target} {body[:500].decode()}", is_write=not action.startswith("Read"))


class DnsOverTcp(Wire):
    """Messages with their length in front; an UPDATE is a write."""

    def request(self, client: BufferedIOBase, go_on: BufferedIOBase) -> Asked | None:
        raw = _with_length(client)
        if not raw:
            return None
        opcode = dns.opcode.from_flags(int.from_bytes(raw[4:6], "big"))
        return Asked(dns.opcode.to_text(opcode), raw[14:40].hex(), raw, opcode == dns.opcode.UPDATE)

    def answer(self, upstream: BufferedIOBase, asked: Asked) -> Answered:
        raw = _with_length(upstream)
        if not raw:
            raise EOFError
        return Answered(raw[:14], raw[14:])

    def unavailable(self, asked: Asked, retry_after: float | None) -> Answered:
        refusal = dns.message.Message(int.from_bytes(asked.raw[2:4], "big"))
        refusal.flags = int.from_bytes(asked.raw[4:6], "big") | 0x8000
        refusal.set_rcode(dns.rcode.SERVFAIL)
        raw = refusal.to_wire()
        return Answered(len(raw).to_bytes(2, "big"), raw)


def _head(stream: BufferedIOBase) -> bytes:
    lines = []
    while (line := stream.readline(65536)).strip():
        lines.append(line)
    return b"".join([*lines, line]) if lines else b""


def _exactly(stream: BufferedIOBase, count: int) -> bytes:
    """Raises EOFError when the other side went away before: half a request is none."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _fields(head: bytes) -> dict[str, str]:
    pairs = (line.decode("latin-1").partition(":") for line in head.split(b"\r\n")[1:] if b":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _chunks(stream: BufferedIOBase) -> bytes:
    """A chunked body as it came, sizes and trailers included."""
    parts = []
    while True:
        size = stream.readline(65536)
        parts.append(size)
        count = int(size.split(b";")[0].strip() or b"0", 16)
        if count == 0:
            break
        parts.append(stream.read(count + 2))
    while (trailer := stream.readline(65536)).strip():
        parts.append(trailer)
    return b"".join([*parts, trailer])


def _with_length(stream: BufferedIOBase) -> bytes:
    length = stream.read(2)
    return length + stream.read(int.from_bytes(length, "big")) if len(length) == 2 else b""


def _made(asked: Asked, status: HTTPStatus, body: bytes, fields: dict[str, str]) -> Answered:
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    return Answered(head, b"" if asked.method == "HEAD" else body)
