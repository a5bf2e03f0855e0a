"""Row 48: whoever names a URL makes Bascule ask neither this machine, nor its link, nor a cloud's metadata service.

Real listeners, real look-ups in a DNS server of the test's own, every way out that a provider has.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import dns.message
import dns.query
import dns.rrset
import pytest

from providers.ansible import broker
from providers.base import Context, ProviderError, Secret, Tag
from providers.calendars.caldav import Calendar
from providers.compute.clouds import cloud
from providers.discovery.networks import NetworkTable
from providers.discovery.page_fetch import Fetcher
from providers.discovery.survey import Survey
from providers.dns.api_session import Api, ApiSession
from providers.dns.authority import servers_of
from providers.dns.deadline import Deadline
from providers.dns.in_flight import InFlight
from providers.mail_delivery import smtp_session
from providers.notify import AppriseMessage
from providers.probes.check import Attempt, DoesNotHoldError
from providers.probes.connection import connect
from providers.probes.resolver import Names
from providers.probes.web_call import call
from providers.reach import Reach, held_to
from providers.social.mastodon_api import MastodonApi
from providers.sources.aws_account import Account
from providers.storage.store import Bucket
from providers.vendor_http import Deadline as VendorDeadline
from tests.integration.service_fixture import until

LISTED = {"networks": ["127.0.0.2/32"]}
TAG = Tag("run-1", "step-1")

SPECIAL = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%lo",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd00:42::42",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
]


@pytest.mark.parametrize("address", SPECIAL)
def test_no_scope_reaches_a_special_address_that_it_does_not_list(address: str) -> None:
    for scope in ({}, {"networks": ["0.0.0.0/0", "::/0"]}, {"networks": ["0.0.0.0/1", "fc00::/7", "128.0.0.0/1"]}):
        assert not Reach.of(scope).holds(address)
        with pytest.raises(ProviderError, match="nothing was sent") as caught:
            Reach.of(scope).require(address)
        assert caught.value.permanent


@pytest.mark.parametrize(
    ("networks", "address", "reached"),
    [
        (None, "192.0.2.10", True),
        (None, "10.1.2.3", True),
        (None, "192.168.1.1", True),
        (None, "198.18.0.1", True),
        (None, "fd12::1", True),
        (None, "2001:db8::1", True),
        (None, "64:ff9b::c000:20a", True),
        (None, "not an address", False),
        (None, "2130706433", False),
        (["127.0.0.0/8"], "127.3.2.1", True),
        (["127.0.0.0/8"], "::ffff:127.3.2.1", True),
        (["127.0.0.0/8"], "::1", False),
        (["127.0.0.2/32"], "127.0.0.2", True),
        (["127.0.0.2/32"], "127.0.0.1", False),
        (["::1/128"], "::1", True),
        (["169.254.169.254/32"], "169.254.169.254", True),
        (["169.254.0.0/16"], "169.254.169.254", True),
        (["168.63.0.0/16"], "168.63.129.16", False),
        (["168.63.129.16/32"], "168.63.129.16", True),
        (["fd00::/8"], "fd00:ec2::254", False),
        (["fd00::/8"], "fd00:77::1", True),
        (["fd00:ec2::254/128"], "fd00:ec2::254", True),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["10.0.0.0/8"], "192.0.2.1", False),
        ([], "192.0.2.1", False),
    ],
)
def test_what_a_scope_lists_is_reached(networks: list[str] | None, address: str, reached: bool) -> None:
    assert Reach.of({} if networks is None else {"networks": networks}).holds(address) is reached


SPELLINGS = ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]"]


@pytest.mark.parametrize("host", [*SPELLINGS, "localhost"])
def test_no_spelling_of_an_address_gets_through(host: str) -> None:
    with pytest.raises(ProviderError, match="nothing was sent"):
        Reach.of({}).look_up(host, 80)
    with pytest.raises(ProviderError, match="nothing was sent"):
        Reach.of({"networks": ["127.0.0.9/32"]}).look_up(host, 80)


class Visited(ThreadingHTTPServer):
    """Counts who connects; answers 404, or a redirect to `leads_to`."""

    leads_to = ""

    def __init__(self, address: str) -> None:
        self.visitors = 0
        super().__init__((address, 0), _Page)

    def get_request(self) -> Any:
        self.visitors += 1
        return super().get_request()

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]}:{self.server_address[1]}"  # type: ignore[str-bytes-safe]

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Visited)
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(302 if self.server.leads_to else 404)
        if self.server.leads_to:
            self.send_header("Location", self.server.leads_to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = do_HEAD = do_REPORT = do_PROPFIND = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Place(Protocol):
    """What is asked, by its URL."""

    @property
    def url(self) -> str: ...


@contextmanager
def visited(address: str = "127.0.0.2") -> Iterator[Visited]:
    with Visited(address) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def context(folder: Path, scope: dict[str, Any], secret: str = "a-secret") -> Context:
    return Context(scope, lambda _: Secret(secret), folder / "workspace", folder, deadline=2.0)


def attempt(at: Context) -> Attempt:
    deadline = Deadline(2.0)
    return Attempt(at, TAG, deadline, Names(at.scope, deadline), writing=True)


def by_web_call(at: Context, server: Visited) -> None:
    call(attempt(at), "GET", server.url)


def by_probe_at_an_address(at: Context, server: Visited) -> None:
    """`address:` of a probe: another place than the name's own."""
    deadline = Deadline(2.0)
    names = Names(at.scope, deadline, {"www.valbourg.example": str(server.server_address[0])})
    call(Attempt(at, TAG, deadline, names, writing=False), "GET", f"http://www.valbourg.example:{server.port}/")


