"""Buckets, and the versions of their objects, of one store."""

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from providers.simulator.s3_blob import Blob, md5
from providers.simulator.s3_error import StoreError
from providers.simulator.s3_lock import DefaultRetention, Retention, check_free

__all__ = ["Bucket", "Store", "StoreError", "StoredObject", "check_md5", "md5", "now"]

NULL = "null"
"""The version id of what was written while the bucket was not versioned."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object, or a delete marker (`blob` is None).

    `etag` is the content's MD5, or `MD5-of-MD5s`-`parts` when it came in parts, or opaque.
    """

    blob: Blob | None
    etag: str
    content_type: str
    metadata: Mapping[str, str]
    modified: datetime
    version: str = NULL
    retention: Retention | None = None
    legal_hold: bool = False
    encryption: str = ""

    @property
    def data(self) -> bytes:
        return self.blob.data if self.blob else b""

    @property
    def size(self) -> int:
        return self.blob.size if self.blob else 0


@dataclass(slots=True)
class Bucket:
    """`versions`: of each key, the newest last. `versioning`: empty, Enabled or Suspended."""

    created: datetime
    versions: dict[str, list[StoredObject]] = field(default_factory=dict)
    versioning: str = ""
    locking: bool = False
    default: DefaultRetention | None = None

    def current(self, key: str) -> StoredObject | None:
        """The newest version; None when there is none or it is a delete marker."""
        stack = self.versions.get(key)
        return stack[-1] if stack and stack[-1].blob is not None else None


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Store:
    """Thread-safe: every method is one atomic act."""

    def __init__(self, seed: Mapping[str, Mapping[str, tuple[bytes, str]]]) -> None:
        self.lock = threading.RLock()
        self._seed = seed
        self.buckets: dict[str, Bucket] = {}
        self.on_reset: list[Callable[[], None]] = []
        self.reset()

    def reset(self) -> None:
        """Back to the seed: bucket -> key -> (content, content type)."""
        with self.lock:
            self.buckets = {}
            for forget in self.on_reset:
                forget()
            for name, objects in self._seed.items():
                self.buckets[name] = Bucket(now())
                for key, (data, content_type) in objects.items():
                    self.put(name, key, data, content_type, {})

    def bucket(self, name: str) -> Bucket:
        """Raises StoreError when there is no such bucket."""
        try:
            return self.buckets[name]
        except KeyError:
            raise StoreError(404, "NoSuchBucket", "The specified bucket does not exist") from None

    def create_bucket(self, name: str, *, versioning: str = "", locking: bool = False) -> None:
        with self.lock:
            if name in self.buckets:
                raise StoreError(409, "BucketAlreadyOwnedByYou", "Your previous request to create it succeeded.")
            self.buckets[name] = Bucket(now(), versioning="Enabled" if locking else versioning, locking=locking)

    def delete_bucket(self, name: str) -> None:
        with self.lock:
            if self.bucket(name).versions:
                raise StoreError(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
            del self.buckets[name]

    def get(self, bucket: str, key: str, version: str | None = None) -> StoredObject:
        """The current version, or the one named. Raises StoreError, also on a delete marker."""
        with self.lock:
            stack = self.bucket(bucket).versions.get(key, [])
            found = stack[-1] if stack and version is None else _named(stack, version)
        if found is None:
            if version is not None:
                raise StoreError(404, "NoSuchVersion", "The specified version does not exist.")
            raise StoreError(404, "NoSuchKey", "The specified key does not exist.")
        if found.blob is None:
            said = {"x-amz-delete-marker": "true", "x-amz-version-id": found.version}
            if version is not None:
                raise StoreError(405, "MethodNotAllowed", "The specified method is not allowed.", said)
            raise StoreError(404, "NoSuchKey", "The specified key does not exist.", said)
        return found

    def put(
        self, bucket: str, key: str, data: bytes, content_type: str, metadata: Mapping[str, str], etag: str = ""
    ) -> StoredObject:
        """A new object or version from its content."""
        blob = Blob(data)
        return self.add(bucket, key, made(blob, etag or blob.md5.hex(), content_type, metadata))

    def add(self, bucket: str, key: str, stored: StoredObject) -> StoredObject:
        """A new version on top; the null version is replaced while nothing else is kept."""
        with self.lock:
            found = self.bucket(bucket)
            if found.default is not None and stored.retention is None and stored.blob is not None:
                stored = replace(stored, retention=found.default.starting(now()))
            if found.versioning == "Enabled":
                stored = replace(stored, version=secrets.token_hex(16))
            stack = found.versions.setdefault(key, [])
            stack[:] = [one for one in stack if one.version != stored.version]
            stack.append(stored)
        return stored

    def delete(self, bucket: str, key: str) -> str | None:
        """Without a version: removes the object, or puts a delete marker on top; returns the marker's version.

        An empty text: the object is gone for good. None: there was nothing, and nothing was done.
        """
        with self.lock:
            found = self.bucket(bucket)
            if found.versioning:
                return self.add(bucket, key, made(None, "", "", {})).version
            return "" if found.versions.pop(key, None) else None

    def delete_version(self, bucket: str, key: str, version: str, *, bypass: bool) -> StoredObject | None:
        """Removes one version for good; returns it, or None when there was no such version."""
        with self.lock:
            versions = self.bucket(bucket).versions
            found = _named(versions.get(key, []), version)
            if found is None:
                return None
            check_free(found.retention, found.legal_hold, datetime.now(UTC), bypass)
            versions[key].remove(found)
            if not versions[key]:
                del versions[key]
            return found

    def amend(self, bucket: str, key: str, version: str | None, **changes: object) -> StoredObject:
        """Sets a version's retention or legal hold; returns it as it was."""
        with self.lock:
            found = self.get(bucket, key, version)
            stack = self.bucket(bucket).versions[key]
            stack[stack.index(found)] = replace(found, **changes)  # type: ignore[arg-type]
            return found

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Keys of current objects, sorted as S3 sorts: by UTF-8 bytes."""
        with self.lock:
            found = self.bucket(bucket)
            return sorted((k for k in found.versions if k.startswith(prefix) and found.current(k)), key=str.encode)

    def state(self) -> dict[str, dict[str, dict[str, object]]]:
        """Bucket -> key -> what identifies its content; of a versioned bucket, of every version."""
        with self.lock:
            return {
                name: {
                    key if current else f"{key}?versionId={stored.version}": _identity(stored)
                    for key, stack in sorted(bucket.versions.items())
                    for current, stored in ((one is stack[-1] and one.blob is not None, one) for one in stack)
                }
                for name, bucket in sorted(self.buckets.items())
            }


def made(blob: Blob | None, etag: str, content_type: str, metadata: Mapping[str, str]) -> StoredObject:
    return StoredObject(blob, etag, content_type, dict(sorted(metadata.items())), now())


def _identity(stored: StoredObject) -> dict[str, object]:
    return {
        "etag": stored.etag,
        "size": stored.size,
        "sha256": stored.blob.sha256 if stored.blob else "",
        "content_type": stored.content_type,
        "metadata": dict(stored.metadata),
    }


def _named(stack: list[StoredObject], version: str | None) -> StoredObject | None:
    return next((one for one in stack if one.version == version), None)


def check_md5(data: bytes, declared: str | None) -> None:
    """Raises StoreError when a Content-MD5 header does not match the content."""
    if declared is not None and base64.b64encode(md5(data).digest()).decode() != declared.strip():
        raise StoreError(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")


def opaque_etag() -> str:
    """A checksum that says nothing of the content, in the form of one that would."""
    return hashlib.sha256(secrets.token_bytes(16)).hexdigest()[:32]
