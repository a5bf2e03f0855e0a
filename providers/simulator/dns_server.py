"""The authoritative DNS server: questions, zone transfers and signed updates over UDP and TCP."""

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
import dns.zone

from providers.simulator.dns_refusal import bare_refusal, untrusted
from providers.simulator.dns_update import UpdateRefusedError, updated
from providers.simulator.dns_zones import ZoneBook, origin_of, soa_of
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault, FaultTable

TRANSFER_BATCH = 100
"""Record sets in one message of a zone transfer."""
IDLE_SECONDS = 10.0
"""A TCP connection without a question is closed after this time."""
_UNTRUSTED = (
    dns.message.UnknownTSIGKey,
    dns.tsig.BadAlgorithm,
    dns.tsig.BadKey,
    dns.tsig.BadSignature,
    dns.tsig.BadTime,
)


@dataclass(frozen=True, slots=True)
class DnsService:
    """Turns one question into answers, whatever brought it. Only zones in `updatable` take updates."""

    book: ZoneBook
    keyring: dict[Any, dns.tsig.Key]
    updatable: frozenset[str]
    effects: EffectLog
    faults: FaultTable

    def answers(self, wire: bytes, client: str, *, tcp: bool) -> Iterator[bytes]:
        """Wire answers to one wire question: none when it is garbage or a fault swallows it."""
        try:
            query = dns.message.from_wire(wire, keyring=self.keyring, one_rr_per_rrset=_is_update(wire))
        except _UNTRUSTED as error:
            yield untrusted(wire, error)
            return
        except dns.exception.DNSException:
            if refusal := bare_refusal(wire, dns.rcode.FORMERR):
                yield refusal
            return
        if query.flags & dns.flags.QR:
            return
        yield from self._under_faults(query, client, tcp)

    def _under_faults(self, query: dns.message.Message, client: str, tcp: bool) -> Iterator[bytes]:
        fault = self.faults.take("dns", route_of(query))
        if fault is not None and fault.kind == "delay":
            self.faults.wait(fault.seconds or 0)
            fault = None
        if fault is None:
            yield from self._answer(query, client, tcp)
        elif fault.kind == "lose_answer":
            for _ in self._answer(query, client, tcp):
                pass
        elif (rcode := _fault_rcode(fault)) is not None:
            response = dns.message.make_response(query)
            response.set_rcode(rcode)
            yield response.to_wire()

    def _answer(self, query: dns.message.Message, client: str, tcp: bool) -> Iterator[bytes]:
        if isinstance(query, dns.update.UpdateMessage):
            response = dns.message.make_response(query)
            response.set_rcode(self._update(query))
            yield response.to_wire()
        elif query.opcode() != dns.opcode.QUERY:
            response = dns.message.make_response(query)
            response.set_rcode(dns.rcode.NOTIMP)
            yield response.to_wire()
        elif len(query.question) != 1:
            yield bare_refusal(query.to_wire(), dns.rcode.FORMERR)
        elif query.question[0].rdtype in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
            yield from self._transfer(query, client, tcp)
        else:
            yield self._lookup(query, tcp)

    def _lookup(self, query: dns.message.Message, tcp: bool) -> bytes:
        question = query.question[0]
        response = dns.message.make_response(query)
        if question.rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.REFUSED)
            return response.to_wire()
        found = self.book.answer(question.name, question.rdtype)
        response.set_rcode(found.rcode)
        if found.authoritative:
            response.flags |= dns.flags.AA
        response.answer += found.answer
        response.authority += found.authority
        limit = 65535 if tcp else max(512, query.payload)
        try:
            return response.to_wire(max_size=limit)
        except dns.exception.TooBig:
            response.answer.clear()
            response.authority.clear()
            response.flags |= dns.flags.TC
            return response.to_wire(max_size=limit)

    def _update(self, query: dns.update.UpdateMessage) -> dns.rcode.Rcode:
        """RFC 2136 §3: the answer's code; the zone is swapped in one assignment."""
        if len(query.zone) != 1:
            return dns.rcode.FORMERR
        with self.book.lock:
            zone = self.book.zones.get(query.zone[0].name)
            if zone is None:
                return dns.rcode.NOTAUTH
            name = origin_of(zone).to_text(True)
            if not query.had_tsig or name not in self.updatable:
                return dns.rcode.REFUSED
            try:
                changed = updated(zone, query)
            except UpdateRefusedError as refused:
                return refused.rcode
            if changed is not None:
                self.book.zones[origin_of(zone)] = changed
                touched = sorted({f"{r.name} {dns.rdatatype.to_text(r.rdtype)}" for r in query.update})
                self.effects.add("dns", "update", name, ", ".join(touched))
            return dns.rcode.NOERROR

    def _transfer(self, query: dns.message.Message, client: str, tcp: bool) -> Iterator[bytes]:
        """A whole zone (RFC 5936), to holders of the key and to this machine; an incremental request gets it whole."""
        with self.book.lock:
            zone = self.book.zones.get(query.question[0].name)
        refusal = None
        if zone is None:
            refusal = dns.rcode.NOTAUTH
        elif not (query.had_tsig or ip_address(client).is_loopback) or not tcp:
            refusal = dns.rcode.REFUSED
        if zone is None or refusal is not None:
            response = dns.message.make_response(query)
            response.set_rcode(refusal or dns.rcode.SERVFAIL)
            yield response.to_wire()
            return
        context = None
        for batch in _batches(zone):
            response = dns.message.make_response(query)
            response.flags |= dns.flags.AA
            response.answer += batch
            yield response.to_wire(multi=True, tsig_ctx=context)
            context = response.tsig_ctx


