"""What a probe tells besides whether it holds: what the other side said, how old things are, and whether it saw it.

At real servers: web, TLS, IMAP and name servers on loopback.
"""

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import dns.message
import dns.rcode
import httpx
import pytest

from orchestrator.domain.catalogue import Denial
from orchestrator.domain.signals.outcome import outcome_of
from providers.base import Context, Finding, Presence, ProviderError, Secret, Tag
from providers.probes.aws import AwsCheck
from providers.probes.aws_signature import signed
from providers.probes.check import Check
from providers.probes.http import HttpCheck
from providers.probes.mailbox import MailboxCheck
from providers.probes.tcp import TcpCheck
from providers.probes.tls import TlsCheck
from providers.probes.token import TokenCheck
from providers.wants import AwsProbe, HttpProbe, MailboxProbe, TcpProbe, TlsProbe, TokenProbe
from tests.dns_servers import free_port
from tests.loopback import within
from tests.moto_server import Moto
from tests.probe_targets import Authority

TAG = Tag("probes", "x")
SECRET = "client/secret+only known to this test"
TOKEN = "token-that-nobody-else-may-see"


class Vendor(ThreadingHTTPServer):
    """A token endpoint and an API. `says`: path -> status and body, instead of what is right."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Vendor)
        self.says: dict[str, tuple[int, Any]] = {}
        self.newest = datetime.now(UTC)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Vendor(BaseHTTPRequestHandler):
    server: Vendor

    def do_POST(self) -> None:
        if self.path == "/":
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(*self.server.says["/"])
            return
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        pair = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        known = pair == "canary+%26+co:client%2Fsecret%2Bonly+known+to+this+test"
        if form.get("grant_type") != ["client_credentials"] or not known:
            self._answer(401, {"error": "invalid_client"})
        else:
            self._answer(*self.server.says.get("/token", (200, {"access_token": TOKEN, "expires_in": 3599})))

    def do_GET(self) -> None:
        if self.headers["Authorization"] not in (f"Bearer {TOKEN}", None):
            self._answer(401, {"error": "no"})
            return
        usual = (200, {"value": [{"received": self.server.newest.isoformat().replace("+00:00", "Z")}]})
        self._answer(*self.server.says.get(self.path.partition("?")[0], usual))

    def _answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def context(tmp_path: Path, **blocks: Any) -> Context:
    scope = {"networks": ["127.0.0.0/8"], **blocks}
    return Context(scope, lambda _: Secret(SECRET), tmp_path, tmp_path, deadline=3.0)


def look(check: type[Check[Any]], want: Any, where: Context) -> Finding | ProviderError:
    try:
        return check(where).observe(want, TAG, None)
    except ProviderError as error:
        return error


def found(check: type[Check[Any]], want: Any, where: Context) -> Finding:
    seen = look(check, want, where)
    assert isinstance(seen, Finding), seen.message
    return seen


def token(vendor: Vendor, **more: Any) -> TokenProbe:
    given = {"url": f"{vendor.url}/token", "client_id": "canary & co", "client_secret": "secret://canary", **more}
    return TokenProbe.model_validate(given)


def test_a_client_gets_a_token_and_the_api_takes_it(vendor: Vendor, tmp_path: Path) -> None:
    seen = found(TokenCheck, token(vendor, scope="https://graph.example/.default"), context(tmp_path))
    assert (seen.presence, seen.outputs["expires_in"], dict(seen.measured)) == (Presence.ALREADY, 3599, {})
    vendor.newest = datetime.now(UTC) - timedelta(minutes=47)
    api = f"{vendor.url}/messages?$top=1"
    seen = found(TokenCheck, token(vendor, api=api, newest="value.0.received"), context(tmp_path))
    assert seen.presence is Presence.ALREADY
    assert seen.measured["age"] == pytest.approx(47 * 60, abs=5)
    late = found(TokenCheck, token(vendor, api=api, newest="value.0.received", max_age="30m"), context(tmp_path))
    assert late.presence is Presence.ABSENT
    assert late.measured["age"] == pytest.approx(47 * 60, abs=5)
    assert "47 minutes old; expected at most 30" in late.message


@pytest.mark.parametrize(
    ("says", "outcome", "words"),
    [
        ({"/token": (400, {"error": "unauthorized_client"})}, "denied", "unauthorized_client"),
        (
            {"/token": (400, {"error": "invalid_request", "error_description": "AADSTS90002: x"})},
            "denied",
            "AADSTS90002",
        ),
        ({"/token": (400, {"error": "invalid_scope"})}, "fail", "invalid_scope"),
        ({"/token": (401, "no JSON")}, "denied", "no JSON"),
        ({"/token": (500, "down")}, "fail", "down"),
        ({"/token": (200, {"token": "?"})}, "fail", "access_token"),
        ({"/messages": (403, {"error": {"message": "No active subscription"}})}, "denied", "No active subscription"),
        ({"/messages": (429, {"error": "slow down"})}, "fail", "slow down"),
        ({"/messages": (200, {"value": []})}, "fail", "no time at"),
        ({"/messages": (200, f'"{TOKEN}"')}, "fail", "no time at"),
    ],
)
def test_refusals_reach_the_reader_as_data(
    vendor: Vendor, tmp_path: Path, says: Mapping[str, tuple[int, Any]], outcome: str, words: str
) -> None:
    vendor.says = dict(says)
    seen = look(TokenCheck, token(vendor, api=f"{vendor.url}/messages", newest="value.0.received"), context(tmp_path))
    tenant = Denial.model_validate(
        {
            "means": {"fr": "x", "en": "x"},
            "codes": [400],
            "texts": ["AADSTS90002"],
            "source": {"url": "https://x.example", "says": "x", "date": "2026-11-20"},
        }
    )
    assert outcome_of(seen, (tenant,)) == outcome
    assert words in seen.message
    assert TOKEN not in repr(seen)
    assert SECRET not in repr(seen)


def test_a_page_that_is_not_as_expected_says_what_it_was(vendor: Vendor, tmp_path: Path) -> None:
    vendor.says = {"/page": (451, "gone by decree")}
    seen = found(HttpCheck, HttpProbe(url=f"{vendor.url}/page"), context(tmp_path))
    assert seen.said is not None
    assert (seen.said.status, seen.said.text) == (451, "gone by decree")
    assert outcome_of(seen, ()) == "denied"
    expected = found(HttpCheck, HttpProbe(url=f"{vendor.url}/page", status=451), context(tmp_path))
    assert outcome_of(expected, ()) == "ok", "what the check itself expects is no refusal"
    other = found(HttpCheck, HttpProbe(url=f"{vendor.url}/", contains="issuer"), context(tmp_path))
    assert outcome_of(other, ()) == "fail"


def test_an_address_outside_the_scope_is_not_looked_at(vendor: Vendor, tmp_path: Path) -> None:
    outside = context(tmp_path, networks=["192.0.2.0/24"])
    for check, want in (
        (HttpCheck, HttpProbe(url=f"{vendor.url}/")),
        (TcpCheck, TcpProbe(host="127.0.0.1", port=vendor.server_address[1])),
        (TokenCheck, token(vendor)),
    ):
        assert outcome_of(look(check, want, outside), ()) == "unknown"
    assert (
        outcome_of(look(HttpCheck, HttpProbe(url=f"http://127.0.0.1:{free_port()}/"), context(tmp_path)), ()) == "fail"
    )


@contextmanager
def name_server(rcode: dns.rcode.Rcode | None) -> Iterator[str]:
    """A resolver that answers everything with this code, or never."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        line.settimeout(0.05)
        ending = threading.Event()

        def serve() -> None:
            while not ending.is_set():
                try:
                    packet, peer = line.recvfrom(4096)
                except TimeoutError:
                    continue
                if rcode is not None:
                    answer = dns.message.make_response(dns.message.from_wire(packet))
                    answer.set_rcode(rcode)
                    line.sendto(answer.to_wire(), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{line.getsockname()[1]}"
        finally:
            ending.set()
            thread.join()


@pytest.mark.parametrize(
    ("rcode", "outcome"),
    [
        (dns.rcode.NXDOMAIN, "fail"),
        (dns.rcode.SERVFAIL, "fail"),
        (dns.rcode.REFUSED, "unknown"),
        (None, "unknown"),
    ],
    ids=["no such name", "its servers fail", "our resolver refuses", "our resolver is silent"],
)
def test_a_resolver_that_did_not_look_is_not_the_vendors_fault(
    tmp_path: Path, rcode: dns.rcode.Rcode | None, outcome: str
) -> None:
    with name_server(rcode) as server:
        where = context(tmp_path, dns={"resolvers": [server]})
        where = Context(where.scope, where.reveal, tmp_path, tmp_path, deadline=0.7 if rcode is None else 3.0)
        seen = look(TcpCheck, TcpProbe(host="login.vendor.example", port=443), where)
    assert outcome_of(seen, ()) == outcome, seen.message


def test_a_machine_without_a_way_out_saw_nothing(tmp_path: Path) -> None:
    """No TCP goes to a multicast address: the kernel itself says that there is no way."""
    where = context(tmp_path, networks=["224.0.0.0/4"])
    for check, want in (
        (TcpCheck, TcpProbe(host="224.0.0.1", port=443)),
        (HttpCheck, HttpProbe(url="http://224.0.0.1/")),
    ):
        seen = look(check, want, where)
        assert "unreachable" in seen.message
        assert outcome_of(seen, ()) == "unknown"


@pytest.mark.parametrize(("left", "overdue"), [(30.0, False), (8.0, False), (3.0, True)])
def test_a_certificate_that_is_not_renewed_in_time_is_overdue(tmp_path: Path, left: float, overdue: bool) -> None:
    """The test authority's certificates began ten days ago: with three days left, two thirds were over 1.3 days ago."""
    authority = Authority(tmp_path)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        served_tls(listener, authority.server_context("127.0.0.1", days=left)),
    ):
        want = TlsProbe(host="127.0.0.1", port=listener.getsockname()[1], days_left=0)
        seen = found(TlsCheck, want, context(tmp_path, tls={"ca": str(authority.file)}))
    assert seen.presence is Presence.ALREADY
    expected = (10 - (10 + left) * 2 / 3) * 86400 if overdue else 0.0
    assert seen.measured["overdue"] == pytest.approx(expected, abs=60)


