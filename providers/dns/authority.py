"""What the authoritative servers of a zone answer, each asked directly over TCP: no cache, no truncation."""

import socket
import struct
from collections.abc import Iterator, Sequence
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
from providers.dns.endpoint import Endpoint, endpoint, require_allowed
from providers.dns.record_sets import Key, RecordSet, RecordSets, from_rdataset, owner

ANSWER_SECONDS = 5.0
"""The longest wait for one answer."""

AT_ONCE = 16
"""Questions that go out before their answers are read: few enough that neither side waits for the other's buffer."""

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
    queries = [_query(key, zone) for key in keys]
    with _Line(server, deadline) as line:
        answers = [answer for batch in _batches(queries) for answer in line.ask(batch)]
    return tuple(_held(answer, zone, server, key) for answer, key in zip(answers, keys, strict=True))


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

    def ask(self, queries: Sequence[dns.message.Message]) -> list[dns.message.Message]:
        """The answers, in the order of the questions."""
        answers: dict[int, dns.message.Message] = {}
        number = {query.id: at for at, query in enumerate(queries)}
        try:
            while open_ := [query for query in queries if number[query.id] not in answers]:
                fresh, known = self._socket is None, len(answers)
                try:
                    for answer in self._exchange(open_):
                        answers[number[answer.id]] = answer
                except (EOFError, ConnectionError):
                    self._close()
                    if fresh and len(answers) == known:
                        raise
        except LOST as error:
            raise ProviderError(
                f"The DNS server {self._server} does not answer ({_words(error)}); check that it runs.",
                permanent=False,
            ) from error
        return [answers[at] for at in range(len(queries))]

    def _exchange(self, queries: Sequence[dns.message.Message]) -> Iterator[dns.message.Message]:
        line = self._socket or self._open()
        line.settimeout(self._deadline.within(ANSWER_SECONDS))
        line.sendall(b"".join(query.to_wire(prepend_length=True) for query in queries))
        awaited = {query.id: query for query in queries}
        while awaited:
            patience = Deadline(self._deadline.within(ANSWER_SECONDS))
            (length,) = struct.unpack("!H", self._take(line, 2, patience))
            answer = dns.message.from_wire(self._take(line, length, patience))
            query = awaited.pop(answer.id, None)
            if query is None or not query.is_response(answer):
                raise dns.query.BadResponse
            yield answer

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


def _query(key: Key, zone: str) -> dns.message.QueryMessage:
    query = dns.message.make_query(owner(key[0], zone), dns.rdatatype.from_text(key[1]))
    query.flags &= ~dns.flags.RD
    return query


def _batches(queries: Sequence[dns.message.Message]) -> Iterator[Sequence[dns.message.Message]]:
    """A few questions at a time, each of a batch with an id of its own."""
    for start in range(0, len(queries), AT_ONCE):
        batch = queries[start : start + AT_ONCE]
        first = dns.entropy.random_16()
        for at, query in enumerate(batch):
            query.id = (first + at) & 0xFFFF
        yield batch


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
