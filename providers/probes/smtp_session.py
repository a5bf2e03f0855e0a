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
        super().__init__(name, port, local_hostname=helo, timeout=timeout)
        try:
            self.ehlo_or_helo_if_needed()
            self.secured = self.has_extn("starttls")
            if self.secured:
                self.starttls(context=tls)
                self.ehlo()
        except (smtplib.SMTPException, OSError):
            self.close()
            raise

    def __exit__(self, *args: object) -> None:
        """Say goodbye; what was said before stands, whatever the server answers to that."""
        with suppress(smtplib.SMTPException, OSError):
            self.docmd("QUIT")
        self.close()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del host
        return socket.create_connection((self._address, port), timeout)


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