@contextmanager
def served_tls(listener: socket.socket, tls: ssl.SSLContext) -> Iterator[None]:
    def serve() -> None:
        line, _ = listener.accept()
        with tls.wrap_socket(line, server_side=True) as secured:
            secured.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join()


class Imap:
    """As much of IMAP4rev1 as a look at a mailbox speaks; `login` is what it answers to LOGIN."""

    def __init__(self, tls: ssl.SSLContext, login: str = "OK in", internal: str = "") -> None:
        self._tls, self._login, self._internal = tls, login, internal
        self.asked: list[str] = []

    def serve(self, listener: socket.socket) -> None:
        line, _ = listener.accept()
        with self._tls.wrap_socket(line, server_side=True) as secured, secured.makefile("rwb") as file:

            def say(text: str) -> None:
                file.write(f"{text}\r\n".encode())
                file.flush()

            say("* OK ready")
            for raw in file:
                tag, _, command = raw.decode().strip().partition(" ")
                self.asked.append(command)
                name = command.split()[0].upper()
                if name == "CAPABILITY":
                    say("* CAPABILITY IMAP4rev1")
                if name == "SELECT":
                    say("* 2 EXISTS")
                if command.upper().startswith("UID SEARCH"):
                    say("* SEARCH 4 7")
                if command.upper().startswith("UID FETCH") and self._internal:
                    say(f'* 2 FETCH (UID 7 INTERNALDATE "{self._internal}")')
                say(f"{tag} {self._login if name == 'LOGIN' else 'OK done'}")
                if name == "LOGOUT":
                    return


