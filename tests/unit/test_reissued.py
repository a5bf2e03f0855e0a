"""Invitations: what changes when their link does, and that nothing else does."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.calendars.content import escaped, fingerprint, folded, joined, lines_of
from providers.calendars.itip import attendees_of, mail_of, request_of
from providers.calendars.meeting_links import VENDORS, Links
from providers.calendars.reissued import Change, Standing, address_of, restored, room

TEAMS = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%22Tid%22%3a%22a%22%7d"
NEW = "https://visio.valbourg.example/"
AT = 1_795_000_000.0
CHANGE = Change(Links.of(["teams"]), NEW + "{room}", "valbourg.example", "run-1/step-1")


def meeting(*lines: str, organiser: str = "maire@valbourg.example") -> str:
    """As Exchange writes it: folded, with alarms, time zones and properties of its own."""
    return "".join(
        folded(line)
        for line in (
            "BEGIN:VCALENDAR",
            "PRODID:-//Microsoft Corporation//Outlook 16.0 MIMEDIR//EN",
            "VERSION:2.0",
            "X-KEPT;X-PARAM=\"a:b;c\":d\\, e",
            "BEGIN:VEVENT",
            "UID:040000008200E00074C5B7101A82E008",
            "DTSTAMP:20261101T000000Z",
            "DTSTART;TZID=Europe/Paris:20301201T090000",
            "SUMMARY:Conseil municipal\\, séance",
            f"ORGANIZER;CN=\"Le maire: lui\":mailto:{organiser}",
            "ATTENDEE;CN=Anne;RSVP=TRUE:mailto:anne@ailleurs.example",
            f"ATTENDEE:MAILTO:{organiser}",
            *lines,
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            f"DESCRIPTION:Rappel {TEAMS}",
            "TRIGGER:-PT15M",
            "END:VALARM",
            "END:VEVENT",
            "END:VCALENDAR",
        )
    )  # fmt: skip


DESCRIBED = meeting(
    f"DESCRIPTION:Ordre du jour\\, point 1\\n____\\nJoin: {escaped(TEAMS)}\\nFin",
    "LOCATION;LANGUAGE=fr:Réunion Microsoft Teams",
    f"X-MICROSOFT-SKYPETEAMSMEETINGURL:{TEAMS}",
    f'X-ALT-DESC;FMTTYPE=text/html:<a href="{TEAMS}">Join</a>',
    "SEQUENCE:4",
)


def values(text: str, name: str) -> list[str]:
    return [line.text for line in lines_of(text) if line.name == name]


def test_the_same_meeting_in_its_next_version_leads_to_the_new_place() -> None:
    made = CHANGE.made(DESCRIBED, AT)
    link = NEW + room("040000008200E00074C5B7101A82E008")
    assert values(made, "UID") == values(DESCRIBED, "UID")
    assert values(made, "SEQUENCE") == ["5"]
    assert values(made, "LOCATION") == [link]
    assert values(made, "CONFERENCE") == [link]
    assert values(made, "X-BASCULE-STEP") == ["run-1/step-1"]
    assert values(made, "X-MICROSOFT-SKYPETEAMSMEETINGURL") == []
    assert values(made, "X-ALT-DESC") == [f'<a href="{link}">Join</a>']
    described, alarm = values(made, "DESCRIPTION")
    assert described.startswith(f"La réunion a lieu ici : {link}\n")
    assert described.endswith(f"Ordre du jour, point 1\n____\nJoin: {link}\nFin")
    assert TEAMS in alarm
    assert CHANGE.standing(DESCRIBED) is Standing.DEAD
    assert CHANGE.standing(made) is Standing.OURS
    assert (CHANGE.leads_here(made), CHANGE.leads_here(DESCRIBED)) == (True, False)


def test_what_does_not_change_stays_byte_for_byte() -> None:
    made = CHANGE.made(DESCRIBED, AT)
    before, after = ([line.raw for line in lines_of(text)] for text in (DESCRIBED, made))
    changed = {"DESCRIPTION", "LOCATION", "X-MICROSOFT-SKYPETEAMSMEETINGURL", "X-ALT-DESC", "SEQUENCE", "DTSTAMP"}
    kept = [line.raw for line in lines_of(DESCRIBED) if line.name not in changed]
    assert [raw for raw in before if raw in after and raw in kept] == kept
    assert all(len(part.encode()) <= 75 for part in made.split("\r\n"))


def test_a_series_and_its_changed_occurrences() -> None:
    series = meeting(f"LOCATION:{TEAMS}", "RRULE:FREQ=WEEKLY")
    moved = meeting(f"LOCATION:Salle 2 / {TEAMS}", "RECURRENCE-ID:20301208T080000Z", "SEQUENCE:2")
    indoors = meeting("LOCATION:Salle 3", "RECURRENCE-ID:20301215T080000Z", "SEQUENCE:7")
    events = [text[text.index("BEGIN:VEVENT") : text.index("END:VCALENDAR")] for text in (series, moved, indoors)]
    whole = series[: series.index("BEGIN:VEVENT")] + "".join(events) + "END:VCALENDAR\r\n"
    made = CHANGE.made(whole, AT)
    link = NEW + room("040000008200E00074C5B7101A82E008")
    assert values(made, "LOCATION") == [link, f"Salle 2 / {link}", "Salle 3"]
    assert sorted(values(made, "SEQUENCE")) == ["1", "3", "7"]
    assert events[2] in made


@pytest.mark.parametrize(
    ("text", "standing"),
    [
        (meeting(f"LOCATION:{TEAMS}", organiser="x@services.valbourg.example"), Standing.DEAD),
        (meeting(f"LOCATION:{TEAMS}", organiser="x@partner.example"), Standing.OTHERS),
        (meeting(f"LOCATION:{TEAMS}", organiser="x@notvalbourg.example"), Standing.OTHERS),
        (meeting(f"LOCATION:{TEAMS}", organiser="unreadable"), Standing.OTHERS),
        (meeting(f"LOCATION:{TEAMS}", "STATUS:CANCELLED"), Standing.WITHOUT),
        (meeting("LOCATION:Salle 1", "DESCRIPTION:https://zoom.us/j/1"), Standing.WITHOUT),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nnonsense\nEND:VEVENT", Standing.WITHOUT),
    ],
)
def test_whose_meeting_it_is(text: str, standing: Standing) -> None:
    assert CHANGE.standing(text) is standing


@pytest.mark.parametrize(
    ("vendor", "url"),
    [
        ("teams", TEAMS),
        ("teams", "https://teams.live.com/meet/9312345678901"),
        ("teams", "https://teams.cloud.microsoft/l/meetup-join/19%3ax"),
        ("teams", "https://aka.ms/JoinTeamsMeeting?omkt=fr-FR"),
        ("zoom", "https://us02web.zoom.us/j/81234567890?pwd=abc"),
        ("zoom", "https://zoom.us/my/mairie"),
        ("meet", "https://meet.google.com/abc-defg-hij"),
        ("webex", "https://valbourg.webex.com/valbourg-fr/j.php?MTID=m1"),
    ],
)
def test_links_of_meetings_are_recognised(vendor: str, url: str) -> None:
    for text in (url, f"Ici <{url}>, puis", f'<a href="{url}">', f"({url})"):
        assert Links.of([vendor]).replaced(text, "NEW") == text.replace(url, "NEW")
    others = Links.of(name for name in VENDORS if name != vendor)
    assert not others.in_text(url)


@pytest.mark.parametrize(
    "url", ["https://zoom.us/pricing", "https://notteams.example/", "https://teams.microsoft.com.evil.example/l"]
)
def test_other_pages_are_no_meetings(url: str) -> None:
    assert not Links.of(VENDORS).in_text(url)


def test_a_room_is_always_the_same_and_has_the_form_of_visios() -> None:
    assert room("a") == room("a") != room("b")
    assert re.fullmatch(r"[a-z]{3}-[a-z]{4}-[a-z]{3}", room("a"))


def test_the_old_invitation_comes_back_as_a_later_version() -> None:
    made = CHANGE.made(DESCRIBED, AT)
    back = restored(DESCRIBED, made, AT + 60)
    assert values(back, "SEQUENCE") == ["6"]
    assert fingerprint(back) == fingerprint(DESCRIBED) != fingerprint(made)


def test_the_invitation_by_mail_is_a_request_to_all_but_the_organiser() -> None:
    made = CHANGE.made(DESCRIBED, AT)
    assert attendees_of(made) == ["anne@ailleurs.example"]
    assert "METHOD:REQUEST\r\n" in request_of(made)
    assert "X-BASCULE-STEP" not in request_of(made)
    mail = mail_of(made, {"from": "agenda@valbourg.example"}, "<1@valbourg.example>", AT)
    assert b'method="REQUEST"' in mail or b"method=REQUEST" in mail


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300))
def test_any_text_survives_folding_and_escaping(text: str) -> None:
    raw = folded(f"DESCRIPTION:{escaped(text)}")
    (line,) = lines_of(raw)
    assert line.text == text
    assert joined([line]) == raw
    assert all(len(part.encode()) <= 75 for part in raw.split("\r\n"))


@given(st.text(max_size=300))
def test_lines_joined_are_the_text(text: str) -> None:
    assert joined(lines_of(text)) == text


@pytest.mark.parametrize(
    "value",
    ["mailto:a@b.example\r\nBcc: c", "mailto:<a@b.example>", "mailto:a b@c.example", "tel:1", "", "mailto:é@b.example"],
)
def test_what_is_no_mail_address_is_never_written_to(value: str) -> None:
    assert address_of(value) == ""
