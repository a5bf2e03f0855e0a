"""Stands between a real driver and the server it talks to, and spoils requests and answers as a policy says.

It listens on a free port of loopback and hands everything on to one upstream,
each request on a connection of its own, so that a fault ends at the request it
strikes. A policy is switched on and off at run time, and each of its rules is
used up after a number of strikes.
"""

import selectors
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from http import HTTPStatus

from tests.chaos_wire import Answered, Asked, Http, Wire

PACE = 0.2
"""Seconds between two bytes of a slow answer."""
LONGEST = 30.0
"""Seconds after which a hang ends by itself, should the client never give up."""
LAG = 0.3
"""Seconds between a client's giving up and the arrival of its late request."""


class Fault(StrEnum):
    """What can become of a request and its answer. Done: the upstream carried the request out."""

    LOST = auto()
    """Done; the connection closes without an answer."""
    UNAVAILABLE = auto()
    """Not done; 503, or SERVFAIL."""
    SILENT = auto()
    """Not done; accepted, and never answered."""
    SLOW_HEAD = auto()
    """Done; the answer comes byte by byte, never long without one."""
    SLOW_BODY = auto()
    """Done; the head comes at once, the body byte by byte."""
    TRUNCATED = auto()
    """Done; the body ends in the middle, though its length was announced."""
    PAGE = auto()
    """Not done; a gateway's page with 200."""
    EMPTY = auto()
    """Not done; 200 and nothing else."""
    BAD_GATEWAY = auto()
    """Done; a gateway's page with 502 in place of the answer."""
    RESET = auto()
    """Done; the connection is reset in the middle of the answer."""
    LATE = auto()
    """Done, but only after the client has given up."""
    STALE = auto()
    """Not done; a read is answered as the same one was last time, as from a list that lags behind."""


NOT_DONE = frozenset({Fault.UNAVAILABLE, Fault.SILENT, Fault.PAGE, Fault.EMPTY, Fault.STALE})


class On(StrEnum):
    """Which requests a rule strikes."""

    ALL = auto()
    READS = auto()
    WRITES = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """`times` strikes of one fault; with `once_each`, no request (method and target) is struck twice."""

    fault: Fault
    times: int = 1
    on: On = On.ALL
    once_each: bool = False
    retry_after: float | None = None

    def fits(self, asked: Asked) -> bool:
        return self.on is On.ALL or asked.is_write == (self.on is On.WRITES)


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules that hold at the same time, or `in_turn`: each begins when the one before is used up."""

    name: str
    rules: tuple[Rule, ...]
    in_turn: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Strike:
    """What a fault did to a request; `answer` is what the client was to have, when the upstream gave it."""

    fault: Fault
    asked: Asked
    answer: bytes = b""


class ChaosProxy(socketserver.ThreadingTCPServer):
    """The proxy of one upstream. `counts` has the requests by method, `strikes` what was done to some of them."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, upstream: tuple[str, int], wire: Wire | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.upstream = upstream
        self.wire = wire or Http()
        self.counts: Counter[str] = Counter()
        self.strikes: list[Strike] = []
        self.ending = threading.Event()
        """Set at the end: whoever waits in a fault wakes up."""
        self.last: dict[str, Answered] = {}
        """What each read was answered when it was last handed on."""
        self._policy = Policy("none", ())
        self._left: list[int] = []
        self._struck: set[str] = set()
        self._lock = threading.Condition()
        self._late = 0

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    @contextmanager
    def under(self, policy: Policy) -> Iterator[None]:
        """With this policy in force."""
        self.force(policy)
        try:
            yield
        finally:
            self.lift()

    def force(self, policy: Policy) -> None:
        with self._lock:
            self._policy = policy
            self._left = [rule.times for rule in policy.rules]
            self._struck.clear()

    def lift(self) -> None:
        """From now on everything is handed on as it is; what is late still arrives."""
        self.force(Policy("none", ()))

    def settle(self, within: float = LONGEST) -> None:
        """Wait until every late request has arrived."""
        with self._lock:
            assert self._lock.wait_for(lambda: not self._late, within), "a late request did not arrive"

    def take(self, asked: Asked) -> Rule | None:
        """Count the request, and use up a strike of the rule that fits it; None when there is none."""
        with self._lock:
            self.counts[asked.method] += 1
            for index, rule in enumerate(self._policy.rules):
                free = self._left[index] > 0 and rule.fits(asked)
                if free and not (rule.once_each and str(asked) in self._struck):
                    self._left[index] -= 1
                    self._struck.add(str(asked))
                    self._late += rule.fault is Fault.LATE
                    return rule
                if self._policy.in_turn and self._left[index] > 0:
                    return None
        return None

    def remember(self, strike: Strike) -> None:
        with self._lock:
            self.strikes.append(strike)

    def arrived(self) -> None:
        """A late request has been carried out."""
        with self._lock:
            self._late -= 1
            self._lock.notify_all()

    def ask(self, asked: Asked) -> Answered:
        """Hand a request on. Raises OSError or EOFError when the upstream does not answer."""
        with socket.create_connection(self.upstream, timeout=LONGEST) as line, line.makefile("rb") as answers:
            line.sendall(asked.raw)
            return self.wire.answer(answers, asked)

    def handle_error(self, request: object, client_address: object) -> None:
        """Either side may go away at any time here."""


