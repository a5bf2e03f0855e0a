"""An invitation with its dead link replaced: the same meeting (UID), the next version (SEQUENCE + 1). Pure.

RFC 5546 §2.1.4: a change of the place is a new version. Every occurrence of a series that was changed by itself
(RECURRENCE-ID) and has the link gets the new one too; those without keep what they have.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from providers.calendars.content import (
    Line,
    escaped,
    events_of,
    joined,
    lines_of,
    made,
    moment,
    own_lines,
    value_of,
)
from providers.calendars.meeting_links import Links

MARK = "X-BASCULE-STEP"
"""The property that says which run and step wrote the link."""
_TEXTS = frozenset({"LOCATION", "DESCRIPTION", "X-ALT-DESC", "COMMENT"})
_ADDRESSES = frozenset({"URL", "CONFERENCE"})
_NOTE = (
    "La réunion a lieu ici : {link}\nLes anciens liens, identifiants et numéros ne valent plus.\n"
    "The meeting takes place here: {link}\nFormer links, identifiers and numbers no longer hold.\n\n"
)
_MAILTO = re.compile(r"mailto:([a-z0-9.!#$%&'*+/=?^_`{|}~\-]+@[a-z0-9.\-]+)", re.IGNORECASE)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Standing(StrEnum):
    """How an invitation stands towards the change."""

    DEAD = "dead"
    """It leads to the vendor, and it is for us to change."""
    OURS = "ours"
    """This step changed it."""
    OTHERS = "others"
    """It leads to the vendor, and somebody elsewhere organises it."""
    WITHOUT = "without"
    """It does not lead there."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is put in place of which links, and on whose behalf. `link` has `{room}`; `mark`: run and step."""

    links: Links
    link: str
    domain: str
    mark: str

    def standing(self, text: str) -> Standing:
        lines = lines_of(text)
        events = [lines[start:end] for start, end in events_of(lines)]
        if any(_is_marked(event, self.mark) for event in events):
            return Standing.OURS
        dead = [event for event in events if self._leads_there(event)]
        if not dead:
            return Standing.WITHOUT
        return Standing.DEAD if all(self._for_us(event) for event in events) else Standing.OTHERS

    def leads_here(self, text: str) -> bool:
        """Whether a meeting has the new link: some servers drop properties that they do not know, such as the mark."""
        lines = lines_of(text)
        events = [lines[start:end] for start, end in events_of(lines)]
        return any(self._new(event) in line.text for event in events for line in own_lines(event))

    def _new(self, event: list[Line]) -> str:
        return self.link.replace("{room}", room(value_of(event, "UID")))

    def made(self, text: str, at: float) -> str:
        """The next version, as of this moment (seconds since the epoch)."""
        lines = lines_of(text)
        for start, end in reversed([*events_of(lines)]):
            if self._leads_there(lines[start:end]):
                lines[start : end + 1] = self._event(lines[start : end + 1], at)
        return joined(lines)

    def _leads_there(self, event: list[Line]) -> bool:
        if value_of(event, "STATUS").upper() == "CANCELLED":
            return False
        return any(
            self.links.owns(line.name)
            or ((line.name in _TEXTS | _ADDRESSES or line.name.startswith("X-")) and self.links.in_text(line.text))
            for line in own_lines(event)
        )

    def _for_us(self, event: list[Line]) -> bool:
        organiser = value_of(event, "ORGANIZER")
        domain = address_of(organiser).rpartition("@")[2].lower()
        return not organiser or domain == self.domain or domain.endswith(f".{self.domain}")

    def _event(self, event: list[Line], at: float) -> list[Line]:
        link = self._new(event)
        own = {id(line) for line in own_lines(event)}
        changed = [new for line in event[:-1] for new in (self._line(line, link) if id(line) in own else [line])]
        names = {line.name for line in changed}
        if "LOCATION" not in names:
            changed.append(made("LOCATION", escaped(link)))
        if "DESCRIPTION" not in names:
            changed.append(made("DESCRIPTION", escaped(_NOTE.format(link=link).rstrip())))
        if "CONFERENCE" not in names:
            changed.append(made("CONFERENCE", link, ";VALUE=URI;FEATURE=AUDIO,VIDEO"))
        changed = [*numbered(changed, sequence_of(event) + 1, at), made(MARK, escaped(self.mark))]
        return [*changed, event[-1]]

    def _line(self, line: Line, link: str) -> Iterator[Line]:
        """What stands in this line's place: it, another, or none."""
        if self.links.owns(line.name) or line.name == MARK:
            return
        text = line.text
        if line.name == "DESCRIPTION":
            yield line.with_value(escaped(_NOTE.format(link=link) + self.links.replaced(text, link)))
        elif line.name == "LOCATION" and self.links.is_place(text):
            yield line.with_value(escaped(link))
        elif not self.links.in_text(text):
            yield line
        elif line.name in _TEXTS:
            yield line.with_value(escaped(self.links.replaced(text, link)))
        elif line.name in _ADDRESSES or line.name.startswith("X-"):
            yield line.with_value(self.links.replaced(line.value, link))
        else:
            yield line


def room(uid: str) -> str:
    """A meeting's room: always the same for its UID, in the form of Visio's own (three, four and three letters)."""
    number = int.from_bytes(hashlib.sha256(f"room\0{uid}".encode()).digest())
    letters = "".join(_LETTERS[number // 26**place % 26] for place in range(10))
    return f"{letters[:3]}-{letters[3:7]}-{letters[7:]}"


def sequence_of(event: list[Line]) -> int:
    found = re.match(r"\s*(\d{1,9})\s*$", value_of(event, "SEQUENCE"))
    return int(found[1]) if found else 0


def numbered(event: list[Line], sequence: int, at: float) -> list[Line]:
    """The lines of an event, as this version of this moment."""
    own = {id(line) for line in own_lines(event)}
    kept: list[Line] = []
    for line in event:
        if id(line) in own and line.name in ("DTSTAMP", "LAST-MODIFIED"):
            kept.append(line.with_value(moment(at)))
        elif id(line) not in own or line.name != "SEQUENCE":
            kept.append(line)
    return [*kept, made("SEQUENCE", str(sequence))]


def restored(old: str, now: str, at: float) -> str:
    """The old invitation as a version after the one that attendees were told of."""
    lines, current = lines_of(old), lines_of(now)
    told = {_which(current[start:end]): sequence_of(current[start:end]) for start, end in events_of(current)}
    for start, end in reversed([*events_of(lines)]):
        sequence = told.get(_which(lines[start:end]), 0)
        if sequence > sequence_of(lines[start:end]):
            lines[start : end + 1] = [*numbered(lines[start:end], sequence + 1, at), lines[end]]
    return joined(lines)


def address_of(value: str) -> str:
    """`mailto:anne@example.net` -> the mail address; empty for anything else, and for what no envelope can carry."""
    found = _MAILTO.fullmatch(value.strip())
    return found[1] if found else ""


def _is_marked(event: list[Line], mark: str) -> bool:
    return any(line.name == MARK and line.text == mark for line in own_lines(event))


def _which(event: list[Line]) -> tuple[str, str]:
    return value_of(event, "UID"), value_of(event, "RECURRENCE-ID")
