"""A page and a profile that name each other, so that the profile's link is shown as verified.

Mastodon verifies a link of a profile when the page it leads to links back with rel="me"
(https://docs.joinmastodon.org/user/profile/#verification). The profile's own links are looked for on its page,
and by the server's API (https://docs.joinmastodon.org/methods/accounts/#lookup) where the page has none.
"""

from html.parser import HTMLParser
from urllib.parse import quote

import httpx

from providers.probes.api_answer import parsed, require
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.web_answer import Answer
from providers.probes.web_call import call
from providers.wants import RelMeProbe

REDIRECTS = 3
REMEDY = "let everybody read it"


class RelMeCheck(Check[RelMeProbe]):
    """`probe.relme`. Outputs: `page`, `profile`, as they were asked for."""

    def _look(self, want: RelMeProbe, attempt: Attempt) -> Seen:
        page = _read(attempt, want.page)
        _require_link(page, _links(page.text, page.url), want.profile, 'Put `<a rel="me" href="…">` on the page')
        profile = _read(attempt, want.profile)
        links = _links(profile.text, profile.url) or _fields(attempt, profile.url)
        _require_link(profile, links, want.page, "Put the page's address into a field of the profile")
        return Seen(f"{want.page} and {want.profile} name each other.", {"page": want.page, "profile": want.profile})


def _read(attempt: Attempt, url: str) -> Answer:
    answer = call(attempt, "GET", url, headers={"Accept": "text/html"}, redirects=REDIRECTS)
    return require(answer, "The page", 200, remedy=REMEDY)


def _fields(attempt: Attempt, profile: httpx.URL) -> set[str]:
    """Where the profile's fields lead by the server's API, for pages that only a browser's scripts fill in."""
    user = profile.path.rstrip("/").rpartition("/@")[2]
    url = profile.copy_with(raw_path=f"/api/v1/accounts/lookup?acct={quote(user)}".encode(), fragment=None)
    answer = call(attempt, "GET", url, headers={"Accept": "application/json"})
    found = parsed(answer)
    fields = found.get("fields") if answer.status == 200 and isinstance(found, dict) else None
    values = [str(one.get("value")) for one in (fields if isinstance(fields, list) else ()) if isinstance(one, dict)]
    return _links(" ".join(values), profile)


def _require_link(answer: Answer, links: set[str], wanted: str, remedy: str) -> None:
    if _canonical(httpx.URL(wanted)) not in links:
        raise DoesNotHoldError(
            f'{answer.at} has {len(links)} links with rel="me", none to {wanted}. {remedy}, and ask again.'
        )


def _links(text: str, base: httpx.URL) -> set[str]:
    """Where the links with rel="me" lead, canonical."""
    parser = _Links()
    parser.feed(text)
    found = set()
    for href in parser.hrefs:
        try:
            found.add(_canonical(base.join(href)))
        except httpx.InvalidURL:
            continue
    return found


def _canonical(url: httpx.URL) -> str:
    """One spelling of the same address: httpx has done scheme, host and port; the last slash says nothing here."""
    return str(url.copy_with(fragment=None)).rstrip("/")


class _Links(HTMLParser):
    """Collects the targets of `<a>` and `<link>` whose rel holds `me`, among other words."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("a", "link") and "me" in (named.get("rel") or "").lower().split() and named.get("href"):
            self.hrefs.append(str(named["href"]).strip())
