"""The organisation's own pages, read as a visitor's browser would, without running a script: whom they bring in.

Only its own hosts are read, few pages of each domain, and what `robots.txt` keeps closed stays closed.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urldefrag, urlsplit
from urllib.robotparser import RobotFileParser

from providers.discovery.page_fetch import AGENT, Fetcher, Page, Visit
from providers.discovery.references import Reference, host_of, is_sign_in, read_page, read_style
from providers.discovery.sign import Kind, Sign
from providers.discovery.survey import Survey
from providers.dns.deadline import Deadline, TimeIsUpError

PAGES = 12
"""Pages and style sheets of one domain, besides its start pages."""
DEPTH = 2
"""Links from a start page."""
SITE_BYTES = 4 * 1024 * 1024
SITE_SECONDS = 20.0
REDIRECTS = 5
SHOWN = 200
"""Characters of a URL that evidence keeps."""


@dataclass
class Crawl:
    """One domain's pages. `starts`: its hosts whose start page is read."""

    survey: Survey
    fetcher: Fetcher
    domain: str
    starts: Sequence[str]
    bytes_left: int = SITE_BYTES
    pages_left: int = PAGES
    _robots: dict[str, RobotFileParser] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)
    _told: set[tuple[Kind, str]] = field(default_factory=set)
    _visit: Visit = field(init=False)

    def signs(self) -> Iterator[Sign]:
        try:
            deadline = Deadline(self.survey.deadline.within(SITE_SECONDS))
            with self.fetcher.visit(self.domain, deadline) as self._visit:
                yield from self._all()
        except TimeIsUpError:
            self.survey.note(self.domain, "page", f"pages of {self.domain}", "There was no time left to read them.")

    def _all(self) -> Iterator[Sign]:
        queue: deque[tuple[str, int]] = deque()
        for host in self.starts:
            yield from self._start(host, queue)
        while queue and self.pages_left > 0 and self.bytes_left > 0:
            url, depth = queue.popleft()
            self.pages_left -= 1
            page = self._get(url)
            if page is not None:
                yield from self._read(page, depth, queue)

    def _start(self, host: str, queue: deque[tuple[str, int]]) -> Iterator[Sign]:
        """Its page over HTTPS, or over HTTP where nothing listens for HTTPS."""
        for scheme in ("https", "http"):
            url = f"{scheme}://{host}/"
            page = self._get(url)
            if page is not None:
                yield from self._read(page, 0, queue)
                return

    def _get(self, url: str) -> Page | None:
        self._known.add(url)
        page = self._visit.get(url) if self.bytes_left > 0 and self._allowed(url) else None
        self.bytes_left -= page.size if page is not None else 0
        return page

    def _read(self, page: Page, depth: int, queue: deque[tuple[str, int]]) -> Iterator[Sign]:
        """A page's signs, after the redirects that lead to it; its links are queued."""
        for _ in range(REDIRECTS):
            if not page.location:
                break
            if not self.survey.ours(host_of(page.location)):
                yield from self._led_away(page)
                return
            led = self._get(page.location)
            if led is None:
                return
            page = led
        if page.content_type == "text/css":
            yield from self._brought_in(page.url, list(read_style(page.text, page.url)), depth, queue)
        elif page.status < 500 and "html" in page.content_type:
            found = read_page(page.text, page.url)
            yield from self._brought_in(page.url, found.loaded, depth, queue)
            yield from self._linked(page.url, found.links, depth, queue)

    def _led_away(self, page: Page) -> Iterator[Sign]:
        kind: Kind = "login" if is_sign_in(page.location) else "redirect"
        yield from self._sign(kind, page.url, page.location)

    def _brought_in(
        self, at: str, loaded: Sequence[Reference], depth: int, queue: deque[tuple[str, int]]
    ) -> Iterator[Sign]:
        for one in loaded:
            if not self.survey.ours(one.host):
                yield from self._sign("login" if one.kind == "form" and is_sign_in(one.url) else one.kind, at, one.url)
            elif one.kind in ("style", "frame"):
                self._queue(one.url, depth, queue)

    def _linked(self, at: str, links: Sequence[str], depth: int, queue: deque[tuple[str, int]]) -> Iterator[Sign]:
        """A link elsewhere is no dependency, unless it is how people sign in."""
        for url in links:
            if self.survey.ours(host_of(url)):
                self._queue(url, depth + 1, queue)
            elif is_sign_in(url):
                yield from self._sign("login", at, url)

    def _sign(self, kind: Kind, at: str, url: str) -> Iterator[Sign]:
        """Each host is told once for each kind, with the first page that shows it; without what a query says."""
        host = host_of(url)
        if host and (kind, host) not in self._told:
            self._told.add((kind, host))
            shown = urlsplit(url)._replace(query="", fragment="").geturl()[:SHOWN]
            yield Sign(self.domain, kind, at[:SHOWN], host, f"{at[:SHOWN]} {kind} {shown}")

    def _queue(self, url: str, depth: int, queue: deque[tuple[str, int]]) -> None:
        url = urldefrag(url).url
        if depth <= DEPTH and url not in self._known and len(self._known) < 10 * PAGES:
            self._known.add(url)
            queue.append((url, depth))

    def _allowed(self, url: str) -> bool:
        """What robots.txt of the page's host says (RFC 9309 §2.3.1): no file, no rule; no answer, nothing is read."""
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._robots:
            self._robots[site] = self._rules(site)
        return self._robots[site].can_fetch(AGENT, url)

    def _rules(self, site: str) -> RobotFileParser:
        rules = RobotFileParser()
        page = self._visit.get(f"{site}/robots.txt")
        closed = page is None or page.status >= 500
        ruled = page.text.splitlines() if page is not None and page.status == 200 else []
        rules.parse(["User-agent: *", "Disallow: /"] if closed else ruled)
        return rules
