"""Directories in memory, for what programs want as a file and no disk is to see: they are gone when the block ends."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from providers.base import ProviderError


@contextmanager
def volatile_directory(prefix: str) -> Iterator[Path]:
    """A new one, for this user alone. Raises ProviderError where there is no such file system."""
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=_memory()))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def volatile_file(name: str, content: str) -> Iterator[Path]:
    """A file, mode 600, in such a directory. What a process that was killed left is removed by the next."""
    _sweep(name)
    with volatile_directory(f"bascule-{name}-{os.getpid()}-") as directory:
        path = directory / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
        yield path


def _sweep(name: str) -> None:
    for path in _memory().glob(f"bascule-{name}-*-*"):
        pid = path.name.removeprefix(f"bascule-{name}-").partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(path, ignore_errors=True)


def _memory() -> Path:
    for name in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR", "")):  # noqa: S108
        if name and os.access(name, os.W_OK | os.X_OK):
            return Path(name)
    raise ProviderError(
        "There is no writable /dev/shm to keep secrets off the disk; mount a tmpfs there.", permanent=True
    )