def route_of(query: dns.message.Message) -> str:
    """What a fault's route is matched with: `UPDATE zone` or `QUERY name TYPE`."""
    if isinstance(query, dns.update.UpdateMessage):
        return f"UPDATE {query.zone[0].name.to_text(True) if query.zone else ''}"
    if not query.question:
        return dns.opcode.to_text(query.opcode())
    question = query.question[0]
    return f"QUERY {question.name.to_text(True).lower()} {dns.rdatatype.to_text(question.rdtype)}"


def _fault_rcode(fault: Fault) -> dns.rcode.Rcode | None:
    return {"refuse": dns.rcode.REFUSED, "tempfail": dns.rcode.SERVFAIL, "status": dns.rcode.SERVFAIL}.get(fault.kind)


def _is_update(wire: bytes) -> bool:
    return len(wire) > 2 and (wire[2] >> 3) & 0xF == dns.opcode.UPDATE


def _batches(zone: dns.zone.Zone) -> Iterator[list[dns.rrset.RRset]]:
    soa = soa_of(zone)
    rrsets = [
        dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))
        for name, rdataset in zone.iterate_rdatasets()
        if rdataset.rdtype != dns.rdatatype.SOA
    ]
    whole = [soa, *rrsets, soa]
    for start in range(0, len(whole), TRANSFER_BATCH):
        yield whole[start : start + TRANSFER_BATCH]


class _UdpHandler(socketserver.BaseRequestHandler):
    server: "_UdpServer"

    def handle(self) -> None:
        wire, sock = self.request
        for answer in self.server.service.answers(wire, self.client_address[0], tcp=False):
            sock.sendto(answer, self.client_address)


class _TcpHandler(socketserver.BaseRequestHandler):
    server: "_TcpServer"

    def handle(self) -> None:
        sock: socket.socket = self.request
        sock.settimeout(IDLE_SECONDS)
        with contextlib.suppress(ConnectionError, TimeoutError):
            while len(prefix := _exactly(sock, 2)) == 2:
                wire = _exactly(sock, struct.unpack("!H", prefix)[0])
                answered = False
                for answer in self.server.service.answers(wire, self.client_address[0], tcp=True):
                    sock.sendall(struct.pack("!H", len(answer)) + answer)
                    answered = True
                if not answered:
                    return


def _exactly(sock: socket.socket, size: int) -> bytes:
    """`size` bytes, or fewer when the other side closed."""
    data = b""
    while len(data) < size and (part := sock.recv(size - len(data))):
        data += part
    return data


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True
    block_on_close = False
    max_packet_size = 65535

    def __init__(self, address: tuple[str, int], service: DnsService) -> None:
        super().__init__(address, _UdpHandler)
        self.service = service


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: DnsService) -> None:
        super().__init__(address, _TcpHandler)
        self.service = service


class DnsListener:
    """The service on one address, UDP and TCP, until `stop`."""

    def __init__(self, service: DnsService, host: str, port: int) -> None:
        self._servers: list[socketserver.BaseServer] = [
            _UdpServer((host, port), service),
            _TcpServer((host, port), service),
        ]
        self._threads = [
            threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.05}, name=f"dns-{host}", daemon=True
            )
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(5)
