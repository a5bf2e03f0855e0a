"""SMTP sessions with a server at an address that was checked, under the name that it is known by."""

import smtplib
import socket
import ssl
from contextlib import suppress

from providers.base import JsonMap, ProviderError


class SmtpSession(smtplib.SMTP):
    """A greeted session, in TLS when the server offers it.

    `name` is what TLS expects in the certificate; the connection goes to `address`.
    The machine's own name is never looked up: `helo` is said instead. Raises
    smtplib.SMTPException and OSError.
    """

    def __init__(self, name: str, address: str, port: int, *, helo: str, timeout: float, tls: ssl.SSLContext) -> None:
        self._address = address
        self._tls = tls
        super().__init__(name, port, local_hostname=helo, timeout=timeout)
        try:
            self.ehlo_or_helo_if_needed()
            self.secured = isinstance(self.sock, ssl.SSLSocket)
            if not self.secured and self.has_extn("starttls"):
                self.starttls(context=tls)
                self.ehlo()
                self.secured = True
        except (smtplib.SMTPException, OSError):
            self.close()
            raise

    def __exit__(self, *args: object) -> None:
        """Say goodbye; what was said before stands, whatever the server answers to that."""
        with suppress(smtplib.SMTPException, OSError):
            self.docmd("QUIT")
        self.close()

    @property
    def certificate(self) -> bytes:
        """What the server showed, in DER form; empty without TLS."""
        shown = self.sock.getpeercert(binary_form=True) if isinstance(self.sock, ssl.SSLSocket) else None
        return shown or b""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del host
        return socket.create_connection((self._address, port), timeout)


class SubmissionSession(SmtpSession):
    """A session that hands mail in: in TLS from the first byte on at port 465 (RFC 8314), and never without TLS."""

    def __init__(self, name: str, address: str, port: int, *, helo: str, timeout: float, tls: ssl.SSLContext) -> None:
        self._name = name
        super().__init__(name, address, port, helo=helo, timeout=timeout, tls=tls)
        if not self.secured:
            self.close()
            raise smtplib.SMTPNotSupportedError("it offers no TLS")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        line = super()._get_socket(host, port, timeout)
        return self._tls.wrap_socket(line, server_hostname=self._name) if port == SUBMISSIONS else line


SUBMISSIONS = 465
"""The port of mail submission in TLS from the first byte on."""


def helo_name(scope: JsonMap) -> str:
    """What the scope says in EHLO. Raises ProviderError(permanent) when it is not set."""
    helo = scope.get("smtp", {}).get("helo")
    if not helo:
        raise ProviderError(
            "The scope has no `smtp.helo`; set this machine's mail name in bascule.yaml.", permanent=True
        )
    return str(helo)


def smtp_words(error: smtplib.SMTPException | OSError) -> str:
    """What the server said, or what went wrong, on one line."""
    match error:
        case smtplib.SMTPResponseException():
            text = f"{error.smtp_code} {_text(error.smtp_error)}"
        case smtplib.SMTPRecipientsRefused():
            text = "; ".join(f"{who}: {code} {_text(said)}" for who, (code, said) in error.recipients.items())
        case ssl.SSLCertVerificationError():
            text = error.verify_message
        case OSError() if error.strerror:
            text = error.strerror
        case _:
            text = str(error)
    return " ".join(text.split())[:300] or type(error).__name__


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
