"""Who may speak to the API: whoever knows this installation's token. The page's cookie may only look."""

import hashlib
import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

_READING = frozenset({"GET", "HEAD"})
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # nosec B104  # compared with, never bound


class Access:
    """The token, and what is derived from it. All comparisons take constant time."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        marked = hashlib.sha256(b"bascule cookie name\0" + self._token).hexdigest()
        self.cookie_name = f"bascule_{marked[:8]}"
        """Of its own for each installation: cookies are shared by all ports of a host."""
        self.cookie_value = hmac.new(self._token, b"bascule page", hashlib.sha256).hexdigest()

    def is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._token)

    def admits(self, method: str, headers: Headers) -> bool:
        """True with the token as a bearer (RFC 6750), or for reading with the page's cookie."""
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, given = authorization.partition(" ")
            return scheme.lower() == "bearer" and self.is_token(given.strip())
        cookie = cookie_parser(headers.get("cookie", "")).get(self.cookie_name, "")
        same = secrets.compare_digest(cookie.encode("utf-8", "replace"), self.cookie_value.encode())
        return same and method in _READING

    def admits_webhook(self, headers: Headers, body: bytes) -> bool:
        """True with the bearer token, GitLab's secret token, or the signature that GitHub, Gitea and Forgejo send."""
        if "authorization" in headers:
            return self.admits("POST", headers)
        if "x-gitlab-token" in headers:
            return self.is_token(headers["x-gitlab-token"])
        algorithm, _, given = headers.get("x-hub-signature-256", "").partition("=")
        wanted = hmac.new(self._token, body, hashlib.sha256).hexdigest()
        same = secrets.compare_digest(given.strip().lower().encode("utf-8", "replace"), wanted.encode())
        return same and algorithm == "sha256"


def is_our_host(header: str | None, configured: str) -> bool:
    """Whether a Host header names this machine's loopback or the configured host.

    A foreign page whose name was rebound to 127.0.0.1 sends its own name here, and is refused.
    When every address is listened on, any address will do: an address can't be rebound.
    """
    if not header or any(sign in header for sign in "@/?#\\"):
        return False
    try:
        host = (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if host in ("localhost", configured.lower()):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or configured in _WILDCARDS
