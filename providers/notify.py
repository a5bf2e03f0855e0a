"""One message to people: by mail, or by any channel that Apprise knows.

A message can't be taken back, and nobody can tell from outside whether it arrived.
So a receipt in the step's workspace, written after the other side took it, is the
only proof; an intent without a receipt is unprovable, and a person decides.
"""

import hashlib
import json
import re
import smtplib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import apprise

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.dns.deadline import Deadline
from providers.dns.endpoint import allowed, literal
from providers.probes.connection import tls_context
from providers.probes.resolver import Names, UnresolvedError
from providers.probes.smtp_session import SmtpSession, helo_name, smtp_words
from providers.wants import Message

ANSWER_SECONDS = 10.0
LONGEST_SECONDS = 60.0
"""That Apprise may take, whatever the step's timeout."""


class MessageOnce(ABC):
    """`notify.send` on any channel: sent at most once, and never repeated in doubt. Outputs: `message_id`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def _send(self, want: Message, settings: JsonMap, message_id: str, report: Report) -> str:
        """Hand the message over, and say in one sentence to whom. Raises ProviderError, with what is known of it."""

    def observe(self, want: Message, tag: Tag, before: JsonMap | None) -> Finding:
        self._settings(want)
        message_id = self._message_id(tag)
        if self._receipt(message_id):
            return _sent(message_id, "The message was taken.")
        if before is None:
            return Finding(Presence.ABSENT, message=f"Would send {want.title.en!r} to {want.channel}.")
        return Finding(
            Presence.UNPROVABLE,
            message=f"Nothing shows whether {message_id} was sent to {want.channel}; ask there, then skip it.",
        )

    def apply(self, want: Message, tag: Tag, before: JsonMap, report: Report) -> Finding:
        del before
        settings = self._settings(want)
        message_id = self._message_id(tag)
        if self._receipt(message_id):
            return _sent(message_id, "The message was taken.")
        told = self._send(want, settings, message_id, report)
        self._write_receipt(message_id)
        report(told)
        return _sent(message_id, told)

    def undo(self, want: Message, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        del want, tag, effect, report
        return Finding(Presence.ABSENT, message="A message that was sent can't be taken back; nothing was done.")

    def _settings(self, want: Message) -> JsonMap:
        settings: JsonMap | None = self.context.scope.get("notify", {}).get(want.channel)
        if not settings:
            raise ProviderError(f"The scope has no `notify.{want.channel}`; add it to bascule.yaml.", permanent=True)
        return settings

    def _message_id(self, tag: Tag) -> str:
        """The same for every attempt at this step, so that a mailbox that got it twice can tell.

        Short enough for a header of 78 characters, which some programs can't read when it is folded.
        """
        domain = helo_name(self.context.scope)
        digest = hashlib.sha256(f"{tag.run}\0{tag.step}".encode()).hexdigest()[:12]
        words = re.sub(r"[^A-Za-z0-9\-]+", ".", str(tag))[: max(0, 50 - len(domain))].strip(".")
        return f"<{words}.{digest}@{domain}>" if words else f"<{digest}@{domain}>"

    def _receipt(self, message_id: str) -> bool:
        try:
            written = json.loads((self.context.workspace / "receipt.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        return isinstance(written, dict) and written.get("message_id") == message_id

    def _write_receipt(self, message_id: str) -> None:
        """Whole or not at all: a crash in the middle leaves no receipt."""
        self.context.workspace.mkdir(parents=True, exist_ok=True)
        partial = self.context.workspace / "receipt.json.part"
        partial.write_text(json.dumps({"message_id": message_id}))
        partial.replace(self.context.workspace / "receipt.json")


def _sent(message_id: str, message: str) -> Finding:
    return Finding(Presence.OURS, outputs={"message_id": message_id}, message=message)


class SmtpMessage(MessageOnce):
    """`notify.send` by SMTP to the channel's `host`: one mail with a French and an English part."""

    def _send(self, want: Message, settings: JsonMap, message_id: str, report: Report) -> str:
        deadline = Deadline(self.context.deadline)
        host, port = str(settings.get("host", "")), int(settings.get("port", 25))
        mail = _mail(want, settings, message_id)
        recipients = list(settings["to"])
        with smtp_session(self.context, host, port, deadline) as session:
            refused = _envelope(session, str(settings["from"]), recipients, f"{host} port {port}")
            _hand_over(session, mail, f"{host} port {port}")
        for recipient, why in refused.items():
            report(f"{recipient} was refused: {why}")
        taken = [recipient for recipient in recipients if recipient not in refused]
        return f"{host} took {message_id} for {', '.join(taken)}."


