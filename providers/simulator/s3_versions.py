"""ListObjectVersions: versions and delete markers, newest first of each key, in pages."""

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from providers.simulator.s3_store import Store, StoredObject
from providers.simulator.s3_xml import STAMP, add, add_all, encoder, owner, root, size_asked

MAX_KEYS = 1000


@dataclass(frozen=True, slots=True)
class _Line:
    key: str
    stored: StoredObject
    latest: bool


def version_listing(store: Store, bucket: str, query: dict[str, str], url_listing: bool = True) -> ET.Element:
    """The XML answer to one listing request."""
    size = size_asked(query, "max-keys", MAX_KEYS)
    lines = _after(_lines(store, bucket, query.get("prefix", "")), query)
    page, truncated = lines[:size], len(lines) > size
    encode = encoder(query, url_listing)
    listed = root("ListVersionsResult", Name=bucket, Prefix=encode(query.get("prefix", "")), MaxKeys=str(size))
    if "encoding-type" in query and url_listing:
        add(listed, "EncodingType", "url")
    add(listed, "IsTruncated", "true" if truncated else "false")
    if truncated and page:
        add_all(listed, NextKeyMarker=encode(page[-1].key), NextVersionIdMarker=page[-1].stored.version)
    for line in page:
        _add_line(listed, line, encode(line.key))
    return listed


def _lines(store: Store, bucket: str, prefix: str) -> list[_Line]:
    with store.lock:
        versions = store.bucket(bucket).versions
        return [
            _Line(key, stored, stored is versions[key][-1])
            for key in sorted((key for key in versions if key.startswith(prefix)), key=str.encode)
            for stored in reversed(versions[key])
        ]


def _after(lines: list[_Line], query: dict[str, str]) -> list[_Line]:
    key, version = query.get("key-marker", ""), query.get("version-id-marker", "")
    if not key:
        return lines
    at = [number for number, line in enumerate(lines) if (line.key, line.stored.version) == (key, version)]
    if at:
        return lines[at[0] + 1 :]
    return [line for line in lines if line.key.encode() > key.encode()]


def _add_line(listed: ET.Element, line: _Line, shown: str) -> None:
    stored = line.stored
    entry = add(listed, "Version" if stored.blob is not None else "DeleteMarker")
    add_all(entry, Key=shown, VersionId=stored.version, IsLatest="true" if line.latest else "false")
    add(entry, "LastModified", stored.modified.strftime(STAMP))
    if stored.blob is not None:
        add_all(entry, ETag=f'"{stored.etag}"', Size=str(stored.size), StorageClass="STANDARD")
    owner(entry)
