"""Files that can be written, read back and removed over WebDAV (RFC 4918)."""

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from providers.base import ProviderError, Secret, Tag
from providers.dns.deadline import Deadline, TimeIsUpError
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.place import below
from providers.probes.plain_xml import xml
from providers.probes.web_answer import Answer
from providers.probes.web_call import basic, call
from providers.wants import WebdavProbe

MULTI_STATUS = 207
GONE = (404, 410)
NONE: Mapping[str, str] = {}
WORK_SHARE = 0.75
"""The part of an attempt's time after which it stops and tidies up in what is left."""

_ASKED = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<d:propfind xmlns:d="DAV:"><d:prop><d:resourcetype/><d:quota-available-bytes/></d:prop></d:propfind>'
)
_WORDS = {
    401: "user or password are wrong",
    403: "the user may not do that there",
    404: "there is no such folder",
    409: "the folder does not exist",
    423: "it is locked",
    503: "the server is not available, perhaps in maintenance",
    507: "there is no space left",
}
_REMOVAL = {"X-NC-Skip-Trashbin": "true"}
"""Nextcloud would keep a removed canary in the user's trash (apps/files_trashbin); other servers ignore it."""


class WebdavCheck(Check[WebdavProbe]):
    """`probe.webdav`. Outputs: `url` of the folder, `address`.

    `observe` asks for the folder and its free space. `apply` also writes a canary,
    reads it back, removes it and sees that it is gone. The canary is named for the
    run and step, so that what a crashed attempt left is overwritten and removed by the next.
    """

    def _look(self, want: WebdavProbe, attempt: Attempt) -> Seen:
        folder = _Folder(want, attempt)
        address = folder.look()
        told = f"{folder.url} can be read"
        if attempt.writing:
            _canary_goes_round(want, attempt)
            told = f"A file at {folder.url} could be written, read back and removed"
        return Seen(f"{told}, at {address}.", {"url": folder.url, "address": address})


def canary_name(tag: Tag) -> str:
    """The file's name: readable, safe in a URL, and different for every run and step."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "-", str(tag))[:60].strip("-")
    return f"bascule-canary-{readable}-{hashlib.sha256(str(tag).encode()).hexdigest()[:8]}.txt"


@dataclass(frozen=True, slots=True)
class _Folder:
    """The folder that is looked at, as its user."""

    want: WebdavProbe
    attempt: Attempt

    @property
    def url(self) -> str:
        return below(self.want.url, *self.want.folder.strip("/").split("/")) if self.want.folder else self.want.url

    def look(self) -> str:
        """The address where the folder answers, with space left. Raises DoesNotHoldError."""
        answer = self.ask("PROPFIND", self.url.rstrip("/") + "/", _ASKED, {"Depth": "0"})
        answer = _allowed(answer, "shown", MULTI_STATUS)
        found = xml(answer)
        if found.find(".//{DAV:}collection") is None:
            raise DoesNotHoldError(f"{answer.at} is no folder; expected one that takes files.")
        free = found.findtext(".//{DAV:}quota-available-bytes") or ""
        if free.strip() == "0":  # a negative number says that it is not known or without limit
            raise DoesNotHoldError(f"{answer.at} has 0 bytes left; expected space for a file.")
        return answer.address

    def ask(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = NONE) -> Answer:
        login: dict[str, str | Secret] = {
            "Authorization": basic(self.attempt.context, self.want.user, self.want.password),
            "Cache-Control": "no-cache",
        }
        kind = {"Content-Type": "application/xml" if method == "PROPFIND" else "text/plain"} if body else {}
        return call(self.attempt, method, url, headers={**login, **kind, **headers}, body=body)


def _canary_goes_round(want: WebdavProbe, attempt: Attempt) -> None:
    """Write, read back, remove, and see that it is gone; whatever happens, nothing is left behind if it can be helped.

    Raises DoesNotHoldError.
    """
    working = replace(attempt, deadline=Deadline(attempt.deadline.left() * WORK_SHARE))
    folder = _Folder(want, working)
    url = below(folder.url, canary_name(attempt.tag))
    text = f"Bascule writes this file for {attempt.tag} and removes it at once. {secrets.token_hex(16)}\n".encode()
    with _removed_at_the_end(_Folder(want, attempt), url):
        _allowed(folder.ask("PUT", url, text), "written", 200, 201, 204)
        read = _allowed(folder.ask("GET", url), "read back", 200)
        if read.body != text:
            raise DoesNotHoldError(
                f"{read.at} gave back {len(read.body)} bytes, {read.words}; expected the {len(text)} just written."
            )
        _allowed(folder.ask("DELETE", url, headers=_REMOVAL), "removed", 200, 202, 204)
        left = folder.ask("GET", url)
        if left.status not in GONE:
            raise DoesNotHoldError(f"{left.at} answered {left.status} after its removal; expected 404.")


@contextmanager
def _removed_at_the_end(folder: _Folder, url: str) -> Iterator[None]:
    """Removes the canary when the block does not end well. Raises DoesNotHoldError that names it if that fails too."""
    try:
        yield
    except (DoesNotHoldError, TimeIsUpError) as error:
        if not _removed(folder, url):
            told = str(error).removesuffix(".")
            raise DoesNotHoldError(f"{told}, and the canary may still be at {url}: remove it.") from error
        raise
    except BaseException:
        _removed(folder, url)
        raise


def _removed(folder: _Folder, url: str) -> bool:
    """Whether the canary is certainly gone, or was never there."""
    try:
        folder.ask("DELETE", url, headers=_REMOVAL)
        return folder.ask("GET", url).status in GONE
    except (DoesNotHoldError, ProviderError):
        return False


def _allowed(answer: Answer, done: str, *statuses: int) -> Answer:
    """The answer. Raises DoesNotHoldError that says why the file could not be written, read back or removed."""
    if answer.status in statuses:
        return answer
    why = f" ({_WORDS[answer.status]})" if answer.status in _WORDS else ""
    expected = " or ".join(str(status) for status in statuses)
    raise DoesNotHoldError(
        f"{answer.at} could not be {done}: the server answered {answer.status}{why}; expected {expected}."
    )
