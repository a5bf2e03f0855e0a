"""One page, read with bounds: at an address that the scope reaches, plain, cut at its size, and no further."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx

from providers.base import ProviderError
from providers.discovery.survey import Survey
from providers.dns.deadline import Deadline
from providers.probes.connection import tls_context, words
from providers.probes.resolver import UnresolvedError

PAGE_BYTES = 512 * 1024
ANSWER_SECONDS = 5.0
PAGE_SECONDS = 10.0
AGENT = "bascule"
"""Who asks, as robots.txt may name it."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a URL answered. `location`: where a redirect leads, absolute; empty without one."""

    url: str
    status: int
    location: str
    content_type: str
    text: str
    size: int


class Fetcher:
    """Opens visits for one discovery. Certificates are checked against the scope's authorities."""

    def __init__(self, survey: Survey) -> None:
        """Raises ProviderError(permanent) when the scope's authorities can't be read."""
        self._survey = survey
        self._tls = tls_context(survey.context)

    @contextmanager
    def visit(self, domain: str, deadline: Deadline) -> "Iterator[Visit]":
        """Pages of one domain, read one after the other within the deadline."""
        with ExitStack() as clients:
            yield Visit(self._survey, domain, deadline, self._tls, clients)


class Visit:
    """Keeps a connection to each host: its name stays in TLS, so that no two hosts share one."""

    def __init__(
        self, survey: Survey, domain: str, deadline: Deadline, tls: ssl.SSLContext, clients: ExitStack
    ) -> None:
        self._survey = survey
        self._domain = domain
        self._deadline = deadline
        self._tls = tls
        self._stack = clients
        self._clients: dict[str, httpx.Client] = {}

    def get(self, url: str) -> Page | None:
        """The page; None, and a note, when it can't be read. A port where nothing listens is no page and no note."""
        parsed = _parsed(url)
        if parsed is None:
            return None
        refusal = ""
        try:
            for address in self._survey.names.addresses(parsed.host):
                try:
                    return self._get_at(parsed, address)
                except httpx.TransportError as error:
                    refusal = words(error)
                    if _nobody_listens(error):
                        return None
        except (UnresolvedError, ProviderError) as error:
            refusal = str(error)
        self._survey.note(self._domain, "page", url, refusal or "It has no address.")
        return None

    def _get_at(self, url: httpx.URL, address: str) -> Page:
        """The name stays in the Host header and in TLS; the connection goes to the address that was checked."""
        headers = {"Host": url.netloc.decode(), "Accept-Encoding": "identity", "User-Agent": AGENT}
        patience = Deadline(self._deadline.within(PAGE_SECONDS))
        with self._client(url.host).stream(
            "GET",
            url.copy_with(host=address),
            headers=headers,
            extensions={"sni_hostname": url.host},
            timeout=patience.within(ANSWER_SECONDS),
            follow_redirects=False,
        ) as response:
            body = b""
            for part in response.iter_raw():
                body += part
                if len(body) >= PAGE_BYTES or patience.left() <= 0:
                    break
            return _page(url, response, body[:PAGE_BYTES])

    def _client(self, host: str) -> httpx.Client:
        if host not in self._clients:
            self._clients[host] = self._stack.enter_context(httpx.Client(verify=self._tls, trust_env=False))
        return self._clients[host]


def _page(url: httpx.URL, response: httpx.Response, body: bytes) -> Page:
    location = ""
    if response.has_redirect_location:
        led = _parsed(str(response.headers.get("location", "")), url)
        location = str(led) if led is not None else ""
    text = body.decode("utf-8", errors="replace")  # what is looked for is ASCII in every encoding that pages have
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Page(str(url), response.status_code, location, kind, text, len(body))


def _parsed(text: str, base: httpx.URL | None = None) -> httpx.URL | None:
    try:
        url = base.join(text) if base is not None else httpx.URL(text)
    except httpx.InvalidURL:
        return None
    return url if url.scheme in ("http", "https") and url.host else None


def _nobody_listens(error: httpx.TransportError) -> bool:
    """A closed port: the machine answered that there is nothing, which is an answer."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return True
        if isinstance(cause, ssl.SSLError):
            return False
        cause = cause.__cause__ or cause.__context__
    return False
