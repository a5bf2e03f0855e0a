"""One HTTP request of a check: `call(attempt, "GET", url)` -> Answer.

Names resolve through the scope's resolvers, and the connection goes to the address
that was checked against the scope's networks. TLS is verified under the scope's
authorities for the URL's name. Another host is never followed. The body is bounded
in bytes, and every wait by the attempt's deadline, also where a server drips.

A header whose value is a Secret is never shown, and never sent in clear to another
machine: `headers={"Authorization": bearer(attempt.context, "secret://key")}`.
"""

import base64
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import quote_plus

import httpcore
import httpx

from providers.base import Context, ProviderError, Secret
from providers.probes.bounded_line import BoundedBackend
from providers.probes.check import ATTEMPT_SECONDS, Attempt, DoesNotHoldError
from providers.probes.connection import is_ours, tls_context, words
from providers.probes.web_answer import Answer

MOST_BYTES = 1024 * 1024
"""How much of a body is read where the check does not say."""

READING = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"})
"""Methods that may be asked again at another address after an answer was lost."""

_UNREACHED = (httpcore.ConnectError, httpcore.ConnectTimeout)
_FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)

Headers = Mapping[str, str | Secret]


def call(
    attempt: Attempt,
    method: str,
    url: str | httpx.URL,
    *,
    headers: Headers | None = None,
    body: bytes = b"",
    redirects: int = 0,
    most_bytes: int = MOST_BYTES,
) -> Answer:
    """The answer, whatever its status.

    `redirects`: how many are followed, on the same host only; none when the request writes
    or holds a secret.
    With status 101 the body is left alone.
    Raises DoesNotHoldError when nobody answers; ProviderError(permanent) when the
    URL or a secret can't be used, or no address is in the scope's networks.
    """
    request = _Call(attempt, method, parsed(url), headers or {}, body, most_bytes)
    if redirects == 0 or request.hidden or method not in READING:
        return _at_any_address(request)
    for _ in range(redirects + 1):
        answer = _at_any_address(request)
        led = _same_host(answer)
        if led is None:
            return answer
        request = _Call(attempt, method, led, headers or {}, body, most_bytes)
    raise DoesNotHoldError(f"{url} redirects more than {redirects} times.")


def basic(context: Context, user: str, password: str) -> Secret:
    """The `Authorization` of a user whose password this reference names (RFC 7617)."""
    pair = f"{user}:{context.reveal(password).reveal()}"
    return Secret(f"Basic {base64.b64encode(pair.encode()).decode()}")


def client(context: Context, name: str, secret: str) -> Secret:
    """The `Authorization` of an OAuth 2.0 client; both are encoded as in a form before (RFC 6749 §2.3.1)."""
    pair = f"{quote_plus(name)}:{quote_plus(context.reveal(secret).reveal())}"
    return Secret(f"Basic {base64.b64encode(pair.encode()).decode()}")


def bearer(context: Context, token: str) -> Secret:
    """The `Authorization` of a token that this reference names (RFC 6750)."""
    return Secret(f"Bearer {context.reveal(token).reveal()}")


def parsed(url: str | httpx.URL) -> httpx.URL:
    """Raises ProviderError(permanent) for what is no URL of a web server, or carries a password."""
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ProviderError(f"{url} is no URL ({error}); correct the check.", permanent=True) from error
    if found.userinfo:
        raise ProviderError(
            f"The URL for {found.host} carries a user or password; give them apart from it, the password as "
            "`secret://name`.",
            permanent=True,
        )
    if not found.host:
        raise ProviderError(f"{url} names no host; correct the check.", permanent=True)
    if found.scheme not in ("http", "https"):
        raise ProviderError(f"{url} does not begin with http:// or https://; correct the check.", permanent=True)
    return found


