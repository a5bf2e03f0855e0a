"""HTTP to one DNS host's API for libraries that use requests: one address, bounded waits, errors for a person.

The libraries' own sessions wait without end, follow redirects with the
credentials in hand, and let a proxy or a netrc file of the environment change
where a request goes and who it says it is. Given this session instead, they do
none of that, and every failure is a ProviderError before they see it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3.exceptions

from providers.base import Context, JsonMap, ProviderError
from providers.dns.deadline import Deadline, TimeIsUpError
from providers.dns.in_flight import AnswerLostError, InFlight
from providers.guarded_adapter import GuardedAdapter
from providers.reach import Reach, literal, require_allowed
from providers.retry_after import asked_wait

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
READ_ATTEMPTS = 3
READ_AGAIN_SECONDS = 0.2
"""The first wait between two attempts; the next are longer by as much."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that say: not now."""
GATEWAYS = frozenset({502, 504})
"""Statuses by which something in between says that it had no answer either."""

Explain = Callable[[int, Any], tuple[str, str]]
"""Status and JSON body of a refusal -> the host's own words for it, and what to do; either may be empty."""


@dataclass(frozen=True, slots=True)
class Api:
    """Where a DNS host's API is and how it words a refusal.

    `host`: its name, for people. `url`: without a slash at its end. `ca`: a file of authorities, or None.
    `scope`: whose `networks` every connection keeps to.
    """

    host: str
    zone: str
    url: str
    ca: str | None
    scope: JsonMap
    explain: Explain

    @classmethod
    def of(cls, context: Context, settings: JsonMap, zone: str, host: str, vendor_url: str, explain: Explain) -> "Api":
        """From the zone's block of the scope, whose `url` goes before the vendor's.

        Raises ProviderError(permanent) for what is no address, or is out of the scope's reach.
        """
        url = str(settings.get("url") or vendor_url)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ProviderError(
                f"`dns.zones.{zone}` has a `url` that is no address such as {vendor_url}; correct bascule.yaml.",
                permanent=True,
            )
        if literal(parts.hostname) is not None:
            require_allowed(context.scope, parts.hostname)
        ca = str(context.estate / settings["ca"]) if settings.get("ca") else None
        return cls(host, zone, url.rstrip("/"), ca, context.scope, explain)


class ApiSession(requests.Session):
    """A session to one API, bounded by one deadline. `wrote`: a write was taken on, or may have been.

    `in_flight` notes each write before it goes.
    """

    def __init__(self, api: Api, deadline: Deadline, in_flight: InFlight) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = api.ca or True
        for scheme in ("http://", "https://"):
            self.mount(scheme, GuardedAdapter(Reach.of(api.scope), deadline.left))
        self.api = api
        self.deadline = deadline
        self.in_flight = in_flight
        self.wrote = False

    def request(self, method: str, url: str | bytes, *args: Any, **settings: Any) -> requests.Response:
        """A read is repeated within seconds, a write is sent once.

        Raises ProviderError for anything but a success, AnswerLostError for a write without an answer.
        """
        if method == "GET":
            answer: requests.Response = _repeated(self.deadline)(self._request, method, url, *args, **settings)
            return answer
        with self.in_flight.message():
            return self._request(method, url, *args, **settings)

    def _request(self, method: str, url: str | bytes, *args: Any, **settings: Any) -> requests.Response:
        settings |= {"allow_redirects": False, "timeout": self._timeout()}
        writes = method != "GET"
        try:
            answer = super().request(method, url, *args, **settings)
        except (requests.exceptions.InvalidHeader, UnicodeError):
            # The text quotes the header, and the header may be a credential.
            raise ProviderError(
                f"A credential of {self.api.host} has characters that HTTP forbids; store it again.", permanent=True
            ) from None
        except ProviderError as error:
            error.effect_possible = self.wrote
            raise
        except requests.RequestException as error:
            raise self._unanswered(error, writes) from error
        if not answer.ok or answer.is_redirect:
            raise self._refused(answer, writes)
        self.wrote = self.wrote or writes
        self._require_json(answer, writes)
        return answer

    def _timeout(self) -> tuple[float, float]:
        """Seconds for the connection and for the answer."""
        try:
            return self.deadline.within(CONNECT_SECONDS), self.deadline.within(ANSWER_SECONDS)
        except ProviderError as error:
            error.effect_possible = self.wrote
            raise

    def _unanswered(self, error: requests.RequestException, writes: bool) -> ProviderError:
        api = self.api
        if isinstance(error, requests.exceptions.SSLError):
            return ProviderError(
                f"The API of {api.host} at {api.url} has a certificate that is not trusted; "
                f"set `ca` of `dns.zones.{api.zone}`.",
                permanent=True,
                effect_possible=self.wrote,
            )
        said = f"The API of {api.host} at {api.url} does not answer ({type(error).__name__}); check that it runs."
        if writes and not _never_sent(error):
            self.wrote = True
            return AnswerLostError(said, permanent=False, effect_possible=True)
        return ProviderError(said, permanent=False, effect_possible=self.wrote)

    def _refused(self, answer: requests.Response, writes: bool) -> ProviderError:
        """What the API answered instead of doing it; an error of its own may come after the effect (but for 503)."""
        api, code = self.api, answer.status_code
        self.wrote = self.wrote or (writes and code >= 500 and code != 503)
        words, remedy = api.explain(code, _body(answer))
        told = f" ({' '.join(words.split())[:300]})" if words else ""
        kind = AnswerLostError if writes and code in GATEWAYS else ProviderError
        return kind(
            f"{api.host} answered {code} for {api.zone}{told}; {remedy or _remedy(code)}.",
            permanent=code not in PASSING,
            effect_possible=self.wrote,
            retry_after=asked_wait(answer.headers.get("Retry-After", "")),
        )

    def _require_json(self, answer: requests.Response, writes: bool) -> None:
        """A success that is not JSON comes from something in between; to a write, 201, 202 and 204 may lack a body."""
        if writes and not answer.content and answer.status_code in (201, 202, 204):
            return
        if _body(answer) is None and answer.content.strip() != b"null":
            kind = AnswerLostError if writes else ProviderError
            raise kind(
                f"What answers at {self.api.url} is not the API of {self.api.host}; correct `url`, or try again.",
                permanent=False,
                effect_possible=self.wrote,
            )


def _repeated(deadline: Deadline) -> tenacity.Retrying:
    """Repeats a read while that may help, a few times and within the deadline."""

    def wait(state: tenacity.RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.retry_after if isinstance(failure, ProviderError) else None
        return READ_AGAIN_SECONDS * state.attempt_number if asked is None else asked

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        wait=wait,
        stop=tenacity.stop_after_attempt(READ_ATTEMPTS) | tenacity.stop_before_delay(deadline.left()),
        reraise=True,
    )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and not error.permanent and not isinstance(error, TimeIsUpError)


def _body(answer: requests.Response) -> Any:
    """The JSON that the answer holds; None when it holds none."""
    try:
        return answer.json()
    except ValueError:
        return None


def _remedy(code: int) -> str:
    if code in PASSING:
        return "try again later"
    if code in (401, 403):
        return "check the credential and its rights"
    if code == 404:
        return "check that the zone is there"
    if 300 <= code < 400:
        return "redirects are not followed, so correct `url`"
    return "correct the step"


def _never_sent(error: requests.RequestException) -> bool:
    """Whether the request surely never left: no connection was made."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)
