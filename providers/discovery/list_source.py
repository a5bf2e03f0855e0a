"""Where a published list of prefixes is taken from: a file, or a URL that the operator gave."""

import ssl
from pathlib import Path

import httpx

from providers.base import ProviderError
from providers.discovery.published import MOST_BYTES
from providers.dns.deadline import Deadline

LIST_SECONDS = 60.0
REDIRECTS = 5


def read_list(place: str, trusted: ssl.SSLContext | None = None) -> bytes:
    """The whole list. `trusted`: the authorities of a URL, the machine's when None. Raises ProviderError."""
    if place.startswith(("http://", "https://")):
        return _downloaded(place, trusted or ssl.create_default_context())
    try:
        with Path(place).expanduser().open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ProviderError(f"{place} can't be read ({error.strerror}); correct its name.", permanent=True) from error


def _downloaded(url: str, trusted: ssl.SSLContext) -> bytes:
    deadline = Deadline(LIST_SECONDS)
    body = bytearray()
    try:
        with (
            httpx.Client(
                follow_redirects=True, max_redirects=REDIRECTS, timeout=10.0, trust_env=False, verify=trusted
            ) as client,
            client.stream("GET", url, headers={"User-Agent": "bascule"}) as response,
        ):
            _stays_encrypted(url, response)
            response.raise_for_status()
            for part in response.iter_bytes():
                body += part
                deadline.within(1.0)
                if len(body) > MOST_BYTES:
                    break
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderError(
            f"{url} can't be fetched ({' '.join(str(error).split()) or type(error).__name__}); try again, or fetch it "
            "elsewhere and give the file.",
            permanent=False,
        ) from error
    return bytes(body)


def _stays_encrypted(url: str, response: httpx.Response) -> None:
    """Who may send one elsewhere may not send one to where anybody in between writes the list."""
    for hop in (*response.history, response):
        if url.startswith("https://") and hop.url.scheme != "https":
            raise ProviderError(
                f"{url} leads to {hop.url}, which is not encrypted: anybody in between could write the list. Fetch it "
                "elsewhere, look at it, and give the file.",
                permanent=True,
            )
