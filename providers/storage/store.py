"""One bucket of an S3 store.

Besides what libcloud's driver does: a download is the bytes as stored (libcloud
would unpack gzip); an upload keeps its headers, and an empty one has a length;
objects are copied within the store; versions are named. API: S3, 2006-03-01.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_plus

import requests
import tenacity
import urllib3

from providers.base import Context, ProviderError
from providers.storage.content import Content
from providers.storage.driver import StoreDriver
from providers.storage.open_writes import OpenWrites
from providers.vendor_http import Deadline, Endpoint, RefusedError, VendorConnection, is_lost, is_passing, repeated

META = "x-amz-meta-"
KEPT_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
CHUNK = 256 * 1024
MIB = 1024 * 1024
LARGEST = 5 * 1024**3
"""Bytes that one PUT, one part or one copy within a store may have."""


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
    `version`: of an object in a bucket that is or was versioned. `held`: what keeps it from being removed, in words.
    """

    etag: str
    size: int
    headers: Mapping[str, str]
    meta: Mapping[str, str]
    md5: bool
    version: str | None = None
    held: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the scope says of transfers with this store.

    `part`: bytes above which an object goes in parts, and of one part. `max_parts`: of one object.
    `parallel`: transfers side by side.
    """

    part: int
    max_parts: int
    parallel: int


class Bucket:
    """One bucket at one store of the scope. Raises RefusedError and requests' exceptions. One per thread."""

    def __init__(self, context: Context, store: str, name: str, deadline: Deadline) -> None:
        block = _block(context, store)
        self.where = f"Bucket {name} at {store}"
        self.name = name
        self.deadline = deadline
        self.limits = Limits(
            (block.get("part_mib") or 16) * MIB, block.get("max_parts") or 10_000, block.get("parallel") or 4
        )
        self._open_writes = OpenWrites(context.workspace)
        endpoint = Endpoint.at(block["url"], block.get("ca"))
        virtual = block.get("addressing") == "virtual"
        self._root = "" if virtual else f"/{name}"
        self._driver = StoreDriver(
            context.reveal(block["access_key"]).reveal(),
            context.reveal(block["secret_key"]).reveal(),
            replace(endpoint, host=f"{name}.{endpoint.host}") if virtual else endpoint,
            block.get("region") or "us-east-1",
            deadline.reaching(context.scope),
        )

    @property
    def connection(self) -> VendorConnection:
        connection: VendorConnection = self._driver.connection
        return connection

    def close(self) -> None:
        """Close its connections; the next request would open new ones."""
        self.connection.connection.session.close()

    def exists(self) -> bool:
        return found(lambda: self.ask("HEAD")) is not None

    def create(self) -> None:
        """Make the bucket; that it is ours already is as good."""
        place = self._driver.ex_location_name
        body = (
            f"<CreateBucketConfiguration><LocationConstraint>{place}</LocationConstraint></CreateBucketConfiguration>"
        )
        try:
            self.ask("PUT", data=body.encode() if place else "")
        except RefusedError as error:
            if error.kind != "BucketAlreadyOwnedByYou":
                raise

    def remove_if_empty(self) -> bool:
        """Remove the bucket; False when something is still in it."""
        try:
            self.ask("DELETE")
        except RefusedError as error:
            if error.kind == "BucketNotEmpty":
                return False
            if error.code != 404:
                raise
        return True

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All objects whose key begins with `prefix`, in the store's order, a thousand to a request."""
        asked = {"list-type": "2", "encoding-type": "url", **({"prefix": prefix} if prefix else {})}
        token: str | None = ""
        while token is not None:
            page = self.ask("GET", params={**asked, **({"continuation-token": token} if token else {})}).object
            decoded = decoder(page)
            for item in page.iterfind("{*}Contents"):
                etag = item.findtext("{*}ETag", "").strip('"')
                yield Entry(decoded(item.findtext("{*}Key", "")), etag, int(item.findtext("{*}Size", "0")))
            token = page.findtext("{*}NextContinuationToken") if is_cut(page) else None

    def head(self, key: str, version: str | None = None) -> Head | None:
        """None when there is no such object or version."""
        answer = found(lambda: self.ask("HEAD", key, params=versioned(version)))
        return None if answer is None else _head(answer.headers)

    def read(self, key: str) -> bytes | None:
        """A small object as a whole; None when there is no such object."""
        answer = found(lambda: self.ask("GET", key, raw=True))
        if answer is None:
            return None
        content: bytes = self._driver.connection.connection.getresponse().content
        return content

    def download(
        self, key: str, content: Content, span: tuple[int, int] | None = None, etag: str | None = None
    ) -> Head:
        """The stored bytes, all or those of a half-open range; with `etag` only while the object has that checksum."""
        headers = {"If-Match": f'"{etag}"'} if etag else {}
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        return repeated(self.deadline)(self._download, key, content, headers, span)

    def _download(self, key: str, content: Content, headers: Mapping[str, str], span: tuple[int, int] | None) -> Head:
        content.clear()
        for piece in self.stream(key, headers):
            content.write(piece)
        response = self._driver.connection.connection.getresponse()
        if span is not None and content.size != span[1] - span[0]:
            raise ProviderError(
                f"{self.where} does not send a part of {key} when asked for one; copy it by hand.", permanent=True
            )
        return _head({name.lower(): value for name, value in response.headers.items()})

    def stream(self, key: str, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The stored bytes, piece by piece. A transfer that breaks off raises requests.ConnectionError."""
        self.ask("GET", key, headers=dict(headers or {}), raw=True, stream=True)
        response = self._driver.connection.connection.getresponse()
        try:
            with response:
                for piece in response.raw.stream(CHUNK, decode_content=False):
                    self.deadline.left()
                    yield piece
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(f"the transfer broke off ({type(error).__name__})") from error

    def upload(self, key: str, content: Content, headers: Mapping[str, str], meta: Mapping[str, str]) -> str:
        """Store the content, which the store itself refuses when it does not arrive whole; returns its checksum there.

        A request that the store plainly did not take on (503) is sent again.
        """
        sent = {**headers, **{META + name: value for name, value in meta.items()}, **content_md5(content)}
        sent.setdefault("content-type", "application/octet-stream")
        answer = unless_taken(self.deadline)(
            lambda: self.ask("PUT", key, data=content.body(self.deadline), headers=sent)
        )
        return str(answer.headers.get("etag", "")).strip('"')

    def copy_within(self, key: str, to: str, etag: str) -> None:
        """Copy an object with its headers and metadata inside the bucket, if it is still what `etag` says."""
        source = f"/{self.name}/{self._cleaned(key)}"
        headers = {"x-amz-copy-source": source, "x-amz-copy-source-if-match": f'"{etag}"'}
        refuse_late_error(self.ask("PUT", to, headers=headers), f"copying {key}")

    def delete(self, key: str, version: str | None = None) -> None:
        """Deleting what is not there is no error. With `version` nothing but that version goes."""
        found(lambda: self.ask("DELETE", key, params=versioned(version)))

    def ask(self, method: str, key: str = "", **options: Any) -> Any:
        """One request for an object, or for the bucket itself; a write is noted while it has no answer."""
        path = f"{self._root}/{self._cleaned(key)}" if key else self._root or "/"
        if method in ("GET", "HEAD"):
            return self._driver.connection.request(path, method=method, **options)
        with self._open_writes.one():
            return self._driver.connection.request(path, method=method, **options)

    def _cleaned(self, key: str) -> str:
        cleaned: str = self._driver._clean_object_name(key)  # type: ignore[no-untyped-call]
        return cleaned


def found(ask: Callable[[], Any]) -> Any:
    """The answer, or None when what was asked for does not exist."""
    try:
        return ask()
    except RefusedError as error:
        if error.code == 404:
            return None
        raise


def versioned(version: str | None) -> dict[str, str]:
    return {} if version is None else {"versionId": version}


def content_md5(content: Content) -> dict[str, str]:
    return {"Content-MD5": base64.b64encode(content.md5).decode()}


def unless_taken(deadline: Deadline) -> tenacity.Retrying:
    """Repeats a write that surely was not done: refused for now, or never sent."""
    return repeated(deadline, retry=tenacity.retry_if_exception(lambda error: is_passing(error) and not is_lost(error)))


def refuse_late_error(answer: Any, what: str) -> None:
    """Long work may fail after it began: the answer is then 200 with an error as its body."""
    document = answer.object
    if document is None or document == "" or not document.tag.endswith("Result"):
        raise RefusedError(500, f"{what} failed after it began", answer.headers)


def decoder(page: Any) -> Callable[[str], str]:
    """How keys are written in a listing; not every store follows the wish for percent-encoding."""
    return unquote_plus if page.findtext("{*}EncodingType") == "url" else str


def is_cut(page: Any) -> bool:
    """Whether another page follows."""
    return str(page.findtext("{*}IsTruncated", "")).lower() == "true"


def _head(headers: Mapping[str, str]) -> Head:
    etag = headers.get("etag", "").strip('"')
    encrypted = headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    return Head(
        etag=etag,
        size=int(headers.get("content-length", 0)),
        headers={name: headers[name] for name in KEPT_HEADERS if name in headers},
        meta={name.removeprefix(META): value for name, value in headers.items() if name.startswith(META)},
        md5=re.fullmatch("[0-9a-f]{32}", etag) is not None and not encrypted,
        version=headers.get("x-amz-version-id"),
        held=_held(headers),
    )


def _held(headers: Mapping[str, str]) -> str:
    if headers.get("x-amz-object-lock-legal-hold", "").upper() == "ON":
        return "a legal hold"
    until = headers.get("x-amz-object-lock-retain-until-date")
    return f"{headers.get('x-amz-object-lock-mode', 'a')} retention until {until}" if until else ""


def _block(context: Context, store: str) -> Mapping[str, Any]:
    block: Mapping[str, Any] = context.scope.get("storage", {}).get(store, {})
    missing = [name for name in ("url", "access_key", "secret_key") if not block.get(name)]
    if missing:
        raise ProviderError(
            f"storage.{store} of the scope has no {', '.join(missing)}; add it to bascule.yaml.", permanent=True
        )
    return block
