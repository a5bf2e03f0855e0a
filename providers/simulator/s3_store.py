"""Buckets and objects of one store, in memory."""

import base64
import hashlib
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


class StoreError(Exception):
    """A refusal with S3's error code and HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object. `etag` is the content's MD5, or `MD5-of-MD5s`-`parts` when it came in parts."""

    data: bytes
    etag: str
    content_type: str
    metadata: Mapping[str, str]
    modified: datetime


@dataclass(slots=True)
class Upload:
    """A multipart upload under way."""

    bucket: str
    key: str
    content_type: str
    metadata: Mapping[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Bucket:
    created: datetime
    objects: dict[str, StoredObject] = field(default_factory=dict)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def md5(data: bytes) -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


class Store:
    """Thread-safe: every method is one atomic act."""

    def __init__(self, seed: Mapping[str, Mapping[str, tuple[bytes, str]]]) -> None:
        self.lock = threading.RLock()
        self._seed = seed
        self.buckets: dict[str, Bucket] = {}
        self.uploads: dict[str, Upload] = {}
        self.reset()

    def reset(self) -> None:
        """Back to the seed: bucket -> key -> (content, content type)."""
        with self.lock:
            self.uploads = {}
            self.buckets = {}
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

    def create_bucket(self, name: str) -> None:
        with self.lock:
            if name in self.buckets:
                raise StoreError(409, "BucketAlreadyOwnedByYou", "Your previous request to create it succeeded.")
            self.buckets[name] = Bucket(now())

    def delete_bucket(self, name: str) -> None:
        with self.lock:
            if self.bucket(name).objects:
                raise StoreError(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
            del self.buckets[name]

    def get(self, bucket: str, key: str) -> StoredObject:
        with self.lock:
            try:
                return self.bucket(bucket).objects[key]
            except KeyError:
                raise StoreError(404, "NoSuchKey", "The specified key does not exist.") from None

    def put(
        self, bucket: str, key: str, data: bytes, content_type: str, metadata: Mapping[str, str], etag: str = ""
    ) -> StoredObject:
        stored = StoredObject(data, etag or md5(data).hexdigest(), content_type, dict(sorted(metadata.items())), now())
        with self.lock:
            self.bucket(bucket).objects[key] = stored
        return stored

    def delete(self, bucket: str, key: str) -> bool:
        """True when there was such an object."""
        with self.lock:
            return self.bucket(bucket).objects.pop(key, None) is not None

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Sorted as S3 sorts: by UTF-8 bytes."""
        with self.lock:
            return sorted((key for key in self.bucket(bucket).objects if key.startswith(prefix)), key=str.encode)

    def start_upload(self, bucket: str, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        with self.lock:
            self.bucket(bucket)
            upload_id = secrets.token_hex(16)
            self.uploads[upload_id] = Upload(bucket, key, content_type, metadata)
            return upload_id

    def upload(self, upload_id: str, bucket: str, key: str) -> Upload:
        found = self.uploads.get(upload_id)
        if found is None or (found.bucket, found.key) != (bucket, key):
            raise StoreError(404, "NoSuchUpload", "The specified multipart upload does not exist.")
        return found

    def finish_upload(self, upload_id: str, bucket: str, key: str, parts: Iterable[tuple[int, str]]) -> StoredObject:
        """Joins the named parts; raises StoreError when one is missing, changed or out of order."""
        with self.lock:
            upload = self.upload(upload_id, bucket, key)
            numbers: list[int] = []
            digests = b""
            for number, etag in parts:
                data = upload.parts.get(number)
                if data is None or md5(data).hexdigest() != etag.strip('"'):
                    raise StoreError(400, "InvalidPart", "One or more of the specified parts could not be found.")
                if numbers and number <= numbers[-1]:
                    raise StoreError(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
                numbers.append(number)
                digests += md5(data).digest()
            if not numbers:
                raise StoreError(400, "MalformedXML", "You must specify at least one part")
            whole = b"".join(upload.parts[number] for number in numbers)
            etag = f"{md5(digests).hexdigest()}-{len(numbers)}"
            stored = self.put(bucket, key, whole, upload.content_type, upload.metadata, etag)
            del self.uploads[upload_id]
            return stored

    def abort_upload(self, upload_id: str, bucket: str, key: str) -> None:
        with self.lock:
            self.upload(upload_id, bucket, key)
            del self.uploads[upload_id]

    def state(self) -> dict[str, dict[str, dict[str, object]]]:
        """Bucket -> key -> what identifies its content."""
        with self.lock:
            return {
                name: {
                    key: {
                        "etag": stored.etag,
                        "size": len(stored.data),
                        "sha256": hashlib.sha256(stored.data).hexdigest(),
                        "content_type": stored.content_type,
                        "metadata": dict(stored.metadata),
                    }
                    for key, stored in sorted(bucket.objects.items())
                }
                for name, bucket in sorted(self.buckets.items())
            }


def check_md5(data: bytes, declared: str | None) -> None:
    """Raises StoreError when a Content-MD5 header does not match the content."""
    if declared is not None and base64.b64encode(md5(data).digest()).decode() != declared.strip():
        raise StoreError(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
