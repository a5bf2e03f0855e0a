"""What the authoritative servers of a zone answer, each asked directly over TCP: no cache, no truncation."""

import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Self

import dns.entropy
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from providers.base import JsonMap, ProviderError
from providers.dns.deadline import Deadline
from providers.dns.endpoint import Endpoint, endpoint
from providers.dns.record_sets import Key, RecordSet, RecordSets, from_rdataset, owner
from providers.reach import require_allowed

ANSWER_SECONDS = 5.0
"""The longest wait for one answer."""

AT_ONCE = 16
"""Questions that go out before their answers are read: few enough that neither side waits for the other's buffer."""

ID_BYTES = 2
NO_ID = bytes(ID_BYTES)

MESSAGES_KEPT = 2048
"""Questions, and short answers, whose parsed form is kept: a step asks each zone the same several times."""

SHORT_BYTES = 512
"""What an answer mostly fits into, as it did in UDP (RFC 1035 §4.2.1)."""

LOST = (dns.exception.DNSException, OSError, EOFError)
"""What dnspython raises when an answer does not come or can't be read."""


def zone_settings(scope: JsonMap, zone: str) -> JsonMap:
    """The scope's block for this zone. Raises ProviderError(permanent) when there is none."""
    settings: JsonMap | None = scope.get("dns", {}).get("zones", {}).get(zone)
    if not settings:
        raise ProviderError(f"The scope has no `dns.zones.{zone}`; add it to bascule.yaml.", permanent=True)
    return settings


def servers_of(scope: JsonMap, zone: str) -> tuple[Endpoint, ...]:
    """The authoritative servers of a zone, the primary first; all within the scope's networks.

    Raises ProviderError(permanent) when none is set or one is out of the scope's reach.
    """
    servers = tuple(endpoint(text, 53) for text in zone_settings(scope, zone).get("servers", ()))
    if not servers:
        raise ProviderError(
            f"`dns.zones.{zone}` names no `servers`; list the zone's authoritative servers in bascule.yaml.",
            permanent=True,
        )
    for server in servers:
        require_allowed(scope, server.address)
    return servers


def read(zone: str, server: Endpoint, keys: tuple[Key, ...], deadline: Deadline) -> RecordSets:
    """The record sets of these keys as one server holds them now, in the order given.

    Raises ProviderError: permanent when the server is not authoritative for a
    name, passing when it does not answer.
    """
    questions = [_question(key, zone) for key in keys]
    with _Line(server, deadline) as line:
        answers = [answer for batch in _batches(questions) for answer in line.ask(batch)]
    return tuple(_held(answer, zone, server, key) for answer, key in zip(answers, keys, strict=True))


@dataclass(frozen=True, slots=True)
class _Question:
    """A query without its id, which the line gives it: in `message` it is 0, and `wire` begins after it."""

    message: dns.message.Message
    wire: bytes

    def sent_as(self, number: int) -> bytes:
        """With its length before it (RFC 1035 §4.2.2)."""
        return struct.pack("!HH", len(self.wire) + ID_BYTES, number) + self.wire