def by_tcp(at: Context, server: Visited) -> None:
    connect(str(server.server_address[0]), server.port, attempt(at))[0].close()


def by_mastodon(at: Context, server: Visited) -> None:
    MastodonApi(attempt(at), server.url).version()


def by_calendar(at: Context, server: Visited) -> None:
    at = replace(at, reveal=lambda _: Secret("a-password"))
    Calendar(attempt(at), server.url, "user", "secret://password").to_come(0.0)


def by_mail(at: Context, server: Visited) -> None:
    at = replace(at, scope={**at.scope, "smtp": {"helo": "bascule.example"}})
    with smtp_session(at, str(server.server_address[0]), server.port, Deadline(1.0)):
        pass


def by_dns_host(at: Context, server: Place) -> None:
    api = Api("Host", "valbourg.example", server.url, None, at.scope, lambda code, body: ("", ""))
    ApiSession(api, Deadline(2.0), InFlight(at.workspace / "in-flight.json", time.time)).request("GET", server.url)


def by_dns_server(at: Context, server: Visited) -> None:
    place = f"{server.server_address[0]}:{server.port}"  # type: ignore[str-bytes-safe]
    zone = {"servers": [place]}
    (found,) = servers_of({**at.scope, "dns": {"zones": {"valbourg.example": zone}}}, "valbourg.example")
    socket.create_connection((found.address, found.port), 2.0).close()


def by_cloud(at: Context, server: Place) -> None:
    block = {"driver": "scaleway", "url": server.url, "zone": "fr-par-1", "project": "p", "token": "secret://token"}
    at = replace(at, scope={**at.scope, "compute": {"cloud": block}})
    with cloud(at, "cloud", VendorDeadline(2.0)) as driver:
        driver.list_nodes()


def by_store(at: Context, server: Place) -> None:
    block = {"url": server.url, "access_key": "secret://key", "secret_key": "secret://key"}
    at = replace(at, scope={**at.scope, "storage": {"store": block}})
    list(Bucket(at, "store", "bucket", VendorDeadline(2.0)).entries(""))


def by_source(at: Context, server: Place) -> None:
    block = {"region": "eu-west-3", "access_key": "secret://k", "secret_key": "secret://k", "ec2_url": server.url}
    at = replace(at, scope={**at.scope, "sources": {"aws": block}})
    with Account.of(at, "aws", time.time).ec2() as driver:
        driver.list_nodes()


def by_notice(at: Context, server: Visited) -> None:
    place = f"{server.server_address[0]}:{server.port}"  # type: ignore[str-bytes-safe]
    message = AppriseMessage(replace(at, reveal=lambda _: Secret(f"json://{place}/")))
    channel = message.channel("duty", {"url": "secret://url"})
    message.taken(channel, "duty", "title", "body", Deadline(10.0))


def by_discovery(at: Context, server: Visited) -> None:
    survey = Survey(at, ["valbourg.example"], NetworkTable([]), Deadline(2.0))
    with Fetcher(survey).visit("valbourg.example", survey.deadline) as visit:
        visit.get(server.url)
    for one in survey.unread:
        if "nothing was sent" in str(one):
            raise ProviderError(str(one), permanent=True)


def by_play(at: Context, server: Visited) -> None:
    """The broker that connects a contained play to its hosts."""
    address = str(server.server_address[0])
    ours, theirs = socket.socketpair()
    with ours:
        room = threading.BoundedSemaphore(1)
        room.acquire()
        arguments = (theirs, {address: server.port}, Reach.of(at.scope), room)
        thread = threading.Thread(target=broker._serve_one, args=arguments, daemon=True)
        thread.start()
        ours.settimeout(5)
        ours.sendall(f"{address} {server.port}\n".encode())
        said = ours.recv(4096).decode()
    thread.join(5)
    if said != "open\n":
        raise ProviderError(said, permanent=True)


