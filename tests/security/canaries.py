"""Canaries: distinct secret values, and the search for them in whatever a service leaves behind."""

import base64
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

LONG_LINE = 20
"""Characters of a line of a longer secret that is searched for by itself; the first two are those of every key."""


@dataclass(frozen=True)
class Canaries:
    """`values`: by the name of the secret, each distinct."""

    values: Mapping[str, str]

    def __post_init__(self) -> None:
        assert len(set(self.values.values())) == len(self.values)
        assert all(len(value) >= 10 for value in self.values.values())

    def found_in(self, content: bytes) -> set[str]:
        """The names of those that are there, in any form."""
        return {name for name, value in self.values.items() if any(form in content for form in _forms(value))}

    def found_below(self, folder: Path) -> dict[str, set[str]]:
        """By file, those that are there; names of files are searched as well."""
        files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        found = {str(path): self.found_in(str(path).encode() + path.read_bytes()) for path in files}
        return {path: names for path, names in found.items() if names}


def _forms(value: str) -> set[bytes]:
    texts = {value.strip(), quote(value, safe=""), json.dumps(value)[1:-1]}
    texts |= {line for line in value.splitlines()[2:] if len(line) >= LONG_LINE and not line.startswith("-----")}
    raw = value.encode()
    return {text.encode() for text in texts} | {base64.b64encode(raw), raw.hex().encode()}


@dataclass
class Sampled:
    """Command lines and environments that were seen, each once."""

    seen: set[bytes] = field(default_factory=set)
    processes: set[int] = field(default_factory=set)

    def look(self, pid: int) -> None:
        for one in tree(pid):
            for part in ("cmdline", "environ"):
                try:
                    self.seen.add(Path(f"/proc/{one}/{part}").read_bytes())
                except OSError:
                    continue
                self.processes.add(one)


def tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    below: list[str] = []
    with suppress(OSError):  # it may end while it is looked at
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            below += file.read_text().split()
    for child in below:
        yield from tree(int(child))


@contextmanager
def sampling(pid: int, every: float = 0.02) -> Iterator[Sampled]:
    """Looks at the tree of processes again and again until the block ends."""
    sampled, ended = Sampled(), threading.Event()

    def look() -> None:
        while not ended.wait(every):
            sampled.look(pid)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield sampled
    finally:
        ended.set()
        thread.join()


def names_of(found: Iterable[set[str]]) -> set[str]:
    return set().union(*found)