def _mail(want: Message, settings: JsonMap, message_id: str) -> EmailMessage:
    missing = [name for name in ("host", "from", "to") if not settings.get(name)]
    if missing:
        raise ProviderError(
            f"`notify.{want.channel}` has no {', '.join(missing)}; add it to bascule.yaml.", permanent=True
        )
    mail = EmailMessage(SMTP_POLICY)
    mail["Subject"] = " ".join(f"{want.title.fr} / {want.title.en}".split())
    mail["From"] = settings["from"]
    mail["To"] = ", ".join(settings["to"])
    mail["Date"] = formatdate()
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail.make_mixed()
    for language, text in (("fr", want.body.fr), ("en", want.body.en)):
        part = EmailMessage(SMTP_POLICY)
        part.set_content(text, disposition="inline")
        part["Content-Language"] = language
        mail.attach(part)
    return mail


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


def _hand_over(session: SmtpSession, mail: EmailMessage, where: str) -> None:
    """DATA: only the answer at its end says whether the server took the message (RFC 5321 §6.1)."""
    try:
        code, said = session.data(mail.as_bytes())
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


class AppriseMessage(MessageOnce):
    """`notify.send` through Apprise to the channel's `url` (a secret), in French, then in English.

    Apprise looks names up by itself and only says yes or no: a failure may come
    before or after the message was taken. In a scope with `networks` the URL must
    name an IP address in them.
    """

    def _send(self, want: Message, settings: JsonMap, message_id: str, report: Report) -> str:
        del report
        deadline = Deadline(self.context.deadline)  # the first message of a process loads all of Apprise
        channel = self.channel(want.channel, settings)
        title = f"{want.title.fr} / {want.title.en}"
        body = f"{want.body.fr}\n\n{want.body.en}\n\n{message_id}"
        text = apprise.NotifyFormat.TEXT
        if not channel.notify(title=title, body=body, body_format=text, timeout=deadline.within(LONGEST_SECONDS)):
            raise ProviderError(
                f"The channel {want.channel} did not confirm the message; "
                "ask there whether it arrived before sending it again.",
                permanent=False,
                effect_possible=True,
            )
        return f"The channel {want.channel} took {message_id}."

    def channel(self, name: str, settings: JsonMap) -> Any:
        """Apprise's object for this channel. Raises ProviderError(permanent)."""
        reference = settings.get("url")
        url = self.context.reveal(reference).reveal() if reference else ""
        channel = apprise.Apprise()
        if not url or not channel.add(url):
            raise ProviderError(f"`notify.{name}` has no URL that Apprise knows; correct the secret.", permanent=True)
        self._require_reach(name, url)
        return channel

    def _require_reach(self, channel: str, url: str) -> None:
        """Raises ProviderError(permanent) without naming the host: in many of Apprise's URLs it is a token."""
        if self.context.scope.get("networks") is None:
            return
        address = literal(urlsplit(url).hostname or "")
        if address is None or not allowed(self.context.scope, str(address)):
            raise ProviderError(
                f"The URL of `notify.{channel}` does not name an IP address in the `networks` of this scope; "
                "nothing was sent. Correct the secret, or the networks in bascule.yaml.",
                permanent=True,
            )