OVER_HTTP = [
    by_web_call,
    by_probe_at_an_address,
    by_mastodon,
    by_calendar,
    by_dns_host,
    by_cloud,
    by_store,
    by_source,
    by_notice,
    by_discovery,
]
WAYS = [*OVER_HTTP, by_tcp, by_mail, by_dns_server, by_play]
Way = Callable[[Context, Visited], None]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_no_way_out_leads_to_this_machine_unless_it_is_listed(way: Way, tmp_path: Path) -> None:
    with visited() as server:
        for scope in ({}, {"networks": ["192.0.2.0/24", "0.0.0.0/0"]}, {"networks": ["127.0.0.1/32"]}):
            with pytest.raises(ProviderError) as caught:
                way(context(tmp_path, scope), server)
            assert caught.value.permanent, caught.value.message
        assert server.visitors == 0
        with suppress(Exception):  # it answers nothing of use, but it was asked
            way(context(tmp_path, LISTED), server)
        until(lambda: server.visitors or None, 5, lambda: "a listed address was not asked")


@pytest.mark.parametrize("way", OVER_HTTP, ids=lambda way: way.__name__)
def test_a_redirect_leads_nowhere_else(way: Way, tmp_path: Path) -> None:
    with visited() as server, visited("127.0.0.3") as elsewhere:
        server.leads_to = elsewhere.url
        with suppress(Exception):
            way(context(tmp_path, LISTED), server)
        assert server.visitors > 0
        assert elsewhere.visitors == 0


def test_a_notice_that_was_led_astray_says_so_without_the_address(tmp_path: Path) -> None:
    with visited() as server, visited("127.0.0.3") as elsewhere:
        server.leads_to = elsewhere.url
        with pytest.raises(ProviderError) as caught:
            by_notice(context(tmp_path, LISTED), server)
        assert caught.value.effect_possible
        assert "does not reach" in caught.value.message
        assert "127.0.0" not in caught.value.message


class Flipping(threading.Thread):
    """A DNS server over UDP that answers each question about an address with the next of `addresses`, TTL 0."""

    def __init__(self, *addresses: str) -> None:
        super().__init__(daemon=True)
        self._addresses = list(addresses)
        self.asked = 0
        self._line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._line.bind(("127.0.0.1", 0))
        self._line.settimeout(0.05)
        self._ended = threading.Event()
        self.port = int(self._line.getsockname()[1])

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                wire, peer = self._line.recvfrom(4096)
            except TimeoutError:
                continue
            question = dns.message.from_wire(wire)
            answer = dns.message.make_response(question)
            asked = question.question[0]
            if asked.rdtype == 1:
                address = self._addresses[min(self.asked, len(self._addresses) - 1)]
                self.asked += 1
                answer.answer.append(dns.rrset.from_text(asked.name, 0, "IN", "A", address))
            self._line.sendto(answer.to_wire(), peer)

    def stop(self) -> None:
        self._ended.set()
        self.join(5)
        self._line.close()

    def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        """As a machine whose resolver this server is."""
        question = dns.message.make_query(f"{host}.", "A")
        found = dns.query.udp(question, "127.0.0.1", 2.0, self.port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one.to_text(), int(port))) for one in found.answer[0]]


@contextmanager
def flipping(*addresses: str) -> Iterator[Flipping]:
    server = Flipping(*addresses)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_a_name_that_turns_to_this_machine_is_not_followed(tmp_path: Path) -> None:
    """DNS rebinding: first a good address, then loopback. What was judged is what is connected to."""
    with visited("127.0.0.1") as here, flipping("127.0.0.2", "127.0.0.1") as resolver:
        scope = {**LISTED, "dns": {"resolvers": [f"127.0.0.1:{resolver.port}"]}}
        url = f"http://rebind.attacker.example:{here.port}/"
        with pytest.raises(DoesNotHoldError):  # 127.0.0.2 has nothing at this port: it was asked there, and not here
            call(attempt(context(tmp_path, scope)), "GET", url)
        with pytest.raises(ProviderError, match="nothing was sent"):
            call(attempt(context(tmp_path, scope)), "GET", url)
        assert (here.visitors, resolver.asked) == (0, 2)


@pytest.mark.parametrize("way", [by_cloud, by_store, by_source, by_dns_host], ids=lambda way: way.__name__)
def test_nor_where_the_machines_own_resolver_is_asked(
    way: Callable[[Context, Place], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with visited("127.0.0.1") as here, flipping("127.0.0.2", *["127.0.0.1"] * 9) as resolver:
        monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)
        named = _Named(f"http://rebind.attacker.example:{here.port}")
        for _ in range(2):
            with pytest.raises(ProviderError):
                way(context(tmp_path, LISTED), named)
        assert here.visitors == 0
        assert resolver.asked >= 2


@dataclass(frozen=True)
class _Named:
    """A server, called by a name."""

    url: str


def test_a_library_that_connects_by_itself_is_held() -> None:
    with visited() as server, visited("127.0.0.3") as elsewhere:
        with held_to(Reach.of(LISTED)) as held:
            socket.create_connection(("127.0.0.2", server.port), 2).close()
            with pytest.raises(ProviderError):
                socket.create_connection(("127.0.0.3", elsewhere.port), 2)
            with pytest.raises(ProviderError):
                socket.create_connection(("localhost", server.port), 2)
        assert (held.passed, held.refused) == (1, "127.0.0.1")
        socket.create_connection(("127.0.0.3", elsewhere.port), 2).close()
