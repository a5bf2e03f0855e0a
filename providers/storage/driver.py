"""Libcloud's S3 driver, mended.

Mended: the host is the scope's and never shared between drivers; every
transfer has a timeout; errors carry S3's code. API: S3, 2006-03-01.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from libcloud.common.base import RawResponse
from libcloud.common.types import MalformedResponseError
from libcloud.storage.drivers.s3 import BaseS3StorageDriver, S3Response, S3SignatureV4Connection

from providers.aws_http import SignsWhatStays
from providers.vendor_http import Deadline, Endpoint, RefusedError, VendorConnection, not_its_own


class StoreResponse(S3Response):
    """An answer; whatever is not a success is raised with S3's code, also 400, 404 and 409."""

    def success(self) -> bool:
        return 200 <= int(self.status) <= 299

    def parse_error(self) -> str:
        """Raises RefusedError; `kind` is S3's error code, such as NoSuchBucket."""
        code, message = "", ""
        # A HEAD has no body, and a gateway answers in HTML: the status says enough then.
        with suppress(MalformedResponseError):
            root = self.parse_body()  # type: ignore[no-untyped-call]
            if root != "":
                code, message = self._parse_error_details(element=root)  # type: ignore[no-untyped-call]
        text = message or code or str(self.error or "no reason given")
        raise RefusedError(self.status, text, self.headers, kind=code or "")


class StoreRawResponse(StoreResponse, RawResponse):
    """An answer whose body is read as a stream."""


class StoreConnection(SignsWhatStays, VendorConnection, S3SignatureV4Connection):
    """Signed with AWS Signature Version 4."""

    responseCls = StoreResponse  # noqa: N815 (libcloud's name)
    rawResponseCls = StoreRawResponse  # type: ignore[assignment]  # noqa: N815

    def send_once(self, *args: Any, **kwargs: Any) -> Any:
        """Raises MalformedResponseError when a success does not show that the store gave it."""
        answer = super().send_once(*args, **kwargs)
        if not _is_stores(int(answer.status), answer.headers):
            raise not_its_own(self.driver)
        return answer


def _is_stores(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a success is the store's own: a gateway's page or empty answer is no object and no deletion."""
    named = {"etag", "location"} & headers.keys() or any(name.startswith("x-amz-") for name in headers)
    return status == 204 or bool(named) or headers.get("content-type", "").endswith("xml")


class StoreDriver(BaseS3StorageDriver):
    """Libcloud's S3 driver for one endpoint. One per thread and per call."""

    name = "S3"
    connectionCls = StoreConnection  # type: ignore[assignment]  # noqa: N815 (libcloud's name)
    connection: Any

    def __init__(self, access_key: str, secret_key: str, endpoint: Endpoint, region: str, deadline: Deadline) -> None:
        self.endpoint = endpoint
        self.deadline = deadline
        self.region_name = region
        # us-east-1 is the one region that must not be named when a bucket is made.
        self.ex_location_name = "" if region == "us-east-1" else region
        super().__init__(  # type: ignore[no-untyped-call]
            key=access_key, secret=secret_key, secure=endpoint.secure, host=endpoint.host, port=endpoint.port
        )
