"""A picture that goes with an announcement, and a small one for trials."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from providers.base import ProviderError
from providers.wants import Words

MOST_BYTES = 8 * 1024 * 1024
"""Half of what Mastodon takes (16 MiB); many servers are set to less, and a picture for people needs less."""
SIDE = 64
"""Pixels of the small picture: servers that make previews choke on smaller ones."""

_KINDS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


@dataclass(frozen=True, slots=True)
class Picture:
    """Its file name, its bytes, and what it shows for those who can't see it."""

    name: str
    content: bytes
    media_type: str
    text: str

    @classmethod
    def read(cls, estate: Path, path: str, text: Words) -> Self:
        """A file of the estate. Raises ProviderError(permanent) when it is not there, too large or no picture."""
        try:
            with (estate / path).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise ProviderError(
                f"The picture {path} can't be read ({error.strerror}); add it to the estate.", permanent=True
            ) from error
        if len(content) > MOST_BYTES:
            raise ProviderError(
                f"The picture {path} has more than {MOST_BYTES // 2**20} MiB; make it smaller.", permanent=True
            )
        kind = _media_type(content)
        if kind is None:
            raise ProviderError(f"{path} is no PNG, JPEG, GIF or WebP picture; give another file.", permanent=True)
        return cls(path.rpartition("/")[2], content, kind, f"{text.fr.strip()} / {text.en.strip()}")

    @classmethod
    def small(cls, text: str) -> Self:
        """A grey square."""
        row = b"\0" + b"\x80" * SIDE
        head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(row * SIDE)), (b"IEND", b""))
        return cls("bascule.png", _KINDS[0][0] + b"".join(_chunk(*one) for one in chunks), "image/png", text)


def _media_type(content: bytes) -> str | None:
    """By its first bytes: a file's name may say anything."""
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for begin, kind in _KINDS if content.startswith(begin)), None)


def _chunk(name: bytes, content: bytes) -> bytes:
    """One part of a PNG (its specification, §5.3)."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
