"""Bytes on their way from store to store: in memory while few, else in a nameless file of the workspace."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self, cast

from providers.vendor_http import Deadline

IN_MEMORY = 1024 * 1024
"""Bytes above which a file takes over, so that many transfers side by side need little memory."""
SENT_AT_ONCE = 256 * 1024


class Content:
    """One object or part, received whole before it is sent on. Closed by `with`."""

    def __init__(self, folder: Path) -> None:
        self._file = cast(IO[bytes], tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder)))  # noqa: SIM115
        self.clear()

    @classmethod
    def of(cls, data: bytes, folder: Path) -> "Content":
        made = cls(folder)
        made.write(data)
        return made

    def clear(self) -> None:
        """Forget what arrived: a read that broke off is repeated from its beginning."""
        self._file.seek(0)
        self._file.truncate()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._md5.update(chunk)
        self.size += len(chunk)

    @property
    def md5(self) -> bytes:
        return self._md5.digest()

    def body(self, deadline: Deadline) -> "Body | str":
        """What a request sends; an empty text when there is nothing, so that the request has a length of 0."""
        self._file.seek(0)
        return Body(self._file, self.size, deadline) if self.size else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Body:
    """A request's body of known length, sent in small pieces: each has the connection's timeout to itself.

    Bytes handed over at once would have to pass within one timeout all together.
    """

    def __init__(self, file: IO[bytes], size: int, deadline: Deadline) -> None:
        self._file = file
        self._size = size
        self._deadline = deadline

    def __len__(self) -> int:
        return self._size

    def read(self, _: int = -1) -> bytes:
        self._deadline.left()
        return self._file.read(SENT_AT_ONCE)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> Any:
        """Libcloud tells a stream, which it does not read to sign it, by this method."""
        piece = self.read()
        if not piece:
            raise StopIteration
        return piece
