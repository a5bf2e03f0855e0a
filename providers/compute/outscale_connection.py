"""Calls of the OUTSCALE API: signed POSTs of JSON, through the scope's endpoint.

Libcloud's driver sends them without a session or a timeout and hands errors on
as if they were answers. Facts: the vendor's OpenAPI description 1.42, and
"Signature of API Requests" of its user guide.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from libcloud.common.base import ConnectionUserAndKey, JsonResponse
from libcloud.common.types import MalformedResponseError

from providers.base import Secret
from providers.vendor_http import RefusedError, VendorConnection

ALGORITHM = "OSC4-HMAC-SHA256"
SIGNED = "content-type;host;x-osc-date"
CONTENT_TYPE = "application/json; charset=utf-8"
PAGE = 200


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What signs requests, and for which region."""

    access: Secret
    secret: Secret
    region: str

    def sign(self, path: str, host: str, body: str, now: datetime) -> dict[str, str]:
        """The headers of a POST that say who sends it; they hold for 15 minutes."""
        stamp = f"{now:%Y%m%dT%H%M%SZ}"
        scope = f"{now:%Y%m%d}/{self.region}/api/osc4_request"
        headers = [f"content-type:{CONTENT_TYPE}", f"host:{host}", f"x-osc-date:{stamp}"]
        canonical = "\n".join(["POST", path, "", *headers, "", SIGNED, _digest(body)])
        to_sign = "\n".join([ALGORITHM, stamp, scope, _digest(canonical)])
        key = f"OSC4{self.secret.reveal()}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        credential = f"{self.access.reveal()}/{scope}"
        return {
            "Content-Type": CONTENT_TYPE,
            "X-Osc-Date": stamp,
            "Authorization": f"{ALGORITHM} Credential={credential}, SignedHeaders={SIGNED}, Signature={signature}",
        }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class OscResponse(JsonResponse):
    """An answer; errors come as a list, or are not JSON at all."""

    def parse_error(self) -> str:
        """Raises RefusedError: the code is `kind` (`6003`), the type is in `details` (`InvalidState`)."""
        try:
            told = json.loads(self.body or "")["Errors"][0]
            code, kind, says = (str(told.get(name) or "") for name in ("Code", "Type", "Details"))
        except (ValueError, LookupError, TypeError, AttributeError):
            code, kind, says = "", "", ""
        message = " ".join(part for part in (kind, code, says) if part) or str(self.error or "no reason given")
        raise RefusedError(self.status, message, self.headers, kind=code, details={"type": kind, "says": says})


class OscConnection(VendorConnection, ConnectionUserAndKey):
    """One action a request; reads are POSTs too, and repeated."""

    responseCls = OscResponse  # noqa: N815 (libcloud's name)
    action: str
    data: str

    def is_read(self, action: str, method: str) -> bool:
        return action.startswith("/Read")

    def pre_connect_hook(self, params: Any, headers: dict[str, str]) -> tuple[Any, dict[str, str]]:
        """Sign what is sent just now: libcloud has put path, body and host together."""
        path = urlsplit(self.action).path
        key: AccessKey = self.driver.key_pair
        return params, headers | key.sign(path, headers["Host"], self.data, datetime.now(UTC))

    def call(self, action: str, **asked: Any) -> dict[str, Any]:
        """One action, such as `ReadVms`; what is None is not sent. Raises RefusedError and requests' exceptions."""
        body = json.dumps({name: value for name, value in asked.items() if value is not None})
        answer: dict[str, Any] = self.request(f"/{action}", data=body, method="POST").object
        return answer

    def send_once(self, *args: Any, **kwargs: Any) -> Any:
        """The vendor answers every action with an object; whatever else comes is another's, and a read is repeated."""
        answer = super().send_once(*args, **kwargs)
        if not isinstance(answer.object, dict):
            raise MalformedResponseError("no JSON object", body=str(answer.object)[:200], driver=self.driver)
        return answer

    def read(self, action: str, name: str, filters: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Everything that an action lists under `name`, all pages."""
        token = None
        while True:
            answer = self.call(action, Filters=filters, NextPageToken=token, ResultsPerPage=PAGE)
            yield from answer.get(name) or []
            token = answer.get("NextPageToken")
            if not token:
                return
