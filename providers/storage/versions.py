"""What a bucket keeps: whether it is versioned, its versions, and for how long it lets nothing be removed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from providers.storage.store import Bucket, decoder, is_cut
from providers.vendor_http import RefusedError

ENABLED, SUSPENDED = "Enabled", "Suspended"
NULL = "null"
"""The version id of what was written while the bucket was not, or no longer, versioned."""
NOT_KNOWN = frozenset({400, 403, 404, 405, 501})
"""Answers of stores that have no such feature, and of credentials that may not ask."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a delete marker."""

    key: str
    id: str
    etag: str
    marker: bool


@dataclass(frozen=True, slots=True)
class Keeping:
    """`versioning`: Enabled, Suspended, or empty; `retention`: how long a new object must stay, in words, or empty."""

    versioning: str = ""
    retention: str = ""

    @property
    def values(self) -> dict[str, str]:
        """Only what is set, for the plan."""
        told = {"versioning": self.versioning, "retention": self.retention}
        return {name: value for name, value in told.items() if value}


def keeping(bucket: Bucket) -> Keeping:
    """What the bucket says of itself; Object Lock needs versioning, so without that it is not asked."""
    answer = _setting(bucket, "versioning")
    versioning = str(answer.findtext("{*}Status", "")) if answer is not None else ""
    return Keeping(versioning, _retention(bucket) if versioning else "")


def versions(bucket: Bucket, prefix: str) -> Iterator[Version]:
    """All versions and delete markers under the prefix, of each key the newest first."""
    asked = {"versions": "", "encoding-type": "url", **({"prefix": prefix} if prefix else {})}
    after: dict[str, str] | None = {}
    while after is not None:
        page = bucket.ask("GET", params={**asked, **after}).object
        decoded = decoder(page)
        for item in page:
            kind = item.tag.rpartition("}")[2]
            if kind in ("Version", "DeleteMarker"):
                etag = item.findtext("{*}ETag", "").strip('"')
                key = decoded(item.findtext("{*}Key", ""))
                yield Version(key, item.findtext("{*}VersionId", ""), etag, kind == "DeleteMarker")
        after = _next_page(page) if is_cut(page) else None


def _next_page(page: Any) -> dict[str, str]:
    return {
        "key-marker": decoder(page)(page.findtext("{*}NextKeyMarker", "")),
        "version-id-marker": page.findtext("{*}NextVersionIdMarker", ""),
    }


def _retention(bucket: Bucket) -> str:
    answer = _setting(bucket, "object-lock")
    rule = answer.find(".//{*}DefaultRetention") if answer is not None else None
    if rule is None:
        return ""
    unit = "Days" if rule.findtext("{*}Days") else "Years"
    return f"{rule.findtext('{*}Mode', '')} {rule.findtext('{*}' + unit, '')} {unit.lower()}"


def _setting(bucket: Bucket, name: str) -> Any:
    try:
        answer = bucket.ask("GET", params={name: ""}).object
    except RefusedError as error:
        if error.code in NOT_KNOWN:
            return None
        raise
    return None if answer == "" else answer
