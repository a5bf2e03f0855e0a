"""One bucket of an S3 store, through libcloud's S3 driver, mended.

Mended: the host is the scope's and never shared between drivers; every
transfer has a timeout; errors carry S3's code; a download is the bytes as
stored (libcloud would unpack gzip); an upload keeps its headers, and an empty
one has a length; objects are copied within the store. API: S3, 2006-03-01.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3
from libcloud.common.base import RawResponse
from libcloud.common.types import MalformedResponseError
from libcloud.storage.base import Container
from libcloud.storage.drivers.s3 import BaseS3StorageDriver, S3Response, S3SignatureV4Connection

from providers.base import Context, ProviderError
from providers.vendor_http import Deadline, Endpoint, RefusedError, VendorConnection, not_its_own, repeated

META = "x-amz-meta-"
KEPT_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
CHUNK = 1024 * 1024
LARGEST = 5 * 1024**3
"""Bytes that one PUT or one copy within a store may have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as a listing shows it; `etag` is the store's checksum, mostly the MD5 of the content."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Head:
    """An object as a HEAD request shows it: `headers` are those worth keeping, `meta` the user's metadata.

    `md5`: whether the checksum is the content's MD5; it is not for uploads in parts and under KMS encryption.
    """

    etag: str
    size: int
    headers: Mapping[str, str]
    meta: Mapping[str, str]
    md5: bool


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


class StoreConnection(VendorConnection, S3SignatureV4Connection):
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


class Bucket:
    """One bucket at one store of the scope. Raises RefusedError and requests' exceptions."""

    def __init__(self, context: Context, store: str, name: str, deadline: Deadline) -> None:
        block = _block(context, store)
        self.where = f"Bucket {name} at {store}"
        self.name = name
        self._driver = StoreDriver(
            context.reveal(block["access_key"]).reveal(),
            context.reveal(block["secret_key"]).reveal(),
            Endpoint.at(block["url"], block.get("ca")),
            block.get("region") or "us-east-1",
            deadline,
        )
        self._container = Container(name=name, extra={}, driver=self._driver)

    @property
    def connection(self) -> VendorConnection:
        connection: VendorConnection = self._driver.connection
        return connection

    def exists(self) -> bool:
        return _found(lambda: self._request(f"/{self.name}", "HEAD")) is not None

    def create(self) -> None:
        """Make the bucket; that it is ours already is as good."""
        try:
            self._driver.create_container(self.name)  # type: ignore[no-untyped-call]
        except RefusedError as error:
            if error.kind != "BucketAlreadyOwnedByYou":
                raise

    def remove_if_empty(self) -> bool:
        """Remove the bucket; False when something is still in it."""
        try:
            self._request(f"/{self.name}", "DELETE")
        except RefusedError as error:
            if error.kind == "BucketNotEmpty":
                return False
            if error.code != 404:
                raise
        return True

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All objects whose key begins with `prefix`, in the store's order."""
        listed: Iterator[Any] = self._driver.iterate_container_objects(  # type: ignore[no-untyped-call]
            self._container, prefix=prefix or None
        )
        for item in listed:
            yield Entry(item.name, item.hash, item.size)

    def head(self, key: str) -> Head | None:
        """None when there is no such object."""
        answer = _found(lambda: self._request(self._path(key), "HEAD"))
        return None if answer is None else _head(answer.headers)

    def read(self, key: str) -> bytes | None:
        """A small object as a whole; None when there is no such object."""
        answer = _found(lambda: self._driver.connection.request(self._path(key), method="GET", raw=True))
        if answer is None:
            return None
        content: bytes = self._driver.connection.connection.getresponse().content
        return content

    def download(self, key: str, file: Path) -> tuple[Head, "hashlib._Hash"]:
        """Write the stored bytes to `file`; returns what the store says of them and the MD5 of what arrived."""
        return repeated(self._driver.deadline)(self._download, key, file)

    def _download(self, key: str, file: Path) -> tuple[Head, "hashlib._Hash"]:
        self._driver.connection.request(self._path(key), method="GET", raw=True, stream=True)
        response = self._driver.connection.connection.getresponse()
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with response, file.open("wb") as out:
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    self._driver.deadline.left()
                    digest.update(chunk)
                    out.write(chunk)
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(f"the transfer broke off ({type(error).__name__})") from error
        return _head({name.lower(): value for name, value in response.headers.items()}), digest

    def upload(self, key: str, file: Path, md5: bytes, headers: Mapping[str, str], meta: Mapping[str, str]) -> None:
        """Store the file; the store itself refuses it when it does not arrive whole (Content-MD5)."""
        sent = {**headers, **{META + name: value for name, value in meta.items()}}
        sent["Content-MD5"] = base64.b64encode(md5).decode()
        sent.setdefault("content-type", "application/octet-stream")
        with file.open("rb") as content:
            self._request(self._path(key), "PUT", data=content if file.stat().st_size else "", headers=sent)

    def copy_within(self, key: str, to: str, etag: str) -> None:
        """Copy an object with its headers and metadata inside the bucket, if it is still what `etag` says."""
        source = self._path(key)
        headers = {"x-amz-copy-source": source, "x-amz-copy-source-if-match": f'"{etag}"'}
        answer = self._request(self._path(to), "PUT", headers=headers)
        if not answer.object.tag.endswith("CopyObjectResult"):
            # A copy that fails after it began answers 200 with an error as its body.
            raise RefusedError(500, f"copying {key} failed after it began", answer.headers)

    def delete(self, key: str) -> None:
        """Deleting what is not there is no error."""
        _found(lambda: self._request(self._path(key), "DELETE"))

    def _path(self, key: str) -> str:
        path: str = self._driver._get_object_path(self._container, key)  # type: ignore[no-untyped-call]
        return path

    def _request(self, path: str, method: str, **options: Any) -> Any:
        return self._driver.connection.request(path, method=method, **options)


def _found(ask: Callable[[], Any]) -> Any:
    """The answer, or None when what was asked for does not exist."""
    try:
        return ask()
    except RefusedError as error:
        if error.code == 404:
            return None
        raise


def _head(headers: Mapping[str, str]) -> Head:
    etag = headers.get("etag", "").strip('"')
    encrypted = headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    return Head(
        etag=etag,
        size=int(headers.get("content-length", 0)),
        headers={name: headers[name] for name in KEPT_HEADERS if name in headers},
        meta={name.removeprefix(META): value for name, value in headers.items() if name.startswith(META)},
        md5=re.fullmatch("[0-9a-f]{32}", etag) is not None and not encrypted,
    )


def _block(context: Context, store: str) -> Mapping[str, Any]:
    block: Mapping[str, Any] = context.scope.get("storage", {}).get(store, {})
    missing = [name for name in ("url", "access_key", "secret_key") if not block.get(name)]
    if missing:
        raise ProviderError(
            f"storage.{store} of the scope has no {', '.join(missing)}; add it to bascule.yaml.", permanent=True
        )
    return block
