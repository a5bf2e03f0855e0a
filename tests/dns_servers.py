"""Real DNS servers for tests: BIND and PowerDNS from Debian, on loopback, each in a directory of its own.

Each starts in the foreground as a child of the test and is ended by its own process
id. Nothing is installed or changed outside its directory.
"""

import base64
import contextlib
import fcntl
import functools
import itertools
import selectors
import shutil
import socket
import socketserver
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import dns.exception
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import dns.zone
import httpx

ZONE = "valbourg.example"
KEY_NAME = "bascule"
VISITOR = "visitor"
"""A key that servers know, and that may update nothing."""
KEY = base64.b64encode(b"only known to this test, 32 byte").decode()
API_KEY = "api-key-only-known-to-this-test"
START_SECONDS = 20.0

RECORDS = """
@ 3600 NS ns1
ns1 3600 A 127.0.0.1
@ 3600 MX 10 mx.old.example.
@ 3600 TXT "v=spf1 include:old.example ~all"
www 300 A 192.0.2.10
www 300 A 192.0.2.11
portal 300 CNAME www
autodiscover 300 CNAME autodiscover.old.example.
_imaps._tcp 300 SRV 0 1 993 imap.old.example.
unrelated 300 TXT "never touched; \\"really\\""
""".strip().splitlines()
"""The zone as every server starts with it, besides its SOA."""


PORTS = range(10_000, 20_000)
"""Below those that the kernel gives away."""
SHARE = 500


