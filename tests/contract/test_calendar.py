"""Meetings with dead links get new ones, at a real CalDAV server: effects, undo, and what people changed since."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, Presence, ProviderError, Secret, Tag
from providers.calendars.caldav import Calendar
from providers.calendars.content import lines_of
from providers.calendars.reissue import CalendarReissue
from providers.calendars.reissued import room
from providers.wants import Reissue
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.contract.test_notify import changed, ends_message
from tests.dns_servers import relayed
from tests.probe_targets import mail_server
from tests.radicale_server import PASSWORD, USER, Radicale, radicale_server

TAG = Tag("2026-11-25-cutoff", "visio/meetings")
TEAMS = "https://teams.microsoft.com/l/meetup-join/19%3ameeting/0?context=x"
NOW = 1_795_000_000.0
"""Autumn 2026."""


def meeting(uid: str, *more: str, start: str = "20270115T090000Z", location: str = TEAMS) -> str:
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Valbourg//Test//FR",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        "DTSTAMP:20261101T000000Z",
        f"DTSTART:{start}",
        f"SUMMARY:Séance {uid}",
        f"LOCATION:{location}",
        "DESCRIPTION:Ordre du jour\\nPoint 1\\, budget",
        *more,
        "END:VEVENT",
    ]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def series(uid: str) -> str:
    """A weekly meeting with one occurrence that has another link, and one that is held in a room."""
    whole = meeting(uid, "RRULE:FREQ=WEEKLY", "SEQUENCE:2")
    for day, place in (("22", f"{TEAMS}&y"), ("29", "Salle 3")):
        one = meeting(uid, f"RECURRENCE-ID:202701{day}T090000Z", start=f"202701{day}T100000Z", location=place)
        event = one[one.index("BEGIN:VEVENT") : one.index("END:VCALENDAR")]
        whole = whole.replace("END:VCALENDAR", f"{event}END:VCALENDAR")
    return whole


@pytest.fixture(scope="module")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    with radicale_server(tmp_path_factory.mktemp("radicale")) as server:
        yield server


def wish(port: int, calendar: str, **more: Any) -> Reissue:
    return Reissue(
        calendar=f"http://127.0.0.1:{port}{calendar}",
        user=USER,
        password="secret://calendar",
        from_vendors=["teams"],
        link="https://visio.valbourg.example/{room}",
        domain="valbourg.example",
        **more,
    )


def scoped(tmp_path: Path, secrets: dict[str, str], **notify: Any) -> Context:
    scope = {
        "networks": ["127.0.0.0/8"],
        "smtp": {"helo": "bascule.valbourg.example"},
        "notify": notify,
    }
    reveal = lambda name: Secret(secrets[name.removeprefix("secret://")])  # noqa: E731
    return Context(scope, reveal, tmp_path / "workspace", tmp_path, deadline=10.0, clock=lambda: NOW)


def values(text: str, name: str) -> list[str]:
    return [line.text for line in lines_of(text) if line.name == name]


class TestReissue(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, radicale: Radicale, tmp_path: Path) -> Iterator[Case]:
        calendar = radicale.calendar()
        radicale.put(f"{calendar}one.ics", series("one"))
        radicale.put(f"{calendar}two.ics", meeting("two", location="Salle 1"))
        secrets = {"calendar": PASSWORD}

        def sequences() -> int:
            return sum(int(value) for text in radicale.all(calendar).values() for value in values(text, "SEQUENCE"))

        def moved() -> None:
            text = radicale.text(f"{calendar}one.ics")
            radicale.put(f"{calendar}one.ics", text.replace("Séance one", "Séance avancée"))

        with relayed(radicale.port, lambda sent: sent.startswith(b"PUT ")) as relay:
            yield Case(
                want=wish(relay.port, calendar),
                context=scoped(tmp_path, secrets),
                make=CalendarReissue,
                world=lambda: radicale.all(calendar),
                effects=sequences,
                effects_once=2,
                crash_after_write=relay.losing_answers,
                break_permanently=lambda: changed(secrets, calendar="wrong"),
                break_briefly=relay.down,
                foreign_change=moved,
                secrets=[PASSWORD],
                tag=TAG,
            )


def test_all_occurrences_with_the_link_get_the_new_one(radicale: Radicale, tmp_path: Path) -> None:
    calendar = radicale.calendar()
    radicale.put(f"{calendar}s.ics", series("s"))
    radicale.put(f"{calendar}past.ics", meeting("past", start="20200115T090000Z"))
    radicale.put(f"{calendar}theirs.ics", meeting("theirs", "ORGANIZER:mailto:x@partner.example"))
    past, theirs = radicale.text(f"{calendar}past.ics"), radicale.text(f"{calendar}theirs.ics")
    provider = CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD}))
    want = wish(radicale.port, calendar)
    told = provider.observe(want, TAG, None).message
    assert told == "Would give 1 meeting a new link, such as 'Séance s'; organised elsewhere and left: 1 meeting."
    done = provider.apply(want, TAG, {}, quiet)
    link = f"https://visio.valbourg.example/{room('s')}"
    text = radicale.text(f"{calendar}s.ics")
    assert (done.presence, done.outputs) == (Presence.OURS, {"events": 1, "told": 0})
    assert sorted(values(text, "LOCATION")) == sorted([link, link, "Salle 3"])
    assert sorted(values(text, "SEQUENCE")) == ["1", "3"]
    assert values(text, "X-BASCULE-STEP") == [str(TAG)] * 2
    assert (radicale.text(f"{calendar}past.ics"), radicale.text(f"{calendar}theirs.ics")) == (past, theirs)


def test_what_people_changed_since_is_left_and_the_rest_comes_back(radicale: Radicale, tmp_path: Path) -> None:
    calendar = radicale.calendar()
    for uid in "abc":
        radicale.put(f"{calendar}{uid}.ics", meeting(uid))
    before = radicale.all(calendar)
    provider = CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD}))
    want = wish(radicale.port, calendar)
    effect = provider.apply(want, TAG, {}, quiet).effect
    radicale.put(f"{calendar}b.ics", radicale.text(f"{calendar}b.ics").replace("SUMMARY:", "SUMMARY:Avancée "))
    radicale.client.delete(f"{calendar}c.ics").raise_for_status()
    found = provider.undo(want, TAG, effect, quiet)
    assert found.presence is Presence.CONFLICT
    assert "'Séance b', 'Séance c'" in found.message
    after = radicale.all(calendar)
    assert after["a.ics"] == before["a.ics"]
    assert values(after["b.ics"], "SUMMARY") == ["Avancée Séance b"]
    assert "c.ics" not in after


def test_a_change_at_the_same_moment_is_not_lost(radicale: Radicale, tmp_path: Path) -> None:
    calendar = radicale.calendar()
    radicale.put(f"{calendar}a.ics", meeting("a"))
    edits: list[int] = []

    def edited() -> None:
        edits.append(1)
        if len(edits) == 1:
            radicale.put(f"{calendar}a.ics", meeting("a").replace("Point 1", "Point 2"))

    with relayed(radicale.port, lambda sent: sent.startswith(b"PUT ")) as relay:
        provider = CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD}))
        with relay.interrupted_by(edited):
            done = provider.apply(wish(relay.port, calendar), TAG, {}, quiet)
    text = radicale.text(f"{calendar}a.ics")
    assert done.presence is Presence.OURS
    assert "Point 2" in values(text, "DESCRIPTION")[0]
    assert TEAMS not in values(text, "LOCATION")
    assert edits


INVITED = ("ORGANIZER;CN=Le maire:mailto:maire@valbourg.example", "ATTENDEE:mailto:anne@ailleurs.example",
           "ATTENDEE:mailto:maire@valbourg.example")  # fmt: skip


def test_attendees_are_told_once_and_told_when_it_is_taken_back(radicale: Radicale, tmp_path: Path) -> None:
    calendar = radicale.calendar()
    radicale.put(f"{calendar}a.ics", meeting("a", *INVITED))
    radicale.put(f"{calendar}alone.ics", meeting("alone"))
    with mail_server() as mail:
        channel = {"driver": "smtp", "host": "127.0.0.1", "port": mail.port, "from": "agenda@valbourg.example"}
        provider = CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD}, agenda={**channel, "to": ["x@y.example"]}))
        want = wish(radicale.port, calendar, notify="agenda")
        done = provider.apply(want, TAG, {}, quiet)
        assert provider.apply(want, TAG, {}, quiet).outputs == done.outputs == {"events": 2, "told": 1}
        for _ in range(2):
            assert provider.undo(want, TAG, done.effect, quiet).presence is Presence.ABSENT
        first, second = (message_from_bytes(content, policy=default) for content in mail.taken)
        assert mail.recipients == ["anne@ailleurs.example"] * 2
    requests = [part for part in first.walk() if part.get_content_type() == "text/calendar"]
    assert requests[0].get_param("method") == "REQUEST"
    texts = [
        next(part for part in mail.walk() if part.get_content_type() == "text/calendar").get_payload(decode=True)
        for mail in (first, second)
    ]
    asked = [text.decode() for text in texts if isinstance(text, bytes)]
    assert [values(text, "SEQUENCE") for text in asked] == [["1"], ["2"]]
    assert [values(text, "LOCATION") for text in asked] == [[f"https://visio.valbourg.example/{room('a')}"], [TEAMS]]
    assert first["From"] == "maire@valbourg.example"
    assert values(radicale.text(f"{calendar}a.ics"), "SEQUENCE") == ["2"]


def test_attendees_who_are_refused_do_not_keep_others_from_being_told(radicale: Radicale, tmp_path: Path) -> None:
    calendar = radicale.calendar()
    for uid, who in (("a", "nobody@valbourg.example"), ("b", "anne@ailleurs.example")):
        radicale.put(f"{calendar}{uid}.ics", meeting(uid, INVITED[0], f"ATTENDEE:mailto:{who}"))
    with mail_server() as mail:
        channel = {"driver": "smtp", "host": "127.0.0.1", "port": mail.port, "from": "agenda@valbourg.example"}
        provider = CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD}, agenda=channel))
        with refused() as caught:
            provider.apply(wish(radicale.port, calendar, notify="agenda"), TAG, {}, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (True, True)
    assert "of 1 of 2 meetings are not told, such as 'Séance a'" in caught.value.message
    assert mail.recipients == ["anne@ailleurs.example"]


def test_a_server_that_drops_our_mark_is_known_by_the_link(radicale: Radicale, tmp_path: Path) -> None:
    calendar = radicale.calendar()
    radicale.put(f"{calendar}a.ics", meeting("a"))
    before = radicale.all(calendar)
    provider = CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD}))
    want = wish(radicale.port, calendar)
    provider.apply(want, TAG, {}, quiet)
    text = radicale.text(f"{calendar}a.ics")
    radicale.put(f"{calendar}a.ics", re.sub(r"X-BASCULE-STEP[^\n]*\n", "", text))
    found = provider.observe(want, TAG, {})
    assert (found.presence, found.outputs["events"]) == (Presence.OURS, 1)
    assert provider.undo(want, TAG, found.effect, quiet).presence is Presence.ABSENT
    assert radicale.all(calendar) == before


def test_a_mail_without_an_answer_is_sent_again_with_the_same_identity(radicale: Radicale, tmp_path: Path) -> None:
    calendar = radicale.calendar()
    radicale.put(f"{calendar}a.ics", meeting("a", *INVITED))
    with ExitStack() as stack:
        mail = stack.enter_context(mail_server())
        relay = stack.enter_context(relayed(mail.port, ends_message))
        channel = {"driver": "smtp", "host": "127.0.0.1", "port": relay.port, "from": "agenda@valbourg.example"}
        provider = CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD}, agenda=channel))
        want = wish(radicale.port, calendar, notify="agenda")
        with relay.losing_answers(), refused() as caught:
            provider.apply(want, TAG, {}, quiet)
        assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
        found = provider.observe(want, TAG, {})
        assert (found.presence, len(found.effect["events"])) == (Presence.ABSENT, 1)
        assert provider.apply(want, TAG, {}, quiet).outputs["told"] == 1
        ids = {message_from_bytes(content)["Message-ID"] for content in mail.taken}
    assert (len(mail.taken), len(ids)) == (2, 1)


def test_a_server_that_tells_attendees_itself_is_not_helped(
    radicale: Radicale, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Calendar, "sends_invitations", lambda _: True)
    channel = {"driver": "smtp", "host": "127.0.0.1", "port": 25, "from": "agenda@valbourg.example"}
    provider = CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD}, agenda=channel))
    with pytest.raises(ProviderError, match="remove `notify`"):
        provider.observe(wish(radicale.port, radicale.calendar(), notify="agenda"), TAG, None)


def test_a_calendar_without_such_links_is_already_so(radicale: Radicale, tmp_path: Path) -> None:
    calendar = radicale.calendar()
    radicale.put(f"{calendar}a.ics", meeting("a", location="Salle 1"))
    found = CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD})).observe(wish(radicale.port, calendar), TAG, None)
    assert (found.presence, found.outputs) == (Presence.ALREADY, {"events": 0, "told": 0})


@pytest.mark.parametrize("calendar", ["/anne/nowhere/", "/bruno/"])
def test_a_calendar_that_is_not_there_is_said(radicale: Radicale, tmp_path: Path, calendar: str) -> None:
    with refused() as caught:
        CalendarReissue(scoped(tmp_path, {"calendar": PASSWORD})).observe(wish(radicale.port, calendar), TAG, None)
    assert "The calendar server" in caught.value.message