@contextmanager
def mailbox(tmp_path: Path, **said: str) -> Iterator[tuple[Imap, MailboxProbe, Context]]:
    authority = Authority(tmp_path)
    imap = Imap(authority.server_context("127.0.0.1"), **said)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=imap.serve, args=(listener,))
        thread.start()
        want = {"host": "127.0.0.1", "port": listener.getsockname()[1], "user": "mayor", "password": "secret://box"}
        want |= {"from": "canary@example.net", "max_age": "1h"}
        yield imap, MailboxProbe.model_validate(want), context(tmp_path, tls={"ca": str(authority.file)})
        thread.join()


def test_how_far_a_mailbox_is_behind(tmp_path: Path) -> None:
    came = time.time() - 1800
    internal = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(came))
    with mailbox(tmp_path, internal=internal) as (imap, want, where):
        seen = found(MailboxCheck, want, where)
    assert seen.presence is Presence.ALREADY, seen.message
    assert seen.measured["age"] == pytest.approx(1800, abs=5)
    assert 'UID SEARCH HEADER From "canary@example.net"' in imap.asked
    old = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(came - 7200))
    with mailbox(tmp_path, internal=old) as (_, want, where):
        late = found(MailboxCheck, want, where)
    assert (late.presence, outcome_of(late, ())) == (Presence.ABSENT, "fail")
    assert late.measured["age"] == pytest.approx(9000, abs=5)
    with mailbox(tmp_path) as (_, want, where):
        empty = found(MailboxCheck, want, where)
    assert outcome_of(empty, ()) == "fail"


