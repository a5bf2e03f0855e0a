"""How a mail leaves: one SMTP session, each recipient asked for, and what a lost answer means."""

import hashlib
import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager

from providers.base import Context, JsonMap, ProviderError, Report, Tag
from providers.dns.deadline import Deadline
from providers.probes.connection import tls_context
from providers.probes.resolver import Names, UnresolvedError
from providers.probes.smtp_session import SmtpSession, helo_name, smtp_words

ANSWER_SECONDS = 10.0


def deliver(context: Context, settings: JsonMap, mail: bytes, recipients: list[str], report: Report) -> list[str]:
    """Hand a mail to the channel's server; who of the recipients was taken.

    `mail`: with its headers, lines ended by CRLF. Raises ProviderError; `effect_possible` when its end had no answer.
    """
    host, port = str(settings.get("host", "")), int(settings.get("port", 25))
    where = f"{host} port {port}"
    with smtp_session(context, host, port, Deadline(context.deadline)) as session:
        refused = _envelope(session, str(settings["from"]), recipients, where)
        _hand_over(session, mail, where)
    for recipient, why in refused.items():
        report(f"{recipient} was refused: {why}")
    return [recipient for recipient in recipients if recipient not in refused]


def require_mail_settings(channel: str, settings: JsonMap) -> None:
    """Raises ProviderError(permanent) when the channel lacks what a mail needs."""
    missing = [name for name in ("host", "from", "to") if not settings.get(name)]
    if missing:
        raise ProviderError(f"`notify.{channel}` has no {', '.join(missing)}; add it to bascule.yaml.", permanent=True)


def message_id(context: Context, tag: Tag) -> str:
    """The same for every attempt at this step, so that a mailbox that got it twice can tell.

    Short enough for a header of 78 characters, which some programs can't read when it is folded.
    """
    domain = helo_name(context.scope)
    digest = hashlib.sha256(f"{tag.run}\0{tag.step}".encode()).hexdigest()[:12]
    words = re.sub(r"[^A-Za-z0-9\-]+", ".", str(tag))[: max(0, 50 - len(domain))].strip(".")
    return f"<{words}.{digest}@{domain}>" if words else f"<{digest}@{domain}>"


@contextmanager
def smtp_session(context: Context, host: str, port: int, deadline: Deadline) -> Iterator[SmtpSession]:
    """A greeted session. Until it stands nothing was sent, so every failure is a clear non-effect."""
    verify = bool(context.scope.get("tls", {}).get("verify", False))
    try:
        address = Names(context.scope, deadline).addresses(host)[0]
        session = SmtpSession(
            host,
            address,
            port,
            helo=helo_name(context.scope),
            timeout=deadline.within(ANSWER_SECONDS),
            tls=tls_context(context, verify=verify),
        )
    except UnresolvedError as error:
        raise ProviderError(f"Nothing was sent: {error}.", permanent=False) from error
    except (smtplib.SMTPException, OSError) as error:
        raise ProviderError(
            f"Nothing was sent: the mail server {host} port {port} does not greet ({smtp_words(error)}); "
            "check that it runs and takes mail from here.",
            permanent=False,
        ) from error
    with session:
        yield session


def _envelope(session: SmtpSession, sender: str, recipients: list[str], where: str) -> dict[str, str]:
    """Say from whom and to whom; returns who was refused and why. Raises ProviderError when nobody is left."""
    refused: dict[str, tuple[int, str]] = {}
    try:
        code, said = session.mail(sender)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, said, sender)
        for recipient in recipients:
            code, said = session.rcpt(recipient)
            if code not in (250, 251):
                refused[recipient] = code, f"{code} {said.decode(errors='replace')}"
    except (smtplib.SMTPException, OSError) as error:
        raise _not_sent(where, smtp_words(error), _for_good(error)) from error
    if len(refused) == len(recipients):
        reasons = "; ".join(f"{recipient}: {why}" for recipient, (_, why) in refused.items())
        raise _not_sent(where, reasons, all(code >= 500 for code, _ in refused.values()))
    return {recipient: why for recipient, (_, why) in refused.items()}


def _hand_over(session: SmtpSession, mail: bytes, where: str) -> None:
    """DATA: only the answer at its end says whether the server took the message (RFC 5321 §6.1)."""
    try:
        code, said = session.data(mail)
    except smtplib.SMTPDataError as error:  # refused before the text was sent
        raise _not_sent(where, smtp_words(error), _for_good(error)) from error
    except (smtplib.SMTPException, OSError) as error:
        raise ProviderError(
            f"The connection to {where} was lost while the message was handed over ({smtp_words(error)}); "
            "it may have been taken: ask the recipients before sending again.",
            permanent=False,
            effect_possible=True,
        ) from error
    if code != 250:
        raise _not_sent(where, f"{code} {said.decode(errors='replace')}", code >= 500)


def _for_good(error: smtplib.SMTPException | OSError) -> bool:
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500


def _not_sent(where: str, why: str, permanent: bool) -> ProviderError:
    return ProviderError(
        f"The mail server {where} did not take the message ({' '.join(why.split())[:300]}); "
        "check `from` and `to` of the channel.",
        permanent=permanent,
    )
