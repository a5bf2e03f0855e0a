"""What checks of a mail domain ask for: its policies in DNS, and what receivers make of its mail."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import HostName, Port, Seconds, SecretRef, Wish, Zone
from providers.wants.dns import SpfEdit
from providers.wants.probes import MailAddress

Verdict = Literal["spf", "dkim", "dmarc"]


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError(
            "not_one_line", "This holds signs that end a line.", {"remedy": "Write it on one line, in plain signs."}
        )
    return text


OneLine = Annotated[str, Field(min_length=1, max_length=254), AfterValidator(_one_line)]
"""What is said within one line of a protocol, so that it can't begin another."""


class SpfProbe(SpfEdit):
    """`probe.spf`: after the edit of these domains, evaluating the SPF record costs at most `most` DNS lookups."""

    domain: Zone
    most: int = Field(default=10, ge=1, le=10, description="RFC 7208 allows ten")


class MtaStsProbe(Wish):
    """`probe.mta-sts`: the domain's MTA-STS policy, where it has one, allows these MX hosts."""

    domain: Zone
    mx: list[HostName] = Field(min_length=1, max_length=50)


class Mailbox(Wish):
    """A mailbox that is read over IMAP, in TLS from the first byte on."""

    host: HostName
    port: Port = 993
    user: OneLine
    password: SecretRef
    folder: OneLine = "INBOX"


class ImapProbe(Mailbox):
    """`probe.imap`: the message of this Message-ID is in the mailbox; the step deletes it, a verification does not."""

    message_id: str = Field(min_length=3, max_length=500, pattern=r"^<?[^\s<>\"]+@[^\s<>\"]+>?$")


class MailboxProbe(Mailbox):
    """`probe.mailbox`: the folder has a message, none too long ago; how long ago is measured.

    `from`: only messages of this sender count, such as a canary that comes every few minutes.
    """

    from_: MailAddress | None = Field(default=None, alias="from")
    max_age: Seconds | None = None


class Submission(Wish):
    """Where a mail program hands mail in: port 465 speaks TLS at once, any other by STARTTLS."""

    host: HostName
    port: Port = 465
    user: OneLine
    password: SecretRef


class MailProbe(Wish):
    """`probe.mail`: a mail from the domain reaches a mailbox elsewhere and is found genuine there.

    With `submission` the step hands the mail in itself; without it the newest mail from `from` is judged.
    """

    domain: Zone
    from_: MailAddress = Field(alias="from")
    to: MailAddress
    mailbox: Mailbox
    submission: Submission | None = None
    require: list[Verdict] = Field(default=["spf", "dkim", "dmarc"], min_length=1, max_length=3)

    @model_validator(mode="after")
    def _of_the_domain(self) -> Self:
        sender = self.from_.rpartition("@")[2].lower()
        if sender != self.domain and not sender.endswith(f".{self.domain}"):
            raise PydanticCustomError(
                "from_elsewhere",
                "{sender} is no address of {domain}.",
                {"sender": self.from_, "domain": self.domain, "remedy": "Send from an address of the domain."},
            )
        return self
