"""HTTP to a vendor through libcloud's connections, mended and shared by its compute and storage drivers.

Libcloud's own connection is left behind where it is unsafe: its timeouts do not
cover raw transfers, its CA path is global to the process, it follows redirects
with the credentials in hand, and a proxy or a netrc file of the environment can
change where a request goes and who it says it is. Here the scope's address is
the only address, every wait ends at the call's deadline, and reads (never writes) are repeated.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity
from libcloud.common.exceptions import BaseHTTPError
from libcloud.common.types import LibcloudError, MalformedResponseError
from libcloud.http import LibcloudConnection

from providers.base import HALTED, Context, Halted, JsonMap, ProviderError, never
from providers.guarded_adapter import GuardedAdapter
from providers.pace import Pace
from providers.reach import Reach
from providers.retry_after import asked_wait

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
READ_ATTEMPTS = 5
READ_AGAIN_SECONDS = 0.2
"""The first wait between two attempts at a read; each next one is twice as long, and a little of chance is added."""
TOO_MANY = 429
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that say: not now."""
NETWORK = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    MalformedResponseError,
)


class HaltedError(requests.ConnectTimeout):
    """The kill switch was engaged, so nothing more is sent: to whoever asks it is a request that never left."""


@dataclass(slots=True)
class Deadline:
    """The time one provider call may take, in seconds, the pace it keeps to and how far it may reach.

    `now` is monotonic. Once `halted` says so, nothing more is sent; what was sent before is waited for.
    """

    seconds: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    pace: Pace = field(default_factory=Pace)
    halted: Halted = never
    reach: Reach = field(default_factory=Reach)
    end: float = field(init=False)

    @classmethod
    def of(cls, context: Context) -> "Deadline":
        """That of one call with effects."""
        return cls(context.deadline, halted=context.halted)

    def __post_init__(self) -> None:
        self.end = self.now() + self.seconds

    def at_pace(self, pace: Pace) -> "Deadline":
        """The same end, at the pace of one place."""
        return self._with(pace=pace)

    def reaching(self, scope: JsonMap) -> "Deadline":
        """The same end, within what this scope reaches."""
        return self._with(reach=Reach.of(scope))

    def _with(self, **changes: Any) -> "Deadline":
        changed = replace(self, **changes)
        changed.end = self.end
        return changed

    def wait_for_turn(self) -> None:
        """Raises requests.ConnectTimeout, so that it counts as never sent, when the turn would come too late.

        Raises HaltedError, before the turn and after it.
        """
        self._require_free()
        wait = self.pace.turn(self.left())
        if wait is None:
            raise requests.ConnectTimeout(f"no turn to ask within {self.seconds:g} s")
        if wait > 0:
            self.sleep(wait)
            self._require_free()

    def _require_free(self) -> None:
        if self.halted():
            raise HaltedError(HALTED)

    def seconds_left(self) -> float:
        """Seconds left; negative once it is over."""
        return self.end - self.now()

    def left(self) -> float:
        """Seconds left; raises requests.Timeout when there are none, so that it counts as one."""
        left = self.seconds_left()
        if left <= 0:
            raise requests.Timeout(f"no answer within {self.seconds:g} s")
        return left


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a vendor's API is: `url` and `ca` of the scope."""

    secure: bool
    host: str
    port: int
    path: str
    ca: str | None

    @classmethod
    def at(cls, url: str, ca: str | None) -> "Endpoint":
        """Raises ProviderError(permanent) when the URL is not a plain http or https address."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ProviderError(
                "A `url` of the scope is not an address such as https://api.example.eu; correct it in bascule.yaml.",
                permanent=True,
            )
        secure = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(secure, host, parts.port or (443 if secure else 80), parts.path.rstrip("/"), ca)

    @property
    def base(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}"


class RefusedError(BaseHTTPError):
    """A vendor's answer that is an error: the status, the vendor's own word for it, and its details."""

    def __init__(self, code: int, message: str, headers: Any, kind: str = "", details: Any = None) -> None:
        super().__init__(code, message, headers)  # type: ignore[no-untyped-call]
        self.kind = kind
        self.details = details


class DirectConnection(LibcloudConnection):
    """Libcloud's transport to one endpoint: bounded by the deadline, no redirects, no environment."""

    def __init__(self, endpoint: Endpoint, deadline: Deadline) -> None:
        super().__init__(host=endpoint.host, port=endpoint.port, secure=endpoint.secure)  # type: ignore[no-untyped-call]
        self.base = endpoint.base
        self.ca_cert = endpoint.ca
        self.verify = True
        self.deadline = deadline
        self.session: requests.Session = requests.Session()
        self.session.trust_env = False
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, GuardedAdapter(deadline.reach, deadline.seconds_left))

    def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        raw: bool = False,
        stream: bool = False,
        hooks: Any = None,
    ) -> None:
        """Send once, in its turn. Raises requests' exceptions."""
        self.deadline.wait_for_turn()
        left = self.deadline.left()
        self.response = self.session.request(
            method=method,
            url=self.base + url,
            data=body,
            headers=self._normalize_headers(headers=headers),  # type: ignore[no-untyped-call]
            allow_redirects=False,
            stream=stream,
            verify=self.verification,
            timeout=(min(CONNECT_SECONDS, left), min(READ_SECONDS, left)),
        )
        if self.response.status_code == TOO_MANY:
            self.deadline.pace.hold(asked_wait(self.response.headers.get("retry-after", "")) or 1.0)
        if "charset" not in self.response.headers.get("content-type", ""):
            # XML and JSON are UTF-8 unless they say otherwise; requests would guess, and guess wrong.
            self.response.encoding = "utf-8"

    def prepared_request(
        self, method: str, url: str, body: Any = None, headers: Any = None, raw: bool = False, stream: bool = False
    ) -> None:
        """The same for raw transfers, which libcloud sends without a timeout."""
        self.request(method, url, body, headers, raw, stream)


