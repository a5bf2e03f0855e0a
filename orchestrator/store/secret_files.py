"""Secrets by reference: one file a secret, in the data directory, readable by its owner alone."""

import os
import stat
from pathlib import Path

from providers.base import ProviderError, Reveal, Secret

_PREFIX = "secret://"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def secrets_of(root: Path, scope: str) -> Reveal:
    """Reveals `secret://name` from `root/SCOPE/name`: one scope never sees another's."""

    def reveal(reference: str) -> Secret:
        name = reference.removeprefix(_PREFIX)
        path = root / scope / name
        if "/" in name or name.startswith(".") or not reference.startswith(_PREFIX):
            raise ProviderError(f"{reference!r} is not a secret's reference; write secret://name.", permanent=True)
        try:
            mode = path.stat().st_mode
            value = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ProviderError(
                f"The secret {reference} of scope {scope} is missing. Put it into secrets/{scope}/{name} "
                "of the data directory, with mode 600.",
                permanent=True,
            ) from error
        if mode & _OTHERS:
            raise ProviderError(
                f"The secret file secrets/{scope}/{name} can be read by others: set its mode to 600.", permanent=True
            )
        return Secret(value if value.startswith("-----BEGIN") else value.rstrip("\n"))

    return reveal


def fault_of(root: Path, scope: str, reference: str) -> str:
    """What is wrong with the file of a reference, with the remedy; nothing where all is well. Tells no secret."""
    name = reference.removeprefix(_PREFIX)
    path = root / scope / name
    file = f"secrets/{scope}/{name}"
    try:
        found = path.stat()
        empty = not path.read_bytes().strip()
    except FileNotFoundError:
        return f"Put it into {file} of the data directory, with mode 600."
    except OSError as error:
        return f"{file} can't be read ({error.strerror}): give it to the account of the service, with mode 600."
    if found.st_mode & _OTHERS:
        return f"Others can read it: chmod 600 {file}"
    return f"It is empty: store the value in {file}." if empty else ""


def stored(root: Path, scope: str) -> list[str]:
    """References of all secrets that the scope has a file of, sorted."""
    try:
        return sorted(_PREFIX + entry.name for entry in os.scandir(root / scope) if not entry.name.startswith("."))
    except FileNotFoundError:
        return []