@pytest.mark.parametrize(
    ("login", "outcome"),
    [
        ("NO [AUTHENTICATIONFAILED] who are you", "denied"),
        ("NO mailbox is blocked", "denied"),
        ("NO [UNAVAILABLE] backend is away", "fail"),
    ],
)
def test_a_mailbox_that_lets_nobody_in(tmp_path: Path, login: str, outcome: str) -> None:
    with mailbox(tmp_path, login=login) as (_, want, where):
        seen = look(MailboxCheck, want, where)
    assert outcome_of(seen, ()) == outcome
    assert SECRET not in repr(seen)


def test_requests_to_aws_are_signed_as_its_documentation_shows() -> None:
    """The example of "Signature Version 4 signing process", by AWS."""
    headers = signed(
        "GET",
        httpx.URL("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"),
        {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
        b"",
        key=Secret("AKIDEXAMPLE"),
        secret=Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        region="us-east-1",
        service="iam",
        at=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )
    proof = headers["Authorization"]
    assert isinstance(proof, Secret)
    assert proof.reveal() == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


def test_aws_says_whose_a_key_is(moto: Moto, tmp_path: Path) -> None:
    want = AwsProbe(region="eu-west-3", access_key="secret://a", secret_key="secret://b", url=f"{moto.url}/")
    seen = found(AwsCheck, want, Context(within({}), lambda _: Secret("AKIAKEY"), tmp_path, tmp_path, deadline=10.0))
    assert seen.presence is Presence.ALREADY, seen.message
    assert seen.outputs["account"] == "123456789012"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("InvalidClientTokenId", "denied"), ("SignatureDoesNotMatch", "unknown"), ("AccountProblem", "denied")],
)
def test_a_key_that_aws_refuses(vendor: Vendor, tmp_path: Path, code: str, outcome: str) -> None:
    text = f'<ErrorResponse xmlns="https://sts.amazonaws.com/"><Error><Code>{code}</Code></Error></ErrorResponse>'
    vendor.says = {"/": (403, text)}
    want = AwsProbe(region="eu-west-3", access_key="secret://a", secret_key="secret://b", url=f"{vendor.url}/")
    assert outcome_of(look(AwsCheck, want, context(tmp_path)), ()) == outcome
