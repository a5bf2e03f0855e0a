"""ListObjects, versions 1 and 2: prefix, delimiter, pages."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.etree import ElementTree as ET

from providers.simulator.s3_store import Store, StoreError

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MAX_KEYS = 1000


@dataclass(slots=True)
class Page:
    """One page: keys, common prefixes, and the last entry when more follow."""

    keys: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    truncated: bool = False


def listing(store: Store, bucket: str, query: dict[str, str]) -> bytes:
    """The XML answer to one listing request."""
    second = query.get("list-type") == "2"
    size = _page_size(query)
    after = _start(query, second)
    page = _page(
        store.keys(bucket, query.get("prefix", "")), query.get("prefix", ""), query.get("delimiter", ""), after, size
    )
    root = ET.Element("ListBucketResult", xmlns=NAMESPACE)
    encode = _encoder(query)
    _add(root, "Name", bucket)
    _add(root, "Prefix", encode(query.get("prefix", "")))
    if "delimiter" in query:
        _add(root, "Delimiter", encode(query["delimiter"]))
    if "encoding-type" in query:
        _add(root, "EncodingType", "url")
    _add(root, "MaxKeys", str(size))
    _add(root, "IsTruncated", "true" if page.truncated else "false")
    if second:
        _add(root, "KeyCount", str(len(page.keys) + len(page.prefixes)))
        if page.truncated:
            _add(root, "NextContinuationToken", base64.urlsafe_b64encode(page.last.encode()).decode())
    else:
        _add(root, "Marker", encode(query.get("marker", "")))
        if page.truncated and query.get("delimiter"):
            _add(root, "NextMarker", encode(page.last))
    for key in page.keys:
        _add_object(root, store, bucket, key, encode(key))
    for prefix in page.prefixes:
        _add(ET.SubElement(root, "CommonPrefixes"), "Prefix", encode(prefix))
    return bytes(ET.tostring(root, encoding="UTF-8", xml_declaration=True))


def _page_size(query: dict[str, str]) -> int:
    text = query.get("max-keys", str(MAX_KEYS))
    if not text.isdigit():
        raise StoreError(400, "InvalidArgument", "Provided max-keys not an integer or within integer range")
    return min(int(text), MAX_KEYS)


def _start(query: dict[str, str], second: bool) -> str:
    if not second:
        return query.get("marker", "")
    token = query.get("continuation-token")
    if token is None:
        return query.get("start-after", "")
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise StoreError(400, "InvalidArgument", "The continuation token provided is incorrect") from None


def _page(keys: list[str], prefix: str, delimiter: str, after: str, size: int) -> Page:
    page = Page()
    for key in keys:
        entry, common = key, False
        if delimiter and delimiter in key[len(prefix) :]:
            entry = prefix + key[len(prefix) :].split(delimiter)[0] + delimiter
            common = True
        if entry.encode() <= after.encode() or (common and after.startswith(entry)) or entry == page.last:
            continue
        if len(page.keys) + len(page.prefixes) == size:
            page.truncated = size > 0
            break
        (page.prefixes if common else page.keys).append(entry)
        page.last = entry
    return page


def _encoder(query: dict[str, str]) -> Callable[[str], str]:
    return quote if query.get("encoding-type") == "url" else str


def _add(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text


def _add_object(root: ET.Element, store: Store, bucket: str, key: str, shown: str) -> None:
    stored = store.get(bucket, key)
    contents = ET.SubElement(root, "Contents")
    _add(contents, "Key", shown)
    _add(contents, "LastModified", stored.modified.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    _add(contents, "ETag", f'"{stored.etag}"')
    _add(contents, "Size", str(len(stored.data)))
    _add(contents, "StorageClass", "STANDARD")
    owner = ET.SubElement(contents, "Owner")
    _add(owner, "ID", "simulator")
    _add(owner, "DisplayName", "simulator")
