"""What probes and messages are tested against: web, TLS and mail servers on loopback, with a CA of their own."""

import contextlib
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.dns_servers import free_port

PAGE = "Bienvenue à Valbourg"


def _named(name: str, organisation: str = "") -> x509.Name:
    said = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*said, x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """A certificate authority in a directory; `file` is what a scope's `tls.ca` names."""

    def __init__(self, directory: Path, organisation: str = "") -> None:
        self._directory = directory
        self._name = _named("Test CA", organisation)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._signed("Test CA", self._key, days=30, authority=True)
        self.file = directory / "ca.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def server_context(self, *names: str, days: float = 30) -> ssl.SSLContext:
        """For a server that shows a certificate for these names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(names[0], key, days=days, names=names)
        path = self._directory / f"{names[0]}-{days}.pem"
        pem = serialization.Encoding.PEM
        form = serialization.PrivateFormat.PKCS8
        path.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()) + certificate.public_bytes(pem))
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_cert_chain(path)
        return made

    def _signed(
        self,
        subject: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        days: float,
        names: tuple[str, ...] = (),
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(self._name if authority else _named(subject))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=10))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), False)
        return made.sign(self._key, hashes.SHA256())


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class _Page(BaseHTTPRequestHandler):
    server: "WebServer"

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.headers['Host']}{self.path}")
        status, location, body = {
            "/": (200, None, PAGE.encode()),
            "/moved": (302, "/", b""),
            "/away": (302, "http://elsewhere.example/", b""),
            "/loop": (302, "/loop", b""),
            "/big": (200, None, b"x" * (3 * 1024 * 1024) + b"the end"),
            "/drip": (200, None, None),
        }.get(self.path, (404, None, b"nothing here"))
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        with contextlib.suppress(OSError):
            if body is None:
                while not self.server.ending.wait(0.05):
                    self.wfile.write(b".")
            else:
                self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class WebServer(ThreadingHTTPServer):
    """Its pages: `/`, `/moved`, `/away`, `/loop`, `/big` and `/drip`, which never ends."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), _Page)
        self.asked: list[str] = []
        self.ending = threading.Event()
        self._tls = tls

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def get_request(self) -> Any:
        line, address = super().get_request()
        line.settimeout(5)
        return (self._tls.wrap_socket(line, server_side=True) if self._tls else line), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


@contextmanager
def web_server(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[WebServer]:
    with WebServer(port, tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()


@dataclass
class MailServer:
    """A mail server that keeps what it takes; `nobody@…` is refused for good, `later@…` for now."""

    port: int
    tls: ssl.SSLContext | None = None
    taken: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    busy: bool = False

    async def handle_MAIL(  # noqa: N802  # aiosmtpd finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.busy:
            return "451 try later"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such user"
        if address.startswith("later@"):
            return "450 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.taken.append(envelope.content)
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    @contextmanager
    def running(self) -> Iterator[None]:
        controller = Controller(
            self, hostname="127.0.0.1", port=self.port, server_hostname="mail.test", tls_context=self.tls
        )
        controller.start()
        try:
            yield
        finally:
            controller.stop()


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    server = MailServer(free_port(), tls)
    with server.running():
        yield server
