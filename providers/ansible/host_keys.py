"""The host keys that a run has seen, lent to one play at a time.

The first step that reaches a host notes its key, and every later one insists on it. A
play gets a copy with its own hosts only, so that it can't speak for others; what ssh
noted there of hosts that were not known yet is taken back when the play has ended.
"""

import fcntl
import os
import re
from collections.abc import Collection
from pathlib import Path

COPY_LIMIT = 1024 * 1024
"""Bytes that are read of a copy that a play had in its hands."""
_LINE = re.compile(r"(?P<name>[^ #@|,*?!]+) (?P<kind>[a-z0-9@.-]{1,64}) (?P<key>[A-Za-z0-9+/]{16,16384}={0,2})\Z")
"""What ssh notes (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): no pattern, no hash, no marker."""


def names_of(addresses: Collection[str], port: int) -> frozenset[str]:
    """How ssh names these hosts in its list."""
    return frozenset(address.lower() if port == 22 else f"[{address.lower()}]:{port}" for address in addresses)


def lend(known: Path, copy: Path, names: Collection[str]) -> None:
    """Write what is known of these hosts to a new file."""
    copy.touch(mode=0o600, exist_ok=False)
    copy.write_text("".join(f"{line}\n" for line in _lines(known, names)), encoding="ascii")


def take_back(known: Path, copy: Path, names: Collection[str]) -> None:
    """Add what a play's ssh noted of these hosts, unless the run knows them by now."""
    noted = _lines(copy, names)
    if not noted:
        return
    with os.fdopen(os.open(known, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        there = {_name(line) for line in _lines(known, names)}
        file.writelines(f"{line}\n" for line in noted if _name(line) not in there)


def _lines(path: Path, names: Collection[str]) -> list[str]:
    """The well-formed lines about these hosts."""
    try:
        with path.open("rb") as file:
            text = file.read(COPY_LIMIT).decode("ascii", "replace")
    except FileNotFoundError:
        return []
    return [line for line in text.split("\n") if _LINE.match(line) and _name(line) in names]


def _name(line: str) -> str:
    return line.partition(" ")[0].lower()