class _Call:
    """One request, ready to be sent to an address."""

    def __init__(
        self, attempt: Attempt, method: str, url: httpx.URL, headers: Headers, body: bytes, most_bytes: int
    ) -> None:
        self.attempt = attempt
        self.method = method
        self.url = url
        self.body = body
        self.most_bytes = most_bytes
        self.hidden = _parts([value.reveal() for value in headers.values() if isinstance(value, Secret)])
        # Unpacked answers can be a thousand times larger than what was sent: ask for plain ones.
        plain = {"Accept-Encoding": "identity", "User-Agent": "bascule"}
        if not body and method in ("POST", "PUT", "PATCH"):
            plain["Content-Length"] = "0"  # some servers insist on a length (411)
        self.headers = [("Host", url.netloc.decode()), *_sendable({**plain, **headers}, url)]

    def at(self, address: str) -> Answer:
        """Raises one of httpcore's errors when there is no whole answer."""
        if self.hidden and self.url.scheme == "http" and not ip_address(address).is_loopback:
            raise ProviderError(
                f"{self.url.host} is asked over http, which would show the credentials to the network; "
                "write its URL with https.",
                permanent=True,
            )
        # Reading the authorities takes longer than a whole request within one machine.
        trusted = tls_context(self.attempt.context) if self.url.scheme == "https" else None
        with (
            httpcore.ConnectionPool(ssl_context=trusted, network_backend=BoundedBackend(address, self._wait)) as pool,
            pool.stream(self.method, self._target(), headers=self.headers, content=self.body or None) as response,
        ):
            body = b"" if response.status == httpx.codes.SWITCHING_PROTOCOLS else self._body(response)
            return self._answer(address, response, body)

    def _wait(self) -> float:
        return self.attempt.deadline.within(ATTEMPT_SECONDS)

    def _target(self) -> httpcore.URL:
        url = self.url
        return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)

    def _body(self, response: httpcore.Response) -> bytes:
        body = bytearray()
        for part in response.iter_stream():
            body += part
            if len(body) > self.most_bytes:
                break
        return bytes(body)

    def _answer(self, address: str, response: httpcore.Response, body: bytes) -> Answer:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        cut = len(body) > self.most_bytes
        return Answer(self.url, address, response.status, headers, body[: self.most_bytes], cut, self.hidden)


def _sendable(headers: Headers, url: httpx.URL) -> Iterator[tuple[str, str]]:
    """Raises ProviderError(permanent) for a secret that is no header: httpcore's own error would show it."""
    for name, value in headers.items():
        plain = value.reveal() if isinstance(value, Secret) else value
        if not (plain.isascii() and plain.isprintable()):
            raise ProviderError(
                f"What {url.host} is to be given in the header {name} holds signs that a header can't carry; "
                "correct the secret.",
                permanent=True,
            )
        yield name, plain.strip()


def _parts(secrets: list[str]) -> tuple[str, ...]:
    """The values, and each without its scheme, the longest first."""
    found = {part for secret in secrets for part in (secret, secret.partition(" ")[2]) if part.strip()}
    return tuple(sorted(found, key=len, reverse=True))


def _at_any_address(asked: _Call) -> Answer:
    """The first address that takes the request answers it; what may have arrived is only repeated when it reads."""
    failures: list[str] = []
    unseen = True
    for each in asked.attempt.names.addresses(asked.url.host):
        try:
            return asked.at(each)
        except _FAILURES as error:
            failures.append(f"{each}: {words(error)}")
            unseen = unseen and is_ours(error)
            if asked.method not in READING and not isinstance(error, _UNREACHED):
                break
    told = f"{asked.url.copy_with(query=None)} does not answer ({'; '.join(failures)})."
    raise DoesNotHoldError(told, unseen=unseen)


def _same_host(answer: Answer) -> httpx.URL | None:
    """Where a redirect leads, when that is the same host; another host is never followed."""
    if answer.status not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
        return None
    try:
        led = answer.url.join(answer.headers["location"])
    except httpx.InvalidURL:
        return None
    return led if led.scheme in ("http", "https") and led.host == answer.url.host else None
