"""A calendar on a CalDAV server (RFC 4791): its meetings to come, and writing one only over what was read.

Every write carries the entity tag of what it replaces (If-Match), so that nobody's change is lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import httpx

from providers.base import ProviderError, Secret
from providers.calendars.content import moment
from providers.probes.api_answer import require
from providers.probes.check import Attempt, DoesNotHoldError
from providers.probes.plain_xml import xml
from providers.probes.web_answer import Answer
from providers.probes.web_call import basic, call

WHAT = "The calendar server"
REMEDY = "check the user, the password and the address of the calendar"
MOST_BYTES = 64 * 1024 * 1024
"""Of one listing, with every meeting in it."""
MULTI_STATUS = 207
CHANGED = 412
GONE = (404, 410)

_QUERY = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<c:calendar-query xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">'
    "<d:prop><d:getetag/><c:calendar-data/></d:prop>"
    '<c:filter><c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT"><c:time-range start="{start}"/>'
    "</c:comp-filter></c:comp-filter></c:filter></c:calendar-query>"
)
_DAV = "{DAV:}"
_DATA = "{urn:ietf:params:xml:ns:caldav}calendar-data"


@dataclass(frozen=True, slots=True)
class Held:
    """One meeting as the server has it: its URL, its entity tag, its text."""

    url: str
    etag: str
    text: str


class Calendar:
    """One collection, as one user, for one call of a provider.

    `wrote`: a write was done, or may have been. Its methods raise DoesNotHoldError when the server does not answer
    as it should, and ProviderError when it refuses the user or asks to wait.
    """

    def __init__(self, attempt: Attempt, url: str, user: str, password: str) -> None:
        self._attempt = attempt
        self._url = httpx.URL(url.rstrip("/") + "/")
        self._user = user
        self._password = password
        self.wrote = False

    def to_come(self, since: float) -> list[Held]:
        """Meetings that take place after this moment (seconds since the epoch); of a series, any occurrence."""
        body = _QUERY.format(start=moment(since)).encode()
        headers = {"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}
        answer = self._ask("REPORT", self._url, MULTI_STATUS, body=body, headers=headers)
        return [*self._listed(answer)]

    def meeting(self, url: str) -> Held | None:
        """None when it is gone."""
        answer = self._ask("GET", self._inside(httpx.URL(url)), 200, *GONE)
        if answer.status in GONE:
            return None
        etag = answer.headers.get("etag", "")
        if not etag or answer.cut or not answer.body.lstrip().upper().startswith(b"BEGIN:VCALENDAR"):
            raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected a meeting with its entity tag.")
        return Held(url, etag, answer.body.decode(errors="surrogateescape"))

    def put(self, held: Held, text: str) -> bool:
        """Write over exactly what was read; False when it was changed or removed meanwhile."""
        before, self.wrote = self.wrote, True
        body = text.encode(errors="surrogateescape")
        headers = {"If-Match": held.etag, "Content-Type": "text/calendar; charset=utf-8"}
        try:
            answer = self._call("PUT", self._inside(httpx.URL(held.url)), body, headers)
        except ProviderError as error:
            self.wrote = before if error.permanent else True  # what can't be asked at all was not asked
            raise
        if 400 <= answer.status < 500 or answer.status == 503:  # refused, so nothing happened (RFC 9110 §15.6.4)
            self.wrote = before
        require(answer, WHAT, 200, 201, 204, CHANGED, *GONE, remedy=REMEDY)
        return answer.status not in (CHANGED, *GONE)

    def sends_invitations(self) -> bool:
        """Whether the server tells attendees by itself when a meeting changes (RFC 6638 §2)."""
        answer = self._ask("OPTIONS", self._url, 200, 204)
        return "calendar-auto-schedule" in answer.headers.get("dav", "")

    def _listed(self, answer: Answer) -> Iterator[Held]:
        for response in xml(answer).iter(f"{_DAV}response"):
            href = (response.findtext(f"{_DAV}href") or "").strip()
            etag, text = _found(response)
            if href and etag and text:
                yield Held(str(self._inside(self._url.join(href))), etag, text)

    def _inside(self, url: httpx.URL) -> httpx.URL:
        """Raises DoesNotHoldError for what another server would have to answer: it would be given the password."""
        if (url.scheme, url.host, url.port) != (self._url.scheme, self._url.host, self._url.port):
            raise DoesNotHoldError(f"{self._url.host} lists a meeting at {url.host}; expected its own.")
        return url

    def _ask(
        self, method: str, url: httpx.URL, *statuses: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        return require(self._call(method, url, body, headers or {}), WHAT, *statuses, remedy=REMEDY)

    def _call(self, method: str, url: httpx.URL, body: bytes, headers: dict[str, str]) -> Answer:
        user = basic(self._attempt.context, self._user, self._password)
        sent: dict[str, str | Secret] = {"Authorization": user, **headers}
        return call(self._attempt, method, url, headers=sent, body=body, most_bytes=MOST_BYTES)


def _found(response: Element) -> tuple[str, str]:
    """The entity tag and the text of one meeting; empty where the server gives none."""
    for part in response.iter(f"{_DAV}propstat"):
        if " 200" in (part.findtext(f"{_DAV}status") or ""):
            return part.findtext(f".//{_DAV}getetag") or "", part.findtext(f".//{_DATA}") or ""
    return "", ""
