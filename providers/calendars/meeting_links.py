"""How each vendor's meetings are recognised in an invitation. A table: a new vendor is one entry."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_END = r"[^\s<>\"'\\\]\)]*"
"""What a URL goes on with inside a text, an HTML attribute or brackets."""


@dataclass(frozen=True, slots=True)
class Marks:
    """`url`: links of its meetings. `labels`: what it writes as a place. `properties`: its own, with such links."""

    url: re.Pattern[str]
    labels: re.Pattern[str]
    properties: frozenset[str]


def _marks(hosts: str, labels: str, *properties: str) -> Marks:
    return Marks(
        re.compile(rf"https?://(?:{hosts}){_END}", re.IGNORECASE),
        re.compile(rf"^\s*(?:{labels})\s*$", re.IGNORECASE),
        frozenset(properties),
    )


VENDORS: Mapping[str, Marks] = MappingProxyType(
    {
        "teams": _marks(
            r"(?:[a-z0-9\-]+\.)?teams\.(?:microsoft|live|cloud\.microsoft)(?:\.com)?/|aka\.ms/JoinTeamsMeeting"
            r"|dialin\.teams\.microsoft\.com/|meet\.lync\.com/",
            r"microsoft teams(?: meeting)?|réunion microsoft teams|skype(?: teams)? meeting",
            "X-MICROSOFT-SKYPETEAMSMEETINGURL",
            "X-MICROSOFT-SKYPETEAMSPROPERTIES",
            "X-MICROSOFT-ONLINEMEETINGCONFLINK",
            "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK",
            "X-MICROSOFT-ONLINEMEETINGINFORMATION",
            "X-MICROSOFT-SCHEDULINGSERVICEUPDATEURL",
        ),
        "zoom": _marks(
            r"(?:[a-z0-9\-]+\.)*zoom(?:gov)?\.(?:us|com)/(?:j|my|w|s|wc|meeting|webinar|u)/",
            r"zoom(?: meeting| video communications)?|réunion zoom",
            "X-ZOOM-MEETING-URL",
        ),
        "meet": _marks(
            r"meet\.google\.com/|tel\.meet/",
            r"google meet(?: \(.*\))?",
            "X-GOOGLE-CONFERENCE",
            "X-GOOGLE-HANGOUT",
        ),
        "webex": _marks(
            r"(?:[a-z0-9\-]+\.)+webex\.com/",
            r"webex(?: meeting)?|réunion webex",
            "X-CISCO-WEBEX-MEETING-URL",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Links:
    """The links of some vendors."""

    marks: tuple[Marks, ...]

    @classmethod
    def of(cls, vendors: Iterable[str]) -> "Links":
        return cls(tuple(VENDORS[name] for name in vendors))

    def in_text(self, text: str) -> bool:
        return any(one.url.search(text) for one in self.marks)

    def replaced(self, text: str, link: str) -> str:
        for one in self.marks:
            text = one.url.sub(lambda _: link, text)
        return text

    def is_place(self, text: str) -> bool:
        """Whether a place says nothing but that it is a meeting there."""
        return any(one.labels.match(text) for one in self.marks)

    def owns(self, name: str) -> bool:
        return any(name in one.properties for one in self.marks)
