"""Who certified a host, by the certificate that it shows; whether it is valid is for a probe to say."""

import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from providers.base import ProviderError
from providers.discovery.sign import Sign
from providers.discovery.survey import Survey
from providers.probes.connection import words
from providers.probes.resolver import UnresolvedError
from providers.probes.smtp_session import SmtpSession, smtp_words

HTTPS = 443
SMTP = 25
ANSWER_SECONDS = 5.0


def of_web(survey: Survey, domain: str, host: str) -> Iterator[Sign]:
    try:
        address = survey.names.addresses(host)[0]
        seconds = survey.deadline.within(ANSWER_SECONDS)
        with (
            socket.create_connection((address, HTTPS), timeout=seconds) as line,
            _unchecked().wrap_socket(line, server_hostname=host) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
    except ConnectionRefusedError:
        return
    except (UnresolvedError, ProviderError, OSError) as error:
        survey.note(domain, "certificate", f"certificate of {host}", words(error))
        return
    yield from _issued(domain, f"{host}:{HTTPS}", shown)


def of_mail(survey: Survey, domains: Sequence[str], host: str) -> Iterator[Sign]:
    """The mail server of these domains, by STARTTLS; the session ends before any mail."""
    domain = domains[0]
    helo = str(survey.context.scope.get("smtp", {}).get("helo") or "localhost")
    through = () if survey.ours(host) else (host,)
    try:
        address = survey.names.addresses(host)[0]
        seconds = survey.deadline.within(ANSWER_SECONDS)
        with SmtpSession(host, address, SMTP, helo=helo, timeout=seconds, tls=_unchecked()) as session:
            line = session.sock
            shown = line.getpeercert(binary_form=True) if isinstance(line, ssl.SSLSocket) else None
    except ConnectionRefusedError:
        return
    except (smtplib.SMTPException, OSError) as error:
        survey.note(domain, "certificate", f"certificate of {host}", smtp_words(error))
        return
    except (UnresolvedError, ProviderError) as error:
        survey.note(domain, "certificate", f"certificate of {host}", str(error))
        return
    for served in domains:
        yield from _issued(served, f"{host}:{SMTP}", shown, through)


def _issued(domain: str, at: str, shown: bytes | None, through: tuple[str, ...] = ()) -> Iterator[Sign]:
    if not shown:
        return
    try:
        issuer = x509.load_der_x509_certificate(shown).issuer
    except ValueError:
        return
    for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for attribute in issuer.get_attributes_for_oid(oid):
            name = str(attribute.value)
            yield Sign(
                domain, "issuer", at, name, f"{at} shows a certificate issued by {issuer.rfc4514_string()}", through
            )
            return


def _unchecked() -> ssl.SSLContext:
    """Nothing is sent over it, and an expired certificate names its issuer as well."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False  # nosemgrep: certificate-not-checked  # nothing is sent
    made.verify_mode = ssl.CERT_NONE  # nosemgrep: certificate-not-checked  # nothing is sent
    return made