@functools.cache
def _ports() -> Iterator[int]:
    """A share of the ports that no other test process has, by a lock that is held until this one ends."""
    for first in PORTS[::SHARE]:
        lock = (Path(tempfile.gettempdir()) / f"bascule-test-ports-{first}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _locks.append(lock)
        return itertools.cycle(range(first, first + SHARE))
    raise AssertionError(f"All ports of {PORTS} are in use: end other test runs, then try again.")


_locks: list[TextIO] = []


def free_port() -> int:
    """A port of 127.0.0.1 that is free for TCP and UDP; neither another test process nor the kernel gives it away."""
    while True:
        port = next(_ports())
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp, contextlib.suppress(OSError):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port


def program(name: str, package: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path, f"this test needs {name}: apt-get install {package}"
    return path


@contextmanager
def running(command: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """The program, from when it is ready until the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            end = time.monotonic() + START_SECONDS
            while not ready():
                said = log.read_text(errors="replace")[-2000:]
                assert process.poll() is None, f"{command[0]} ended while starting:\n{said}"
                assert time.monotonic() < end, f"{command[0]} was not ready after {START_SECONDS} s:\n{said}"
                time.sleep(0.01)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True, slots=True)
class Server:
    """A running authoritative server; `api` is PowerDNS's HTTP port, 0 for BIND."""

    port: int
    api: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answers(self, zone: str = ZONE) -> bool:
        query = dns.message.make_query(zone, "SOA")
        try:
            answer = dns.query.tcp(query, "127.0.0.1", timeout=1, port=self.port)
        except (OSError, EOFError, dns.exception.DNSException):
            return False
        return answer.rcode() == dns.rcode.NOERROR and bool(answer.answer)

    def transfer(self, name: str = ZONE) -> dns.zone.Zone:
        """The whole zone, by AXFR."""
        zone = dns.zone.Zone(name)
        query = dns.message.make_query(name, "AXFR")
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            line.setblocking(False)
            dns.query.inbound_xfr("127.0.0.1", zone, query, port=self.port, timeout=5)
        return zone

    def records(self, zone: str = ZONE) -> list[str]:
        """Every record of the zone but its SOA, each in zone-file form."""
        return sorted(
            f"{name} {rdataset.ttl} {rdata.rdtype.name} {rdata.to_text()}"
            for name, node in self.transfer(zone).nodes.items()
            for rdataset in node.rdatasets
            for rdata in rdataset
            if rdata.rdtype.name != "SOA"
        )

    def serial(self, zone: str = ZONE) -> int:
        """The SOA serial, which both servers are set to raise by one for each change."""
        serial: int = self.transfer(zone).find_rdataset("@", "SOA")[0].serial
        return serial

    def change(self, *changes: str, zone: str = ZONE) -> None:
        """Somebody else's change: `add NAME TTL TYPE VALUE` or `delete NAME TYPE [VALUE]`, all in one UPDATE."""
        message = dns.update.UpdateMessage(zone)
        for text in changes:
            verb, name, rest = text.split(" ", 2)
            if verb == "add":
                ttl, kind, value = rest.split(" ", 2)
                message.add(name, int(ttl), kind, value)
            else:
                message.delete(name, *rest.split(" ", 1))
        message.use_tsig(dns.tsig.Key(KEY_NAME, KEY, "hmac-sha256"))
        answer = dns.query.tcp(message, "127.0.0.1", timeout=5, port=self.port)
        assert answer.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(answer.rcode())


@contextmanager
def bind(
    directory: Path,
    primary: Server | None = None,
    name: str = ZONE,
    updates: str = "allow-update { key bascule; };",
) -> Iterator[Server]:
    """A BIND named: a primary that takes updates signed by KEY, or a secondary that transfers only when notified."""
    server = Server(free_port())
    if primary is None:
        zone = f'type primary; file "zone.db"; {updates}'
        soa = f"$ORIGIN {name}.\n@ 3600 SOA ns1 hostmaster 1 86400 86400 864000 60\n"
        (directory / "zone.db").write_text(soa + "\n".join(RECORDS) + "\n")
    else:
        zone = f'type secondary; file "zone.db"; primaries {{ 127.0.0.1 port {primary.port}; }};'
    (directory / "named.conf").write_text(f"""
options {{
    directory "{directory}"; listen-on port {server.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    pid-file none; session-keyfile none; recursion no; notify no; dnssec-validation no;
    allow-transfer {{ 127.0.0.0/8; }}; serial-update-method increment;
}};
controls {{ }};
key "{KEY_NAME}" {{ algorithm hmac-sha256; secret "{KEY}"; }};
key "{VISITOR}" {{ algorithm hmac-sha256; secret "{KEY}"; }};
zone "{name}" {{ {zone} }};
""")
    command = [program("named", "bind9"), "-g", "-n", "1", "-c", str(directory / "named.conf")]
    with running(command, directory / "log", lambda: server.answers(name)):
        yield server


@contextmanager
def bind_of(directory: Path, zones: Mapping[str, Sequence[str]]) -> Iterator[Server]:
    """A BIND named that answers for many zones, each given by its records without the SOA; the root is `.`."""
    server = Server(free_port())
    named = []
    for number, (name, records) in enumerate(zones.items()):
        origin = name if name.endswith(".") else f"{name}."
        head = f"$ORIGIN {origin}\n@ 3600 SOA ns.invalid. hostmaster.invalid. 1 86400 86400 864000 60\n"
        (directory / f"{number}.db").write_text(head + "\n".join(records) + "\n")
        named.append(f'zone "{name}" {{ type primary; file "{number}.db"; check-integrity no; }};')
    (directory / "named.conf").write_text(
        f"""
options {{
    directory "{directory}"; listen-on port {server.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    pid-file none; session-keyfile none; recursion no; notify no; dnssec-validation no; check-names primary ignore;
    check-mx ignore; check-mx-cname ignore; check-srv-cname ignore; check-sibling no; check-spf ignore;
}};
controls {{ }};
"""
        + "\n".join(named)
    )
    command = [program("named", "bind9"), "-g", "-n", "1", "-c", str(directory / "named.conf")]
    with running(command, directory / "log", lambda: server.answers(next(iter(zones)))):
        yield server


def notify(server: Server) -> None:
    """Tell a secondary to transfer the zone now (RFC 1996)."""
    message = dns.message.make_query(ZONE, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    dns.query.udp(message, "127.0.0.1", timeout=5, port=server.port)


@contextmanager
def powerdns(directory: Path, zones: Sequence[str] = (ZONE,)) -> Iterator[Server]:
    """A PowerDNS server with an SQLite backend, its HTTP API, and updates signed by KEY; its log has every request."""
    server = Server(free_port(), free_port())
    database = directory / "pdns.sqlite3"
    schema = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
    assert schema.exists(), "this test needs PowerDNS's SQLite backend: apt-get install pdns-backend-sqlite3"
    with contextlib.closing(sqlite3.connect(database)) as made:
        made.executescript(schema.read_text())
        for name in (KEY_NAME, VISITOR):
            made.execute("INSERT INTO tsigkeys (name, algorithm, secret) VALUES (?, 'hmac-sha256', ?)", (name, KEY))
        made.commit()
    options = {
        "launch": "gsqlite3",
        "gsqlite3-database": database,
        "gsqlite3-pragma-synchronous": 0,
        "local-address": "127.0.0.1",
        "local-port": server.port,
        "socket-dir": directory,
        "api": "yes",
        "api-key": API_KEY,
        "webserver": "yes",
        "webserver-address": "127.0.0.1",
        "webserver-port": server.api,
        "webserver-allow-from": "127.0.0.0/8",
        "webserver-loglevel": "normal",
        "loglevel": 6,
        "dnsupdate": "yes",
        "allow-axfr-ips": "127.0.0.0/8",
        "receiver-threads": 1,
        "distributor-threads": 1,
        "zone-cache-refresh-interval": 0,
    }
    command = [program("pdns_server", "pdns-server"), "--config-dir=" + str(directory)]
    command += [f"--{name}={value}" for name, value in options.items()]
    with running(command, directory / "log", lambda: _api_answers(server)):
        for name in zones:
            _make_zone(server, name)
        yield server


def _api(server: Server) -> httpx.Client:
    url = f"http://127.0.0.1:{server.api}/api/v1/servers/localhost/"
    return httpx.Client(base_url=url, headers={"X-API-Key": API_KEY}, trust_env=False)


def _api_answers(server: Server) -> bool:
    try:
        with _api(server) as api:
            return api.get("zones").is_success
    except httpx.TransportError:
        return False


def _make_zone(server: Server, name: str) -> None:
    origin = f"{name}."
    soa = f"$ORIGIN {origin}\n@ 3600 SOA ns1 hostmaster 1 86400 86400 864000 60\n"
    zone = dns.zone.from_text(soa + "\n".join(RECORDS), origin=origin, relativize=False)
    rrsets = [
        {
            "name": owner.to_text(),
            "type": rdataset.rdtype.name,
            "ttl": rdataset.ttl,
            "records": [{"content": rdata.to_text(), "disabled": False} for rdata in rdataset],
        }
        for owner, node in zone.nodes.items()
        for rdataset in node.rdatasets
    ]
    body = {"name": origin, "kind": "Native", "rrsets": rrsets, "soa_edit_api": "INCREASE"}
    with _api(server) as api:
        api.post("zones", json=body).raise_for_status()
        for kind, values in (("TSIG-ALLOW-DNSUPDATE", [KEY_NAME]), ("SOA-EDIT-DNSUPDATE", ["INCREASE"])):
            api.post(f"zones/{origin}/metadata", json={"kind": kind, "metadata": values}).raise_for_status()


IsWrite = Callable[[bytes], bool]


def is_update(sent: bytes) -> bool:
    """A DNS UPDATE over TCP: two bytes of length, two of id, then the opcode."""
    return len(sent) > 4 and dns.opcode.from_flags(sent[4] << 8) == dns.opcode.UPDATE


def is_patch(sent: bytes) -> bool:
    return sent.startswith(b"PATCH ")


class Relay(socketserver.ThreadingTCPServer):
    """Stands between a provider and its server, and loses answers or connections when told to."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, upstream: int, is_write: IsWrite) -> None:
        super().__init__(("127.0.0.1", 0), _Relayed)
        self.upstream = upstream
        self.is_write = is_write
        self.lose = 0
        self.is_down = False
        self.before_write: Callable[[], None] | None = None

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    @contextmanager
    def losing_answers(self, writes: int = 1) -> Iterator[None]:
        """The next writes happen, and their answers never arrive."""
        self.lose = writes
        yield
        self.lose = 0

    @contextmanager
    def down(self) -> Iterator[None]:
        """Every connection is closed at once."""
        self.is_down = True
        yield
        self.is_down = False

    @contextmanager
    def interrupted_by(self, change: Callable[[], None]) -> Iterator[None]:
        """Somebody else changes something when the next write is on its way, before it arrives."""
        self.before_write = change
        yield
        self.before_write = None


class _Relayed(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        if self.server.is_down:
            return
        with (
            socket.create_connection(("127.0.0.1", self.server.upstream)) as upstream,
            selectors.DefaultSelector() as both,
            contextlib.suppress(ConnectionError),
        ):
            both.register(self.request, selectors.EVENT_READ, upstream)
            both.register(upstream, selectors.EVENT_READ, self.request)
            losing = False
            while True:
                for ready, _ in both.select():
                    data = ready.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data or (losing and ready.fileobj is upstream):
                        return
                    if ready.fileobj is not upstream and self.server.is_write(data):
                        losing = self._on_write()
                    ready.data.sendall(data)

    def _on_write(self) -> bool:
        change, self.server.before_write = self.server.before_write, None
        if change is not None:
            change()
        losing = self.server.lose > 0
        self.server.lose -= losing
        return losing


@contextmanager
def relayed(upstream: int, is_write: IsWrite) -> Iterator[Relay]:
    with Relay(upstream, is_write) as relay:
        thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join()
