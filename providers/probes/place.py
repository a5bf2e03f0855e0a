"""Places of a service, below its address."""

from urllib.parse import quote

import httpx

from providers.base import ProviderError
from providers.probes.check import DoesNotHoldError
from providers.probes.web_answer import Answer
from providers.probes.web_call import parsed

_OVER_HTTP = {"ws": "http", "wss": "https"}


def below(base: str, *segments: str) -> str:
    """The URL of these segments below the base; each is escaped, so that none leaves its place."""
    return "/".join([base.rstrip("/"), *(quote(segment, safe="") for segment in segments)])


def same_origin(ours: str, theirs: object) -> bool:
    """Whether what a server says is a URL with our URL's scheme, host and port (RFC 6454 §4)."""
    try:
        return isinstance(theirs, str) and origin(parsed(theirs)) == origin(parsed(ours))
    except ProviderError:
        return False


def led_to(answer: Answer, url: object) -> str:
    """A URL that a server names, over http or https. Raises DoesNotHoldError for anything else."""
    try:
        return str(parsed(over_http(str(url))))
    except ProviderError as error:
        raise DoesNotHoldError(f"{answer.at} names {str(url)[:200]!r}; expected a URL.") from error


def over_http(url: str) -> str:
    """The URL of a websocket, with the scheme that carries its opening."""
    scheme, colon, rest = url.partition(":")
    return f"{_OVER_HTTP.get(scheme.lower(), scheme)}{colon}{rest}"


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port, with the scheme's own port where the URL has none."""
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
