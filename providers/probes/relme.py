"""A page and a profile that name each other, so that the profile's link is shown as verified.

Mastodon verifies a link of a profile when the page it leads to links back with rel="me"
(https://docs.joinmastodon.org/user/profile/#verification); its profile pages carry their own
links with rel="me" in the head.
"""

from html.parser import HTMLParser

import httpx

from providers.probes.api_answer import require
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.web_answer import Answer
from providers.probes.web_call import call
from providers.wants import RelMeProbe

REDIRECTS = 3
REMEDY = "let everybody read it"


class RelMeCheck(Check[RelMeProbe]):
    """`probe.relme`. Outputs: `page`, `profile`, as they were asked for."""

    def _look(self, want: RelMeProbe, attempt: Attempt) -> Seen:
        _require_link(_page(attempt, want.page), want.profile, 'Put `<a rel="me" href="…">` on the page')
        _require_link(_page(attempt, want.profile), want.page, "Put the page's address into a field of the profile")
        return Seen(f"{want.page} and {want.profile} name each other.", {"page": want.page, "profile": want.profile})


def _page(attempt: Attempt, url: str) -> Answer:
    answer = call(attempt, "GET", url, headers={"Accept": "text/html"}, redirects=REDIRECTS)
    return require(answer, "The page", 200, remedy=REMEDY)


def _require_link(answer: Answer, wanted: str, remedy: str) -> None:
    found = _links(answer)
    if _canonical(httpx.URL(wanted)) not in found:
        raise DoesNotHoldError(
            f'{answer.at} has {len(found)} links with rel="me", none to {wanted}. {remedy}, and ask again.'
        )


def _links(answer: Answer) -> set[str]:
    """Where the page's links with rel="me" lead, canonical."""
    parser = _Links()
    parser.feed(answer.text)
    found = set()
    for href in parser.hrefs:
        try:
            found.add(_canonical(answer.url.join(href)))
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
