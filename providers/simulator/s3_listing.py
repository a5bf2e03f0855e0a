"""ListObjects, versions 1 and 2: prefix, delimiter, pages."""

import base64
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice
from xml.etree import ElementTree as ET

from providers.simulator.s3_store import Store, StoreError
from providers.simulator.s3_xml import NAMESPACE, STAMP, add, encoder, owner, size_asked

MAX_KEYS = 1000


@dataclass(slots=True)
class Page:
    """One page: keys, common prefixes, and the last entry when more follow."""

    keys: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    truncated: bool = False


def listing(store: Store, bucket: str, query: dict[str, str], url_listing: bool = True) -> ET.Element:
    """The XML answer to one listing request."""
    second = query.get("list-type") == "2"
    size = size_asked(query, "max-keys", MAX_KEYS)
    after = _start(query, second)
    page = _page(
        store.keys(bucket, query.get("prefix", "")), query.get("prefix", ""), query.get("delimiter", ""), after, size
    )
    root = ET.Element("ListBucketResult", xmlns=NAMESPACE)
    encode = encoder(query, url_listing)
    add(root, "Name", bucket)
    add(root, "Prefix", encode(query.get("prefix", "")))
    if "delimiter" in query:
        add(root, "Delimiter", encode(query["delimiter"]))
    if "encoding-type" in query and url_listing:
        add(root, "EncodingType", "url")
    add(root, "MaxKeys", str(size))
    add(root, "IsTruncated", "true" if page.truncated else "false")
    if second:
        add(root, "KeyCount", str(len(page.keys) + len(page.prefixes)))
        if page.truncated:
            add(root, "NextContinuationToken", base64.urlsafe_b64encode(page.last.encode()).decode())
    else:
        add(root, "Marker", encode(query.get("marker", "")))
        if page.truncated and query.get("delimiter"):
            add(root, "NextMarker", encode(page.last))
    for key in page.keys:
        _add_object(root, store, bucket, key, encode(key))
    for prefix in page.prefixes:
        add(ET.SubElement(root, "CommonPrefixes"), "Prefix", encode(prefix))
    return root


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
    # With a delimiter, `after` may be a common prefix, whose keys come after it.
    begin = 0 if delimiter else bisect_right(keys, after.encode(), key=str.encode)
    for key in islice(keys, begin, None):
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


def _add_object(root: ET.Element, store: Store, bucket: str, key: str, shown: str) -> None:
    stored = store.get(bucket, key)
    contents = ET.SubElement(root, "Contents")
    add(contents, "Key", shown)
    add(contents, "LastModified", stored.modified.strftime(STAMP))
    add(contents, "ETag", f'"{stored.etag}"')
    add(contents, "Size", str(stored.size))
    add(contents, "StorageClass", "STANDARD")
    owner(contents)
