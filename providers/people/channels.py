"""The ways by which a notice goes out. Each knows whether it could, and sends once when it is told to."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from providers.base import Context, JsonMap, ProviderError, Report, Tag
from providers.dns.deadline import Deadline
from providers.mail_delivery import deliver, message_id, require_mail_settings
from providers.notify import AppriseMessage
from providers.people.mail import mail_of
from providers.people.notice import Notice
from providers.people.paper import print_notice
from providers.people.signature import Signer
from providers.people.sms import gsm, parts
from providers.people.wording import LANGUAGES
from providers.social.post import MastodonPost
from providers.wants import PAPER, SOCIAL, Post, Words


class Way(Protocol):
    """One channel."""

    @property
    def proves(self) -> bool:
        """Whether it finds again by itself what it sent, so that doing it again harms nothing."""
        ...

    def look(self, notice: Notice, tag: Tag) -> str:
        """What would go where, in a few words. Raises ProviderError(permanent) when it can't. Sends nothing."""
        ...

    def send(self, notice: Notice, tag: Tag, answers: str | None, report: Report) -> str:
        """By what the channel knows it from now on. `answers`: that of the notice which this one takes back.

        Raises ProviderError, with `effect_possible` when an answer was lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class Mail:
    """An `smtp` entry of the scope's `notify` block: one mail to all who are named there."""

    context: Context
    name: str
    settings: JsonMap
    signer: Signer
    proves: bool = False

    def look(self, notice: Notice, tag: Tag) -> str:
        require_mail_settings(self.name, self.settings)
        message_id(self.context, tag)
        signed = f", signed by {self.signer.mail_signer}" if self.signer.mail_signer else ", without S/MIME"
        return f"mail to {', '.join(self.settings['to'])}{signed}"

    def send(self, notice: Notice, tag: Tag, answers: str | None, report: Report) -> str:
        require_mail_settings(self.name, self.settings)
        identity = message_id(self.context, Tag(tag.run, f"{tag.step}/{self.name}"))
        mail = mail_of(notice, self.signer, self.settings, identity, answers, self.context.clock())
        deliver(self.context, self.settings, mail, list(self.settings["to"]), report)
        return identity


@dataclass(frozen=True, slots=True)
class Gateway:
    """An `apprise` entry: the whole notice, or with `sms: true` one short text in the GSM alphabet."""

    context: Context
    name: str
    settings: JsonMap
    signer: Signer
    proves: bool = False

    def look(self, notice: Notice, tag: Tag) -> str:
        self._channel()
        if not self.settings.get("sms"):
            return f"the notice to {self.name}"
        count = parts(sms_of(notice))
        return f"SMS to {self.name}, {count} {'part' if count == 1 else 'parts'} each"

    def send(self, notice: Notice, tag: Tag, answers: str | None, report: Report) -> str:
        identity = message_id(self.context, Tag(tag.run, f"{tag.step}/{self.name}"))
        deadline = Deadline(self.context.deadline)
        channel, short = self._channel(), bool(self.settings.get("sms"))
        if short:
            title, body = "", sms_of(notice)
        else:
            title = " / ".join(notice.subject(language) for language in LANGUAGES)
            body = notice.canonical() + self._signature(notice)
        if not AppriseMessage(self.context).taken(channel, self.name, title, body, deadline):
            raise ProviderError(f"{self.name} did not confirm the notice.", permanent=False, effect_possible=True)
        return identity

    def _signature(self, notice: Notice) -> str:
        signed = self.signer.signed_text(notice.canonical())
        return f"\n\nEd25519 ({signed.fingerprint}): {signed}\n" if signed is not None else ""

    def _channel(self) -> Any:
        return AppriseMessage(self.context).channel(self.name, self.settings)


def sms_of(notice: Notice) -> str:
    """French, then English, in the GSM alphabet."""
    return gsm(" / ".join(notice.short(language) for language in LANGUAGES))


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the scope's `social` block: an announcement, found again by its reference."""

    context: Context
    name: str
    proves: bool = True

    def look(self, notice: Notice, tag: Tag) -> str:
        self._post(notice).observe(self._want(notice), tag, None)
        return f"an announcement of {self.name}"

    def send(self, notice: Notice, tag: Tag, answers: str | None, report: Report) -> str:
        done = self._post(notice).apply(self._want(notice), tag, {}, report)
        return str(done.outputs["url"] or done.outputs["id"])

    def _want(self, notice: Notice) -> Post:
        return Post(account=self.name, text=Words(fr=notice.short("fr"), en=notice.short("en")))

    def _post(self, notice: Notice) -> MastodonPost:
        folder = f"social-{self.name}{'-undo' if notice.first else ''}"
        return MastodonPost(replace(self.context, workspace=self.context.workspace / folder))


@dataclass(frozen=True, slots=True)
class Paper:
    """Pages to print, in the step's workspace."""

    context: Context
    signer: Signer
    proves: bool = True

    def look(self, notice: Notice, tag: Tag) -> str:
        return "pages to print"

    def send(self, notice: Notice, tag: Tag, answers: str | None, report: Report) -> str:
        page = print_notice(notice, self.signer, self.context.workspace)
        report(f"Print {page}.")
        return str(page)


_DRIVERS: dict[str, Callable[[Context, str, JsonMap, Signer], Way]] = {"smtp": Mail, "apprise": Gateway}


def way_of(context: Context, channel: str, signer: Signer) -> Way:
    """Raises ProviderError(permanent) when the scope does not have it."""
    if channel == PAPER:
        return Paper(context, signer)
    if channel.startswith(SOCIAL):
        return Account(context, channel.removeprefix(SOCIAL))
    settings: JsonMap = context.scope.get("notify", {}).get(channel) or {}
    driver = _DRIVERS.get(str(settings.get("driver")))
    if driver is None:
        raise ProviderError(
            f"The scope has no `notify.{channel}` with a driver of {', '.join(_DRIVERS)}; add it to bascule.yaml.",
            permanent=True,
        )
    return driver(context, channel, settings, signer)
