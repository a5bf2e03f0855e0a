"""A notice as a mail: a French and an English part, signed when the scope has a certificate."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from providers.base import JsonMap
from providers.people.notice import Notice
from providers.people.signature import Signer
from providers.people.wording import LANGUAGES, Language, say

SEVEN_BITS = SMTP.clone(cte_type="7bit")
"""A signed text must survive every server on its way (RFC 8551 §3.1.2)."""


def mail_of(
    notice: Notice, signer: Signer, settings: JsonMap, message_id: str, answers: str | None, at: float
) -> bytes:
    """`answers`: the Message-ID of the notice that this one takes back. `at`: when it is sent, seconds of the epoch."""
    head = EmailMessage(SEVEN_BITS)
    subject = " / ".join(notice.subject(language) for language in LANGUAGES)
    head["Subject"] = f"{subject} [{notice.reference}]"
    head["From"] = settings["from"]
    head["To"] = ", ".join(settings["to"])
    head["Date"] = formatdate(at)
    head["Message-ID"] = message_id
    if answers:
        head["In-Reply-To"] = answers
        head["References"] = answers
    head["Auto-Submitted"] = "auto-generated"
    head["MIME-Version"] = "1.0"
    body = EmailMessage(SEVEN_BITS)
    body.make_mixed()
    for language in LANGUAGES:
        part = EmailMessage(SEVEN_BITS)
        part.set_content(f"{notice.text(language)}\n{_signatures(notice, signer, language)}", disposition="inline")
        part["Content-Language"] = language
        del part["MIME-Version"]
        body.attach(part)
    del body["MIME-Version"]
    return signer.signed_mail(head, body)


def _signatures(notice: Notice, signer: Signer, language: Language) -> str:
    lines = [say(language, "mail_signed", signer=signer.mail_signer)] if signer.mail_signer else []
    if signed := signer.signed_text(notice.canonical()):
        lines.append(say(language, "notice_signed", fingerprint=signed.fingerprint, signature=str(signed)))
    return "\n".join(lines)
