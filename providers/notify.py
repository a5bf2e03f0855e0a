"""One message to people: by mail, or by any channel that Apprise knows.

A message can't be taken back, and nobody can tell from outside whether it arrived.
So a receipt in the step's workspace, written after the other side took it, is the
only proof; an intent without a receipt is unprovable, and a person decides.
"""

import json
from abc import ABC, abstractmethod
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import apprise

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.dns.deadline import Deadline
from providers.mail_delivery import deliver, message_id, require_mail_settings
from providers.reach import Reach, allowed, held_to, literal
from providers.wants import Message

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
        return message_id(self.context, tag)

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
        mail = _mail(want, settings, message_id).as_bytes()
        taken = deliver(self.context, settings, mail, list(settings["to"]), report)
        return f"{settings['host']} took {message_id} for {', '.join(taken)}."


def _mail(want: Message, settings: JsonMap, message_id: str) -> EmailMessage:
    require_mail_settings(want.channel, settings)
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


class AppriseMessage(MessageOnce):
    """`notify.send` through Apprise to the channel's `url` (a secret), in French, then in English.

    Apprise looks names up by itself, follows redirects, and only says yes or no: a
    failure may come before or after the message was taken. Each of its connections is
    held to what the scope reaches. In a scope with `networks` the URL must name an IP
    address in them.
    """

    def _send(self, want: Message, settings: JsonMap, message_id: str, report: Report) -> str:
        del report
        deadline = Deadline(self.context.deadline)  # the first message of a process loads all of Apprise
        channel = self.channel(want.channel, settings)
        title = f"{want.title.fr} / {want.title.en}"
        body = f"{want.body.fr}\n\n{want.body.en}\n\n{message_id}"
        if not self.taken(channel, want.channel, title, body, deadline):
            raise ProviderError(
                f"The channel {want.channel} did not confirm the message; "
                "ask there whether it arrived before sending it again.",
                permanent=False,
                effect_possible=True,
            )
        return f"The channel {want.channel} took {message_id}."

    def taken(self, channel: Any, name: str, title: str, body: str, deadline: Deadline) -> bool:
        """Whether Apprise's object says that the text was taken. Raises ProviderError(permanent) out of reach."""
        text = apprise.NotifyFormat.TEXT
        with held_to(Reach.of(self.context.scope)) as held:
            done = channel.notify(title=title, body=body, body_format=text, timeout=deadline.within(LONGEST_SECONDS))
        if not done and held.refused:
            raise _out_of_reach(name, effect_possible=held.passed > 0)
        return bool(done)

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


def _out_of_reach(channel: str, *, effect_possible: bool) -> ProviderError:
    """Without the address: in many of Apprise's URLs the place of the host holds a token."""
    said = "after it had begun elsewhere" if effect_possible else "so nothing was sent"
    return ProviderError(
        f"The URL of `notify.{channel}` leads to an address that this scope does not reach, {said}. Correct the "
        "secret, or add the network to `networks` in bascule.yaml if this scope may reach it.",
        permanent=True,
        effect_possible=effect_possible,
    )