class VendorConnection:
    """Mixed into a libcloud Connection class: the driver's endpoint, repeated reads, and whether it wrote.

    The driver sets `endpoint` and `deadline` on itself before libcloud builds the connection.
    """

    driver: Any
    connection: Any
    allow_insecure = True
    wrote = False
    """True once a write was sent that was not plainly refused: an effect is possible."""

    def connect(self, *_: Any, **__: Any) -> None:
        """Point libcloud at the endpoint, whatever the class says."""
        endpoint: Endpoint = self.driver.endpoint
        self.host, self.port, self.request_path = endpoint.host, endpoint.port, endpoint.path
        self.connection = DirectConnection(endpoint, self.driver.deadline)

    def morph_action_hook(self, action: str) -> str:
        """The path as it is: libcloud would fold the double slashes that object keys may have."""
        return self.request_path + action

    def is_read(self, action: str, method: str) -> bool:
        """Whether a request changes nothing and so may be repeated; a vendor that reads by POST says so here."""
        return method in {"GET", "HEAD"}

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """As libcloud's; a read is repeated within the deadline, a write is sent once."""
        action = args[0] if args else kwargs["action"]
        if self.is_read(str(action), kwargs.get("method", "GET")):
            return repeated(self.driver.deadline)(self.send_once, *args, **kwargs)
        before, self.wrote = self.wrote, True
        try:
            return self.send_once(*args, **kwargs)
        except (BaseHTTPError, requests.RequestException) as error:
            self.wrote = before or is_lost(error)
            raise

    def send_once(self, *args: Any, **kwargs: Any) -> Any:
        """Send once. Raises MalformedResponseError when the answer cannot be the vendor's own."""
        answer: Any = super().request(*args, **kwargs)  # type: ignore[misc]
        method = kwargs.get("method", "GET")
        if not kwargs.get("raw") and method != "HEAD" and is_anothers(answer, method):
            raise not_its_own(self.driver)
        return answer


def is_anothers(answer: Any, method: str) -> bool:
    """Whether something in between spoke in the vendor's place, with a success: a page, or nothing at all.

    Taken at its word, it would be an empty list of servers or objects. Bodies of
    objects, and answers to HEAD, may lawfully be either and are not for this.
    """
    page = str(answer.headers.get("content-type", "")).lower().startswith("text/html") and bool(answer.body)
    return page or (method == "GET" and int(answer.status) == 200 and not answer.body)


def not_its_own(driver: Any) -> MalformedResponseError:
    """To raise for such an answer: whether the vendor ever saw the request is not known."""
    return MalformedResponseError("another spoke in its place", body="", driver=driver)


