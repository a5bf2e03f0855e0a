"""A page that answers with the expected status and text."""

import httpx

from providers.base import ProviderError
from providers.probes.check import ATTEMPT_SECONDS, Attempt, Check, DoesNotHoldError, Seen
from providers.probes.connection import tls_context, words
from providers.wants import HttpProbe

MOST_BYTES = 1024 * 1024
"""How much of a page is read to look for the expected text."""

MOST_REDIRECTS = 5


class HttpCheck(Check[HttpProbe]):
    """`probe.http`. Outputs: `status`, `url` (after redirects on the same host), `address`."""

    def _look(self, want: HttpProbe, attempt: Attempt) -> Seen:
        url = _parsed(want.url)
        with httpx.Client(verify=tls_context(attempt.context), trust_env=False) as client:
            for _ in range(MOST_REDIRECTS + 1):
                answer = _get(client, url, want, attempt)
                if answer.next is None or 300 <= want.status < 400:
                    return _judged(answer, want)
                url = answer.next
        raise DoesNotHoldError(f"{want.url} redirects more than {MOST_REDIRECTS} times.")


class _Answer:
    """A response without its connection: the text is cut at MOST_BYTES."""

    def __init__(self, url: httpx.URL, address: str, response: httpx.Response, body: bytes) -> None:
        self.url = url
        self.address = address
        self.status = response.status_code
        self.location = response.headers.get("location", "")
        self.text = body.decode(response.charset_encoding or "utf-8", errors="replace")
        self.cut = len(body) >= MOST_BYTES
        self.next = _same_host(url, self.location) if response.has_redirect_location else None


def _parsed(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ProviderError(f"{text} is no URL ({error}); correct the check.", permanent=True) from error
    if not url.host:
        raise ProviderError(f"{text} names no host; correct the check.", permanent=True)
    return url


def _same_host(url: httpx.URL, location: str) -> httpx.URL | None:
    """Where a redirect leads, when that is the same host; another host is never followed."""
    try:
        led = url.join(location)
    except httpx.InvalidURL:
        return None
    return led if led.scheme in ("http", "https") and led.host == url.host else None


def _get(client: httpx.Client, url: httpx.URL, want: HttpProbe, attempt: Attempt) -> _Answer:
    """One request at the first address that takes it."""
    failures: list[str] = []
    for address in attempt.names.addresses(want.address or url.host):
        try:
            return _get_at(client, url, address, attempt)
        except httpx.TransportError as error:
            failures.append(f"{address}: {words(error)}")
    raise DoesNotHoldError(f"{url} does not answer ({'; '.join(failures)}); expected status {want.status}.")


def _get_at(client: httpx.Client, url: httpx.URL, address: str, attempt: Attempt) -> _Answer:
    """The name stays in the Host header and in TLS; the connection goes to the address that was checked."""
    # Unpacked answers can be a thousand times larger than what was sent: ask for plain ones.
    headers = {"Host": url.netloc.decode(), "Accept-Encoding": "identity", "User-Agent": "bascule"}
    with client.stream(
        "GET",
        url.copy_with(host=address),
        headers=headers,
        extensions={"sni_hostname": url.host},
        timeout=attempt.deadline.within(ATTEMPT_SECONDS),
        follow_redirects=False,
    ) as response:
        body = b""
        for part in response.iter_raw():  # as it comes, so that a page that drips meets the deadline
            body += part
            attempt.deadline.within(ATTEMPT_SECONDS)
            if len(body) >= MOST_BYTES:
                break
        return _Answer(url, address, response, body[:MOST_BYTES])


def _judged(answer: _Answer, want: HttpProbe) -> Seen:
    at = f"{answer.url} at {answer.address}"
    if answer.status != want.status:
        led = f", leading to {answer.location[:200]}" if answer.location else ""
        raise DoesNotHoldError(f"{at} answered {answer.status}{led}; expected {want.status}.")
    if want.contains is not None and want.contains not in answer.text:
        where = f"the first {MOST_BYTES} bytes of {at}" if answer.cut else at
        raise DoesNotHoldError(f"{where} does not contain {want.contains!r}.")
    return Seen(
        f"{at} answered {answer.status}.",
        {"status": answer.status, "url": str(answer.url), "address": answer.address},
    )
