"""An invitation as a mail that calendar programs take over (iTIP, RFC 5546; by mail, RFC 6047).

A program takes a REQUEST for what it knows only when its SEQUENCE is higher, or equal with a later DTSTAMP; the
same one twice changes nothing.
"""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from providers.base import JsonMap
from providers.calendars.content import Line, events_of, joined, lines_of, made, own_lines, value_of
from providers.calendars.reissued import MARK, address_of

_TEXT = (
    "Bonjour,\n\nLe lien de la réunion « {summary} » a changé. L'invitation jointe remplace la précédente ; "
    "la date ne change pas.\n\nHello,\n\nThe link of the meeting “{summary}” has changed. The invitation with this "
    "message replaces the former one; the date does not change.\n"
)


def attendees_of(text: str) -> list[str]:
    """The mail addresses of all but the organiser; empty where nobody organises it, for then nobody was invited."""
    events = _events(text)
    organisers = {address_of(value_of(event, "ORGANIZER")).lower() for event in events} - {""}
    if not organisers:
        return []
    named = [address_of(line.value) for event in events for line in own_lines(event) if line.name == "ATTENDEE"]
    return sorted({one for one in named if one and one.lower() not in organisers})


def request_of(text: str) -> str:
    """The stored meeting as a REQUEST, without our own mark."""
    lines = [line for line in lines_of(text) if line.name not in (MARK, "METHOD")]
    start = next(place for place, line in enumerate(lines) if line.name == "BEGIN")
    return joined([*lines[: start + 1], made("METHOD", "REQUEST"), *lines[start + 1 :]])


def mail_of(text: str, settings: JsonMap, message_id: str, at: float) -> bytes:
    """`settings`: the channel's; the mail comes from the organiser, by the channel's sender. `at`: seconds, epoch."""
    events = _events(text)
    summary = next((line.text for line in own_lines(events[0]) if line.name == "SUMMARY"), "")
    summary = " ".join(summary.split())[:200]
    mail = EmailMessage(SMTP)
    mail["Subject"] = f"Nouveau lien / New link: {summary}"
    mail["From"] = address_of(value_of(events[0], "ORGANIZER")) or settings["from"]
    mail["Sender"] = settings["from"]
    mail["To"] = ", ".join(attendees_of(text))
    mail["Date"] = formatdate(at)
    mail["Message-ID"] = message_id
    mail.set_content(_TEXT.format(summary=summary))
    mail.add_alternative(request_of(text), subtype="calendar", params={"method": "REQUEST", "component": "VEVENT"})
    return mail.as_bytes()


def _events(text: str) -> list[list[Line]]:
    lines = lines_of(text)
    return [lines[start:end] for start, end in events_of(lines)]
