"""What a step has learned, line by line in a file of its workspace, so that a later attempt need not ask again.

Only what saves work is kept here, never what proves an effect: a lost ledger
costs requests. A last line that was cut off in writing is left out.
"""

import json
import threading
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import Any, Self


class Ledger:
    """Facts `word, key…, value`: each a list of texts and numbers, looked up by all but its last. Thread-safe."""

    def __init__(self, file: Path) -> None:
        self._facts: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()
        self._path = file
        self._cut = self._load(file)
        self._file: RawIOBase | None = None

    def _load(self, file: Path) -> bool:
        """True when the last line has no end."""
        line = b"\n"
        with suppress(FileNotFoundError), file.open("rb") as lines:
            for line in lines:
                with suppress(ValueError):
                    *key, value = json.loads(line)
                    self._facts[tuple(key)] = value
        return not line.endswith(b"\n")

    def add(self, *fact: Any) -> None:
        *key, value = fact
        line = json.dumps(fact, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._facts[tuple(key)] = value
            self._opened().write(line)

    def _opened(self) -> RawIOBase:
        """The file, made when there is something to note."""
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
            if self._cut:
                self._file.write(b"\n")
        return self._file

    def get(self, *key: Any) -> Any:
        """The value last noted, or None."""
        with self._lock:
            return self._facts.get(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