class _Connection(socketserver.StreamRequestHandler):
    """A client's connection: one request after the other, each under the rule that it meets."""

    server: ChaosProxy
    request: socket.socket
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(OSError, EOFError, ValueError):
            while (asked := self.server.wire.request(self.rfile, self.wfile)) is not None:
                rule = self.server.take(asked)
                if not (self._hand_on(asked) if rule is None else self._spoil(asked, rule)):
                    return

    def _hand_on(self, asked: Asked) -> bool:
        """Whether the connection can be used again."""
        answer = self.server.ask(asked)
        if not asked.is_write:
            self.server.last[str(asked)] = answer
        self.wfile.write(answer.raw)
        return not answer.closes

    def _spoil(self, asked: Asked, rule: Rule) -> bool:
        if rule.fault is Fault.LATE:
            self._arrive_late(asked)
            return False
        if rule.fault is Fault.STALE and str(asked) not in self.server.last:
            return self._hand_on(asked)
        answer = None if rule.fault in NOT_DONE else self.server.ask(asked)
        self.server.remember(Strike(rule.fault, asked, answer.raw if answer else b""))
        if answer is not None:
            _SPOILT[rule.fault](self, asked, answer)
            return False
        if rule.fault is Fault.SILENT:
            self._until_given_up()
            return False
        stale = rule.fault is Fault.STALE
        self.wfile.write((self.server.last[str(asked)] if stale else _instead(self.server.wire, asked, rule)).raw)
        return True

    def _arrive_late(self, asked: Asked) -> None:
        try:
            self._until_given_up()
            self.server.ending.wait(LAG)
            self.server.remember(Strike(Fault.LATE, asked, self.server.ask(asked).raw))
        finally:
            self.server.arrived()

    def _until_given_up(self) -> None:
        """Wait until the client closes, or this proxy ends."""
        end = time.monotonic() + LONGEST
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.request, selectors.EVENT_READ)
            while time.monotonic() < end and not self.server.ending.is_set():
                if waiting.select(0.05) and self.request.recv(1, socket.MSG_PEEK) == b"":
                    return

    def lose(self, asked: Asked, answer: Answered) -> None:
        """The handler's end closes the connection."""

    def dribble(self, asked: Asked, answer: Answered) -> None:
        self._byte_by_byte(answer.raw)

    def dribble_body(self, asked: Asked, answer: Answered) -> None:
        if not answer.body:
            self._byte_by_byte(answer.raw)
            return
        self.wfile.write(answer.head)
        self._byte_by_byte(answer.body)

    def truncate(self, asked: Asked, answer: Answered) -> None:
        if answer.body:
            self.wfile.write(answer.head + answer.body[: len(answer.body) // 2])
        else:
            self.wfile.write(answer.head[: len(answer.head) // 2])

    def bad_gateway(self, asked: Asked, answer: Answered) -> None:
        self.wfile.write(self.server.wire.page(asked, HTTPStatus.BAD_GATEWAY).raw)

    def reset(self, asked: Asked, answer: Answered) -> None:
        self.truncate(asked, answer)
        # Closing with a linger time of zero sends RST in place of FIN.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.wfile.close()
        self.request.close()

    def _byte_by_byte(self, data: bytes) -> None:
        end = time.monotonic() + LONGEST
        for byte in data:
            self.wfile.write(bytes([byte]))
            if time.monotonic() > end or self.server.ending.wait(PACE):
                return


_SPOILT: dict[Fault, Callable[[_Connection, Asked, Answered], None]] = {
    Fault.LOST: _Connection.lose,
    Fault.SLOW_HEAD: _Connection.dribble,
    Fault.SLOW_BODY: _Connection.dribble_body,
    Fault.TRUNCATED: _Connection.truncate,
    Fault.BAD_GATEWAY: _Connection.bad_gateway,
    Fault.RESET: _Connection.reset,
}


def _instead(wire: Wire, asked: Asked, rule: Rule) -> Answered:
    """What the client is told when nothing was done."""
    if rule.fault is Fault.UNAVAILABLE:
        return wire.unavailable(asked, rule.retry_after)
    page = wire.page(asked, HTTPStatus.OK)
    if rule.fault is Fault.PAGE:
        return page
    return replace(page, head=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", body=b"")


@contextmanager
def chaos_proxy(host: str, port: int, wire: Wire | None = None) -> Iterator[ChaosProxy]:
    """A proxy before this upstream, from now until the end of the block."""
    with ChaosProxy((host, port), wire) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01}, name="chaos")
        thread.start()
        try:
            yield proxy
        finally:
            proxy.ending.set()
            proxy.shutdown()
            thread.join()