class _Line:
    """One connection to a server for all questions, opened again when the server closed it between two.

    Questions go out together and answers are taken in any order (RFC 7766 §6.2.1.1): one round trip for a batch.
    """

    def __init__(self, server: Endpoint, deadline: Deadline) -> None:
        self._server = server
        self._deadline = deadline
        self._socket: socket.socket | None = None
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def ask(self, questions: Sequence[_Question]) -> list[dns.message.Message]:
        """The answers, in the order of the questions, whose ids are 0 as in these."""
        first = dns.entropy.random_16()
        open_ = {(first + at) & 0xFFFF: question for at, question in enumerate(questions)}
        answers: dict[int, dns.message.Message] = {}
        numbers = list(open_)
        try:
            while open_:
                fresh, known = self._socket is None, len(answers)
                try:
                    for number, answer in self._exchange(dict(open_)):
                        answers[number] = answer
                        del open_[number]
                except (EOFError, ConnectionError):
                    self._close()
                    if fresh and len(answers) == known:
                        raise
        except LOST as error:
            raise ProviderError(
                f"The DNS server {self._server} does not answer ({_words(error)}); check that it runs.",
                permanent=False,
            ) from error
        return [answers[number] for number in numbers]

    def _exchange(self, awaited: dict[int, _Question]) -> Iterator[tuple[int, dns.message.Message]]:
        line = self._socket or self._open()
        line.settimeout(self._deadline.within(ANSWER_SECONDS))
        line.sendall(b"".join(question.sent_as(number) for number, question in awaited.items()))
        while awaited:
            patience = Deadline(self._deadline.within(ANSWER_SECONDS))
            (length,) = struct.unpack("!H", self._take(line, 2, patience))
            sent = self._take(line, length, patience)
            number = int.from_bytes(sent[:ID_BYTES])
            answer = _parsed(sent[ID_BYTES:])
            question = awaited.pop(number, None)
            if question is None or not question.message.is_response(answer):
                raise dns.query.BadResponse
            yield number, answer

    def _take(self, line: socket.socket, count: int, patience: Deadline) -> bytes:
        while len(self._received) < count:
            if patience.left() <= 0:
                raise TimeoutError("timed out")
            line.settimeout(patience.left())
            data = line.recv(65536)
            if not data:
                raise EOFError("the connection was closed")
            self._received += data
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _open(self) -> socket.socket:
        where = (self._server.address, self._server.port)
        self._socket = socket.create_connection(where, timeout=self._deadline.within(ANSWER_SECONDS))
        return self._socket

    def _close(self) -> None:
        self._received.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@lru_cache(MESSAGES_KEPT)
def _question(key: Key, zone: str) -> _Question:
    query = dns.message.make_query(owner(key[0], zone), dns.rdatatype.from_text(key[1]), id=0)
    query.flags &= ~dns.flags.RD
    return _Question(query, query.to_wire()[ID_BYTES:])


def _parsed(wire: bytes) -> dns.message.Message:
    """The answer that these bytes are after its id. Raises DNSException."""
    return _parsed_before(wire) if len(wire) <= SHORT_BYTES else dns.message.from_wire(NO_ID + wire)


@lru_cache(MESSAGES_KEPT)
def _parsed_before(wire: bytes) -> dns.message.Message:
    """A server that changed nothing says the same again, byte for byte: what is kept is the reading, not the answer."""
    return dns.message.from_wire(NO_ID + wire)


def _batches(questions: Sequence[_Question]) -> Iterator[Sequence[_Question]]:
    """A few questions at a time."""
    for start in range(0, len(questions), AT_ONCE):
        yield questions[start : start + AT_ONCE]


def _held(answer: dns.message.Message, zone: str, server: Endpoint, key: Key) -> RecordSet:
    name, kind = owner(key[0], zone), dns.rdatatype.from_text(key[1])
    rrset = _own(answer, name, kind)
    if rrset is None:
        _require_authority(answer, name, server)
    return from_rdataset(key, rrset)


def _own(answer: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
    """The record set itself; what a CNAME in its place leads to is not it.

    The NS set of a delegation belongs to the child: the parent shows its own copy
    in the authority section, without the authoritative flag (RFC 1034 §4.3.2).
    """
    if answer.flags & dns.flags.AA:
        return answer.get_rrset(answer.answer, name, dns.rdataclass.IN, kind)
    if kind == dns.rdatatype.NS:
        return answer.get_rrset(answer.authority, name, dns.rdataclass.IN, kind)
    return None


def _require_authority(answer: dns.message.Message, name: dns.name.Name, server: Endpoint) -> None:
    """An empty answer counts only from a server that has authority over the name."""
    code = answer.rcode()
    if code in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) and answer.flags & dns.flags.AA:
        return
    if code == dns.rcode.SERVFAIL:
        raise ProviderError(
            f"The DNS server {server} can't answer for {name} now (SERVFAIL); look into its log.", permanent=False
        )
    raise ProviderError(
        f"The DNS server {server} has no authority over {name} ({dns.rcode.to_text(code)}); "
        "correct `servers` in bascule.yaml, or the record's name.",
        permanent=True,
    )


def _words(error: BaseException) -> str:
    """The error's own words on one line, or its kind when it has none."""
    return " ".join(str(error).split()) or type(error).__name__
