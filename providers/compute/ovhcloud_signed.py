"""Requests to OVHcloud's native API, signed as the vendor asks, over libcloud's connection.

The stock connection asks for the vendor's time before each process's first call
over a transport of its own, signs a URL that is not the one it sends (unencoded
parameters, a fixed host), and turns a name that cannot be resolved into a
ValueError. Source of the signature: the vendor's guide "First steps with the
OVHcloud APIs", and its client `ovh`.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from libcloud.common.ovh import OvhConnection, OvhResponse

from providers.vendor_http import Endpoint, RefusedError, VendorConnection

VENDOR_URL = "https://eu.api.ovh.com/1.0"
TIME_PATH = "/auth/time"
OUT_OF_TIME = "QUERY_TIME_OUT"
"""The vendor's code for a signature whose time is too far from its own: refused unread."""
CREDENTIAL_CODES = frozenset(
    {"INVALID_KEY", "INVALID_CREDENTIAL", "NOT_CREDENTIAL", "NOT_GRANTED_CALL", "INVALID_SIGNATURE", OUT_OF_TIME}
)
"""Refusals of who asks, never of what is asked."""


class VendorClocks:
    """The time at each endpoint, asked for once a process: seconds ahead of this machine's monotonic clock.

    Against the monotonic clock, so that a wall clock that is wrong or set anew does not matter.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._ahead: dict[str, float] = {}
        self._lock = threading.Lock()

    def time(self, endpoint: str, ask: Callable[[], int]) -> int:
        """Seconds since the epoch at the endpoint."""
        with self._lock:
            ahead = self._ahead.get(endpoint)
        if ahead is None:
            # Asked without the lock: another thread's endpoint must not wait for this one's.
            ahead = ask() - self._now()
            with self._lock:
                self._ahead[endpoint] = ahead
        return round(self._now() + ahead)

    def forget(self, endpoint: str) -> None:
        with self._lock:
            self._ahead.pop(endpoint, None)


CLOCKS = VendorClocks()


class NativeResponse(OvhResponse):
    """An answer; the vendor's errors have `errorCode` or `class`, and those of gateways are not JSON."""

    def parse_error(self) -> str:
        """Raises RefusedError with the vendor's code or class."""
        try:
            body = json.loads(self.body or "")
        except ValueError:
            body = {}
        told = body if isinstance(body, dict) else {}
        raise RefusedError(
            self.status,
            str(told.get("message") or self.error or "no reason given"),
            self.headers,
            kind=str(told.get("errorCode") or told.get("class") or ""),
            details=told.get("details"),
        )


class SignedConnection(OvhConnection):
    """Signs what it sends. The driver has the secrets; libcloud's own fields for them stay empty."""

    responseCls = NativeResponse  # noqa: N815 (libcloud's name)
    driver: Any
    action: str

    def request(  # type: ignore[override]
        self,
        action: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        method: str = "GET",
        raw: bool = False,
        stream: bool = False,
    ) -> Any:
        # The query goes into the path here, so that what is signed is what is sent.
        target = f"{action}?{urlencode(params, doseq=True)}" if params else action
        body = "" if data is None else json.dumps(data)
        signed = {} if action == TIME_PATH else self._signature(method, target, body)
        # Past the stock method, which signs something else.
        send: Any = super(OvhConnection, self).request
        return send(target, data=body.encode() or None, headers={**(headers or {}), **signed}, method=method, raw=raw)

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """The body's type; who asks is told by the signature's headers."""
        headers["Content-Type"] = "application/json"
        return headers

    def _signature(self, method: str, target: str, body: str) -> dict[str, str]:
        driver = self.driver
        stamp = str(self.vendor_time())
        consumer = driver.consumer.reveal()
        fields = [driver.application_secret.reveal(), consumer, method.upper(), url_of(driver.endpoint) + target]
        text = "+".join([*fields, body, stamp])
        return {
            "X-Ovh-Application": driver.application.reveal(),
            "X-Ovh-Consumer": consumer,
            "X-Ovh-Timestamp": stamp,
            "X-Ovh-Signature": "$1$" + hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
        }

    def vendor_time(self) -> int:
        """Seconds since the epoch, by the vendor's clock."""
        return CLOCKS.time(self.driver.endpoint.base, lambda: int(self.request(TIME_PATH).object))


class NativeConnection(VendorConnection, SignedConnection):
    """The scope's endpoint, reads repeated, writes sent once; a refused clock is asked for again."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """As VendorConnection's. A request that was refused for its time did nothing, so it is signed anew, once."""
        if args[0] != TIME_PATH:
            # Before a write counts as sent: only reading the time can fail here.
            self.vendor_time()
        try:
            return super().request(*args, **kwargs)
        except RefusedError as error:
            if error.kind != OUT_OF_TIME:
                raise
        CLOCKS.forget(self.driver.endpoint.base)
        return super().request(*args, **kwargs)


def url_of(endpoint: Endpoint) -> str:
    """The endpoint as the vendor knows it: without the port that its scheme implies."""
    usual = 443 if endpoint.secure else 80
    port = "" if endpoint.port == usual else f":{endpoint.port}"
    return f"{'https' if endpoint.secure else 'http'}://{endpoint.host}{port}{endpoint.path}"
