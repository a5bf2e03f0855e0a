"""Requests to AWS's query and REST APIs: signed with Signature Version 4, errors with AWS's own code.

Libcloud signs (its signer is left as it is); the address, the bounds and the
repeated reads are those of `vendor_http`.
"""

from typing import Any
from xml.etree.ElementTree import Element

from libcloud.common.aws import AWSBaseResponse, SignedAWSConnection
from libcloud.common.types import MalformedResponseError

from providers.vendor_http import RefusedError, VendorConnection

THROTTLED = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "PriorRequestNotComplete"})
"""Codes that say "too many requests"; Route 53 sends them with status 400 (its API reference, "Common errors")."""


_OWN = "x-amz-"


class AwsResponse(AWSBaseResponse):
    """An answer in XML."""

    def parse_error(self) -> str:
        """Raises RefusedError; `kind` is AWS's error code, such as UnauthorizedOperation."""
        code, message = "", ""
        try:
            root = self.parse_body()  # type: ignore[no-untyped-call]
        except MalformedResponseError:
            root = None  # a gateway in between answers in HTML: the status says enough
        if isinstance(root, Element):
            code, message = text(root, ".//{*}Code"), text(root, ".//{*}Message")
        status = 429 if code in THROTTLED else int(self.status)
        said = f"{code}: {message}" if code else message or str(self.error or "no reason given")
        raise RefusedError(status, said, self.headers, kind=code)


class SignsWhatStays:
    """Mixed into a connection that libcloud signs: only what nothing on the way may change is signed.

    Libcloud would sign every header. A proxy may write its own User-Agent and Accept-Encoding, and AWS
    would then refuse the signature; it asks for the host and the x-amz- headers (AWS, "Create a signed request").
    """

    def pre_connect_hook(self, params: Any, headers: Any) -> tuple[Any, Any]:
        stays = {key: value for key, value in headers.items() if key.lower() == "host" or key.lower().startswith(_OWN)}
        params, signed = super().pre_connect_hook(params, stays)  # type: ignore[misc]
        return params, {**headers, **signed}


class AwsConnection(SignsWhatStays, VendorConnection, SignedAWSConnection):
    """Signed for the driver's `region_name` and this class's `service_name`."""

    responseCls = AwsResponse  # noqa: N815 (libcloud's name)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "signature_version": 4})  # type: ignore[no-untyped-call]


def text(element: Element, path: str) -> str:
    """The text at a path (`{*}` for any namespace), or nothing."""
    return (element.findtext(path) or "").strip()
