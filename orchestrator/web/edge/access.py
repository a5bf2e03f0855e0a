"""Who speaks: the token of this installation, a person's session, an API token. Comparisons take constant time."""

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.operations.people.sign_in import SESSION, SignIn
from orchestrator.operations.request import hook_secret

_READING = frozenset({"GET", "HEAD"})
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # nosec B104  # compared with, never bound
_MACHINE = Actor("", Proof.MACHINE)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `cookie`: what a browser sends by itself, and which therefore must show its page's token."""

    actor: Actor
    cookie: str = ""


class Access:
    """`token`: of this installation, in a file that its owner alone can read."""

    def __init__(self, token: str, sign_in: SignIn) -> None:
        self._token = token.encode()
        self._hook = hook_secret(token).encode()
        self._sign_in = sign_in
        marked = hashlib.sha256(b"bascule cookie name\0" + self._token).hexdigest()
        self.cookie_name = f"bascule_{marked[:8]}"
        """Of its own for each installation: cookies are shared by all ports of a host."""
        self.cookie_value = hmac.new(self._token, b"bascule page", hashlib.sha256).hexdigest()
        """Lets whoever opened the page with the installation's token look, and nothing else."""

    def is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._token)

    def who(self, method: str, headers: Headers, *, used: bool = True) -> Caller | None:
        """Reads the database where it must. A bearer (RFC 6750) goes before a cookie; a wrong one is not forgiven.

        `used`: somebody does something with it now, which keeps a session from ending.
        """
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, given = authorization.partition(" ")
            return self._bearer(given.strip(), used=used) if scheme.lower() == "bearer" else None
        cookie = self.cookie_of(headers)
        if cookie.startswith(SESSION):
            actor = self._sign_in.who(cookie, used=used)
            return Caller(actor, cookie) if actor is not None else None
        same = secrets.compare_digest(cookie.encode("utf-8", "replace"), self.cookie_value.encode())
        return Caller(_MACHINE, cookie) if same and method in _READING else None

    def cookie_of(self, headers: Headers) -> str:
        found = cookie_parser(headers.get("cookie", ""))
        return found.get(f"__Host-{self.cookie_name}") or found.get(self.cookie_name, "")

    def page_token(self, cookie: str) -> str:
        """What a page of this session sends back with everything that it changes: another site can't know it."""
        return hmac.new(self._token, b"bascule form\0" + cookie.encode(), hashlib.sha256).hexdigest()

    def is_page_token(self, cookie: str, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self.page_token(cookie).encode())

    def admits_webhook(self, headers: Headers, body: bytes) -> bool:
        """True with the hook's secret: as a bearer, GitLab's token, or the signature of GitHub, Gitea and Forgejo.

        It is none of the installation's token: a forge keeps it in its settings, and it opens nothing else.
        """
        if "authorization" in headers:
            scheme, _, given = headers["authorization"].partition(" ")
            return scheme.lower() == "bearer" and self._is_hook(given.strip())
        if "x-gitlab-token" in headers:
            return self._is_hook(headers["x-gitlab-token"])
        algorithm, _, given = headers.get("x-hub-signature-256", "").partition("=")
        wanted = hmac.new(self._hook, body, hashlib.sha256).hexdigest()
        same = secrets.compare_digest(given.strip().lower().encode("utf-8", "replace"), wanted.encode())
        return same and algorithm == "sha256"

    def _is_hook(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._hook)

    def _bearer(self, given: str, *, used: bool) -> Caller | None:
        if self.is_token(given):
            return Caller(_MACHINE)
        actor = self._sign_in.who(given, used=used)
        return Caller(actor) if actor is not None else None


def is_loopback(host: str) -> bool:
    """Whether the page was asked for on the service's own machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
