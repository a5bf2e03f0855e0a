"""A mail from the domain that reaches a mailbox elsewhere, and is found genuine there."""

import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate

from providers.base import ProviderError
from providers.probes.check import ATTEMPT_SECONDS, Attempt, Check, DoesNotHoldError, Seen
from providers.probes.connection import tls_context
from providers.probes.genuine import Genuine, judged
from providers.probes.imap_session import Folder, folder_of
from providers.probes.smtp_session import SubmissionSession, helo_name, smtp_words
from providers.wants import MailProbe, Submission

ON_ITS_WAY_SECONDS = 60.0
"""How long one attempt waits for the mail; a later attempt finds it as well."""

LOOK_AGAIN_SECONDS = 0.5
"""Between two looks into the mailbox while the mail is on its way."""


class MailCheck(Check[MailProbe]):
    """`probe.mail`. Outputs: `message_id`, the verdicts `spf`, `dkim`, `dmarc`, and `client`, the sending address.

    Its Message-ID is the step's, so an attempt that finds the mail of an earlier one judges that; `observe` only
    looks. The mail stays in the mailbox: `probe.imap` takes it away.
    """

    seconds = ON_ITS_WAY_SECONDS

    def _look(self, want: MailProbe, attempt: Attempt) -> Seen:
        wanted = _message_id(want, attempt) if want.submission else ""
        with folder_of(want.mailbox, attempt) as folder:
            numbers = _numbers(folder, want, wanted)
            if not numbers and want.submission and attempt.writing:
                _hand_in(want.submission, want, wanted, attempt)
                while not numbers and attempt.deadline.pause(LOOK_AGAIN_SECONDS):
                    numbers = _numbers(folder, want, wanted)
            if not numbers:
                raise DoesNotHoldError(
                    f"No mail from {want.from_} has arrived in {want.mailbox.user}'s {want.mailbox.folder} at "
                    f"{want.mailbox.host}."
                )
            raw = folder.message(numbers[-1])
        receiving = [host for _, host in attempt.names.mail_servers(want.to.rpartition("@")[2])]
        return _judged(judged(raw, attempt.names, receiving), want, wanted)


def _judged(found: Genuine, want: MailProbe, wanted: str) -> Seen:
    verdicts = {"spf": found.spf, "dkim": found.dkim, "dmarc": found.dmarc}
    good = {"spf": {"pass"}, "dkim": {"pass"}, "dmarc": {"pass", "none"}}
    missing = [name for name in want.require if verdicts[name] not in good[name]]
    if missing:
        names = " and ".join(name.upper() for name in missing)
        raise DoesNotHoldError(f"A receiver does not find mail from {want.from_} genuine by {names}: {found.why}.")
    outputs = {"message_id": wanted, "client": found.client, **verdicts}
    return Seen(f"A receiver finds mail from {want.from_} genuine: {found.why}.", outputs)


def _numbers(folder: Folder, want: MailProbe, wanted: str) -> list[str]:
    return folder.search("Message-ID", wanted) if wanted else folder.search("From", want.from_)


def _message_id(want: MailProbe, attempt: Attempt) -> str:
    """The same in every attempt of the step."""
    marked = hashlib.sha256(f"{attempt.tag} {want.from_} {want.to}".encode()).hexdigest()[:24]
    return f"<canary.{marked}@{want.domain}>"


def _hand_in(at: Submission, want: MailProbe, wanted: str, attempt: Attempt) -> None:
    """Raises DoesNotHoldError; ProviderError(permanent) when the server lets nobody in."""
    secret = attempt.context.reveal(at.password)
    said = f"The mail server {at.host} port {at.port}"
    try:
        with SubmissionSession(
            at.host,
            attempt.names.addresses(at.host)[0],
            at.port,
            helo=helo_name(attempt.context.scope),
            timeout=attempt.deadline.within(ATTEMPT_SECONDS),
            tls=tls_context(attempt.context),
        ) as session:
            session.login(at.user, secret.reveal())
            session.send_message(_canary(want, wanted, attempt), want.from_, [want.to])
    except smtplib.SMTPAuthenticationError as error:
        raise ProviderError(
            f"{said} does not let {at.user} in (code {error.smtp_code}); check the mailbox's password.", permanent=True
        ) from None
    except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
        raise DoesNotHoldError(f"{said} did not take the mail from {want.from_} ({smtp_words(error)}).") from error


def _canary(want: MailProbe, wanted: str, attempt: Attempt) -> EmailMessage:
    message = EmailMessage(SMTP_POLICY)
    message["From"] = want.from_
    message["To"] = want.to
    message["Subject"] = f"Bascule canary {attempt.tag}"
    message["Date"] = formatdate()
    message["Message-ID"] = wanted
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("This message shows that mail from here is found genuine. It can be deleted.\n")
    return message
