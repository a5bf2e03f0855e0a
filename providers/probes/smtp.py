"""Mail servers of a domain that greet, and take a canary message when one is wanted."""

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate
from uuid import uuid4

from cryptography import x509

from providers.base import ProviderError
from providers.probes.check import ATTEMPT_SECONDS, Attempt, Check, DoesNotHoldError, Seen
from providers.probes.connection import tls_context
from providers.probes.smtp_session import SmtpSession, helo_name, smtp_words
from providers.wants import SmtpProbe

REFUSALS = (smtplib.SMTPException, OSError)

SEVERAL_SERVERS_SECONDS = 60.0
"""For every address of every server; many let a stranger wait for their greeting, to see off spammers."""

VALID = "valid"
"""How the word on a certificate begins that holds for the host's name."""


class SmtpCheck(Check[SmtpProbe]):
    """`probe.smtp`: every IPv4 address of every server greets and, when it offers it, speaks TLS.

    A certificate must be valid where the scope says `tls.verify: true` or the step `tls: required`; between mail
    servers they mostly aren't (RFC 7672 §1.3), so elsewhere it is only reported. Outputs: `mx`, the most preferred
    first; `starttls`, those of them that speak TLS; `certificates`, by host what is to be said of its certificate;
    with `deliver_to` also `delivered_to` (the host) and, from `apply`, the canary's `message_id`. `observe` only asks
    whether the recipient would be taken, and sends nothing.
    """

    seconds = SEVERAL_SERVERS_SECONDS

    def _look(self, want: SmtpProbe, attempt: Attempt) -> Seen:
        servers = [host.lower().removesuffix(".") for host in want.servers] or _published(want, attempt)
        greeted = {host: _greeting(host, want, attempt) for host in servers}
        outputs = {
            "mx": servers,
            "starttls": [host for host in servers if greeted[host]],
            "certificates": {host: said for host, said in greeted.items() if said},
        }
        seen = Seen(f"The mail servers of {want.domain} greet: {', '.join(map(_told, greeted.items()))}.", outputs)
        if want.deliver_to is None:
            return seen
        delivered = _deliver(servers[0], want.deliver_to, want, attempt)
        return Seen(f"{want.domain}: {servers[0]} takes mail for {want.deliver_to}.", {**seen.outputs, **delivered})


def _published(want: SmtpProbe, attempt: Attempt) -> list[str]:
    """The MX hosts of the domain. Raises DoesNotHoldError when they are not the wanted ones."""
    published = [host for _, host in attempt.names.mail_servers(want.domain)]
    expected = sorted({host.lower().removesuffix(".") for host in want.mx})
    if not published or published == ["."]:  # an MX of "." takes no mail (RFC 7505)
        raise DoesNotHoldError(f"{want.domain} publishes no mail server; expected {', '.join(expected) or 'an MX'}.")
    if expected and sorted(set(published)) != expected:
        raise DoesNotHoldError(
            f"{want.domain} publishes the mail servers {', '.join(published)}; expected {', '.join(expected)}."
        )
    return published


def _told(greeting: tuple[str, str]) -> str:
    host, certificate = greeting
    return f"{host} (certificate {certificate})" if certificate else f"{host} (without TLS)"


def _greeting(host: str, want: SmtpProbe, attempt: Attempt) -> str:
    """What is to be said of the certificate, the worst of all addresses; empty when one has no TLS.

    Raises DoesNotHoldError when one does not greet.
    """
    told = [_session_ends_well(host, address, want, attempt) for address in _addresses(host, attempt)]
    if not all(told):
        return ""
    return next((one for one in told if not one.startswith(VALID)), told[0])


def _addresses(host: str, attempt: Attempt) -> list[str]:
    return attempt.names.addresses(host, kinds=("A",))


def _session_ends_well(host: str, address: str, want: SmtpProbe, attempt: Attempt) -> str:
    """What is to be said of the certificate at this address; empty without TLS."""
    must_hold = want.tls == "required" or _verifies(attempt)
    at = f"The mail server {host} of {want.domain} at {address} port {want.port}"
    try:
        try:
            said = _certificate(host, address, want, attempt, verify=True)
        except ssl.SSLCertVerificationError as error:
            if must_hold:
                raise
            said = f"not valid: {error.verify_message}"
            # nosemgrep: certificate-not-checked  # it greets only, and what is wrong is told
            _certificate(host, address, want, attempt, verify=False)
    except REFUSALS as error:
        raise DoesNotHoldError(f"{at} does not greet as it should ({smtp_words(error)}).") from error
    if want.tls == "required" and not said:
        raise DoesNotHoldError(f"{at} does not offer STARTTLS.")
    return said


def _certificate(host: str, address: str, want: SmtpProbe, attempt: Attempt, *, verify: bool) -> str:
    with _session(host, address, want, attempt, verify=verify) as session:
        if not session.secured:
            return ""
        shown = x509.load_der_x509_certificate(session.certificate)
        return f"{VALID} until {shown.not_valid_after_utc:%Y-%m-%d}"


def _verifies(attempt: Attempt) -> bool:
    return bool(attempt.context.scope.get("tls", {}).get("verify", False))


def _session(host: str, address: str, want: SmtpProbe, attempt: Attempt, *, verify: bool) -> SmtpSession:
    return SmtpSession(
        host,
        address,
        want.port,
        helo=helo_name(attempt.context.scope),
        timeout=attempt.deadline.within(ATTEMPT_SECONDS),
        tls=tls_context(attempt.context, verify=verify),
    )


def _deliver(host: str, recipient: str, want: SmtpProbe, attempt: Attempt) -> dict[str, str]:
    """One canary to this server; only as far as RCPT when the attempt may not write."""
    sender = attempt.context.scope.get("smtp", {}).get("from")
    if not sender:
        raise ProviderError("The scope has no `smtp.from`; set the canary's sender in bascule.yaml.", permanent=True)
    address = _addresses(host, attempt)[0]
    try:
        with _session(host, address, want, attempt, verify=want.tls == "required" or _verifies(attempt)) as session:
            if not attempt.writing:
                _would_take(session, sender, recipient)
                return {"delivered_to": host}
            message = _canary(sender, recipient, attempt)
            session.send_message(message, sender, [recipient])
    except REFUSALS as error:
        raise DoesNotHoldError(
            f"The mail server {host} of {want.domain} at {address} did not take the canary for {recipient} "
            f"({smtp_words(error)})."
        ) from error
    return {"delivered_to": host, "message_id": str(message["Message-ID"])}


def _would_take(session: SmtpSession, sender: str, recipient: str) -> None:
    for code, said in (session.mail(sender), session.rcpt(recipient)):
        if code not in (250, 251):
            raise smtplib.SMTPResponseException(code, said)
    session.rset()


def _canary(sender: str, recipient: str, attempt: Attempt) -> EmailMessage:
    message = EmailMessage(SMTP_POLICY)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = f"Bascule canary {attempt.tag}"
    message["Date"] = formatdate()
    message["Message-ID"] = f"<canary.{uuid4().hex[:20]}@{helo_name(attempt.context.scope)}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("This message shows that mail arrives. It needs no answer and can be deleted.\n")
    return message
