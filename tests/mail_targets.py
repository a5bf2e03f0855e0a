"""What checks of mail are tested against besides real servers: a policy on the web, and a submission that signs."""

import smtplib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dkim
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class PolicyServer(ThreadingHTTPServer):
    """Answers `text` at /.well-known/mta-sts.txt, with `status`."""

    def __init__(self, address: str, tls: ssl.SSLContext, text: str) -> None:
        super().__init__((address, 443), _Policy)
        self.text = text
        self.status = 200
        self._tls = tls

    def get_request(self) -> Any:
        line, address = super().get_request()
        line.settimeout(5)
        return self._tls.wrap_socket(line, server_side=True), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Policy(BaseHTTPRequestHandler):
    server: PolicyServer

    def do_GET(self) -> None:
        found = self.path == "/.well-known/mta-sts.txt"
        self.send_response(self.server.status if found else 404)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(self.server.text.encode() if found else b"")

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def policy_server(address: str, tls: ssl.SSLContext, text: str) -> Iterator[PolicyServer]:
    with PolicyServer(address, tls, text) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Signer:
    """A DKIM key, and the TXT value that publishes it."""

    domain: str
    selector: str = "bascule"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 1024))

    @property
    def published(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = self.key.public_key().public_bytes(serialization.Encoding.PEM, form).decode().splitlines()
        return f"v=DKIM1; k=rsa; p={''.join(pem[1:-1])}"

    def signed(self, message: bytes) -> bytes:
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        header: bytes = dkim.sign(message, self.selector.encode(), self.domain.encode(), pem)
        return header + message


@dataclass
class SubmissionServer:
    """Takes mail of one account at port 465, in TLS from the first byte on, signs it and hands it to `onward`.

    `bind`: the address that it sends from. `stolen` sends without a signature and from another address.
    """

    address: str
    onward: str
    bind: str
    signer: Signer
    tls: ssl.SSLContext
    user: str
    password: str
    stolen: bool = False
    taken: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        assert envelope.mail_from is not None
        self.taken.append(content)
        sent = content if self.stolen else self.signer.signed(content)
        source = "127.0.0.1" if self.stolen else self.bind
        with smtplib.SMTP(self.onward, 25, local_hostname="submit.test", source_address=(source, 0)) as session_out:
            session_out.sendmail(envelope.mail_from, envelope.rcpt_tos, sent)
        return "250 OK"

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        held = (data.login.decode(), data.password.decode()) == (self.user, self.password)
        return AuthResult(success=held)

    @contextmanager
    def running(self) -> Iterator[None]:
        controller = Controller(
            self,
            hostname=self.address,
            port=465,
            server_hostname="submit.test",
            ssl_context=self.tls,
            authenticator=self._authenticate,
            auth_required=True,
            auth_require_tls=False,
        )
        controller.start()
        try:
            yield
        finally:
            controller.stop()
