"""Uploads in parts that are under way at one store."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from providers.simulator.s3_blob import Blob, Joined
from providers.simulator.s3_error import StoreError
from providers.simulator.s3_store import Store, StoredObject, made, now


@dataclass(frozen=True, slots=True)
class Part:
    blob: Blob
    etag: str


@dataclass(slots=True)
class Upload:
    """A multipart upload under way."""

    bucket: str
    key: str
    content_type: str
    metadata: Mapping[str, str]
    begun: datetime
    parts: dict[int, Part] = field(default_factory=dict)


class Uploads:
    """Thread-safe: every method is one atomic act, under the store's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uploads: dict[str, Upload] = {}
        store.on_reset.append(self._uploads.clear)

    def begin(self, bucket: str, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        with self._store.lock:
            self._store.bucket(bucket)
            upload_id = secrets.token_hex(16)
            self._uploads[upload_id] = Upload(bucket, key, content_type, metadata, now())
            return upload_id

    def get(self, upload_id: str, bucket: str, key: str) -> Upload:
        """Raises StoreError when there is no such upload."""
        found = self._uploads.get(upload_id)
        if found is None or (found.bucket, found.key) != (bucket, key):
            raise StoreError(404, "NoSuchUpload", "The specified multipart upload does not exist.")
        return found

    def add_part(self, upload_id: str, bucket: str, key: str, number: int, part: Part) -> None:
        with self._store.lock:
            self.get(upload_id, bucket, key).parts[number] = part

    def finish(
        self,
        upload_id: str,
        bucket: str,
        key: str,
        asked: Iterable[tuple[int, str]],
        *,
        min_part: int = 0,
        etag: str = "",
        encryption: str = "",
    ) -> StoredObject:
        """Joins the named parts; raises StoreError when one is missing, changed, too small or out of order."""
        with self._store.lock:
            upload = self.get(upload_id, bucket, key)
            parts: list[Part] = []
            last = 0
            for number, said in asked:
                part = upload.parts.get(number)
                if part is None or part.etag != said.strip('"'):
                    raise StoreError(400, "InvalidPart", "One or more of the specified parts could not be found.")
                if number <= last:
                    raise StoreError(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
                last = number
                parts.append(part)
            if not parts:
                raise StoreError(400, "MalformedXML", "You must specify at least one part")
            if any(part.blob.size < min_part for part in parts[:-1]):
                raise StoreError(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
            whole = Joined(part.blob for part in parts)
            etag = etag or f"{whole.md5.hex()}-{len(parts)}"
            fresh = replace(made(whole, etag, upload.content_type, upload.metadata), encryption=encryption)
            stored = self._store.add(bucket, key, fresh)
            del self._uploads[upload_id]
            return stored

    def abort(self, upload_id: str, bucket: str, key: str) -> None:
        with self._store.lock:
            self.get(upload_id, bucket, key)
            del self._uploads[upload_id]

    def listed(self, bucket: str, prefix: str) -> list[tuple[str, str, Upload]]:
        """Key, id and upload, by key and then by age."""
        with self._store.lock:
            self._store.bucket(bucket)
            found = [
                (one.key, upload_id, one)
                for upload_id, one in self._uploads.items()
                if one.bucket == bucket and one.key.startswith(prefix)
            ]
        return sorted(found, key=lambda item: (item[0].encode(), item[2].begun, item[1]))
