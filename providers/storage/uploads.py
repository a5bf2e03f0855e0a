"""Uploads in parts at one bucket: begun, filled, listed, completed, aborted."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from providers.base import ProviderError
from providers.storage.content import Content
from providers.storage.store import (
    LARGEST,
    META,
    MIB,
    Bucket,
    Limits,
    content_md5,
    decoder,
    found,
    is_cut,
    refuse_late_error,
    unless_taken,
)


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of an object: its number, from 1, and its half-open range of bytes."""

    number: int
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Arrived:
    """A part that the store has."""

    etag: str
    size: int


def slices(size: int, limits: Limits) -> list[Slice]:
    """An object in parts of one size, larger than wished where the store takes too few of them."""
    part = max(limits.part, ceil(ceil(size / limits.max_parts) / MIB) * MIB)
    if part > LARGEST:
        raise ProviderError(
            f"An object of {size} bytes does not fit into {limits.max_parts} parts of 5 GiB; copy it by hand.",
            permanent=True,
        )
    return [Slice(n, at, min(at + part, size)) for n, at in enumerate(range(0, size, part), start=1)]


def begin(bucket: Bucket, key: str, headers: Mapping[str, str], meta: Mapping[str, str]) -> str:
    """Returns the upload's id."""
    sent = {"content-type": "application/octet-stream", **headers}
    sent.update({META + name: value for name, value in meta.items()})
    answer = unless_taken(bucket.deadline)(lambda: bucket.ask("POST", key, params={"uploads": ""}, headers=sent))
    upload: str = answer.object.findtext("{*}UploadId")
    return upload


def put(bucket: Bucket, key: str, upload: str, number: int, content: Content) -> str:
    """Send one part; returns the store's checksum of it. Sending it again replaces it."""
    asked = {"partNumber": str(number), "uploadId": upload}
    answer = unless_taken(bucket.deadline)(
        lambda: bucket.ask("PUT", key, params=asked, data=content.body(bucket.deadline), headers=content_md5(content))
    )
    return str(answer.headers.get("etag", "")).strip('"')


def arrived(bucket: Bucket, key: str, upload: str) -> dict[int, Arrived] | None:
    """The parts that the store has, by number; None when there is no such upload."""
    parts: dict[int, Arrived] = {}
    marker: str | None = ""
    while marker is not None:
        asked = {"uploadId": upload, **({"part-number-marker": marker} if marker else {})}
        answer = found(lambda asked=asked: bucket.ask("GET", key, params=asked))  # type: ignore[misc]
        if answer is None:
            return None
        page = answer.object
        for item in page.iterfind("{*}Part"):
            size = int(item.findtext("{*}Size", "0"))
            parts[int(item.findtext("{*}PartNumber"))] = Arrived(item.findtext("{*}ETag", "").strip('"'), size)
        marker = page.findtext("{*}NextPartNumberMarker") if is_cut(page) else None
    return parts


def under_way(bucket: Bucket, prefix: str) -> dict[str, list[str]]:
    """The ids of all uploads under the prefix, whoever began them, by key."""
    open_: dict[str, list[str]] = defaultdict(list)
    asked = {"uploads": "", "encoding-type": "url", **({"prefix": prefix} if prefix else {})}
    after: dict[str, str] | None = {}
    while after is not None:
        page = bucket.ask("GET", params={**asked, **after}).object
        decoded = decoder(page)
        for item in page.iterfind("{*}Upload"):
            open_[decoded(item.findtext("{*}Key", ""))].append(item.findtext("{*}UploadId", ""))
        after = None
        if is_cut(page):
            key = decoded(page.findtext("{*}NextKeyMarker", ""))
            after = {"key-marker": key, "upload-id-marker": page.findtext("{*}NextUploadIdMarker", "")}
    return dict(open_)


def complete(bucket: Bucket, key: str, upload: str, parts: Sequence[tuple[int, str]]) -> str:
    """Make the object of its parts; returns its checksum."""
    listed = "".join(
        f'<Part><PartNumber>{number}</PartNumber><ETag>"{etag}"</ETag></Part>' for number, etag in sorted(parts)
    )
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    answer = bucket.ask("POST", key, params={"uploadId": upload}, data=body, headers={"content-type": "text/xml"})
    refuse_late_error(answer, f"joining the parts of {key}")
    return str(answer.object.findtext("{*}ETag", "")).strip('"')


def abort(bucket: Bucket, key: str, upload: str) -> None:
    """Aborting what is not there is no error."""
    found(lambda: bucket.ask("DELETE", key, params={"uploadId": upload}))