def json_object(answer: Any) -> dict[str, Any]:
    """The JSON object that an answer must have. Raises MalformedResponseError when it has something else."""
    if not isinstance(answer.object, dict):
        raise not_its_own(answer.connection.driver)
    return answer.object


def is_passing(error: BaseException) -> bool:
    """Whether reading again may help; a body that is not what it should be comes from a gateway in between."""
    if isinstance(error, BaseHTTPError):
        return int(error.code) in PASSING
    return isinstance(error, NETWORK) and not isinstance(error, requests.exceptions.SSLError | HaltedError)


def is_lost(error: BaseException) -> bool:
    """Whether a write that failed so may have happened: its answer is missing, or came from a gateway.

    503 says that the request was not taken on (RFC 9110 §15.6.4).
    """
    if isinstance(error, BaseHTTPError):
        return int(error.code) >= 500 and int(error.code) != 503
    return isinstance(error, requests.RequestException) and not _never_sent(error)


def retry_after(error: BaseException) -> float | None:
    """Seconds the vendor asked to wait, when its refusal says so."""
    return asked_wait(str((error.headers or {}).get("retry-after", ""))) if isinstance(error, BaseHTTPError) else None


def repeated(deadline: Deadline, **also: Any) -> tenacity.Retrying:
    """Repeats a read on passing failures, within seconds and within the deadline."""
    first = READ_AGAIN_SECONDS
    backoff = tenacity.wait_exponential(multiplier=first, max=20 * first) + tenacity.wait_random(0, first)

    def wait(state: tenacity.RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = retry_after(failure) if failure else None
        return backoff(state) if asked is None else asked

    settings: dict[str, Any] = {
        "retry": tenacity.retry_if_exception(is_passing),
        "wait": wait,
        "stop": tenacity.stop_after_attempt(READ_ATTEMPTS) | tenacity.stop_before_delay(deadline.left()),
        "sleep": deadline.sleep,
        "reraise": True,
    }
    return tenacity.Retrying(**{**settings, **also})


@contextmanager
def provider_errors(connection: VendorConnection, where: str) -> Iterator[None]:
    """Everything a vendor or the network does wrong within becomes a ProviderError that names `where`."""
    try:
        yield
    except (requests.exceptions.InvalidHeader, UnicodeError):
        # The text quotes the header, and the header may be a credential.
        raise ProviderError(
            f"{where}: a credential has characters that HTTP forbids; store it again.", permanent=True
        ) from None
    except (BaseHTTPError, requests.RequestException, LibcloudError) as error:
        raise as_provider_error(error, where, connection.wrote) from error


def as_provider_error(error: Exception, where: str, wrote: bool) -> ProviderError:
    """One sentence: what happened, where, what to do."""
    message, permanent = _explained(error)
    return ProviderError(
        f"{where} {one_line(message)}",
        permanent=permanent,
        effect_possible=wrote,
        retry_after=retry_after(error),
    )


def _explained(error: Exception) -> tuple[str, bool]:
    if isinstance(error, requests.exceptions.SSLError):
        return f"has a certificate that is not trusted ({error}); set `ca` in the scope.", True
    if isinstance(error, HaltedError):
        return f"was asked for nothing more: {HALTED}.", False
    if isinstance(error, requests.Timeout):
        return "did not answer in time; try again, or give the step a longer timeout.", False
    if isinstance(error, requests.RequestException):
        return f"cannot be reached ({type(error).__name__}); check its address and the network.", False
    if isinstance(error, MalformedResponseError):
        return f"gave an answer that is not one of its API ({error.value}: {error.body or 'empty'}); try again.", False
    if not isinstance(error, BaseHTTPError):
        return f"gave an answer that cannot be understood ({error}).", False
    said = f"{error.code}: {error.message}"
    if error.code in PASSING:
        return f"is not able to answer now ({said}); try again later.", False
    if error.code == 409:
        return f"is busy with this ({said}); try again later.", False
    if error.code in {401, 403}:
        return f"refused the credential ({said}); check its rights.", True
    return f"refused the request ({said}).", True


def one_line(text: str) -> str:
    """A vendor's text, fit for one line of a message."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 400 else flat[:399] + "…"


def _never_sent(error: requests.RequestException) -> bool:
    """Whether the request surely never left: no connection was made."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}
