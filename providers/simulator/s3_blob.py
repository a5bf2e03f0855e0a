"""Content of stored objects: in memory while small, else in files without a name, so that memory stays bounded."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property

IN_MEMORY = 256 * 1024
"""Bytes above which content goes to a file."""
CHUNK = 1024 * 1024


def md5(data: bytes) -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


class Blob:
    """Immutable content. Thread-safe."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.md5 = md5(data).digest()
        self._data: bytes | None = data
        if self.size > IN_MEMORY:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the content is forgotten
            self._file.write(data)
            self._file.flush()
            self._data = None

    @property
    def data(self) -> bytes:
        """All of it at once."""
        return b"".join(self.chunks(0, self.size))

    @cached_property
    def sha256(self) -> str:
        return _sha256(self.chunks(0, self.size))

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes of a half-open range, a chunk at a time."""
        for at in range(start, end, CHUNK):
            length = min(CHUNK, end - at)
            yield self._data[at : at + length] if self._data is not None else os.pread(self._file.fileno(), length, at)


class Joined(Blob):
    """The content of an object that came in parts; it copies nothing."""

    def __init__(self, parts: Iterable[Blob]) -> None:
        self._parts = tuple(parts)
        self.size = sum(part.size for part in self._parts)
        self.md5 = md5(b"".join(part.md5 for part in self._parts)).digest()

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        base = 0
        for part in self._parts:
            yield from part.chunks(max(0, start - base), max(0, min(part.size, end - base)))
            base += part.size


def _sha256(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
