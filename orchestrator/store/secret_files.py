"""Secrets in plain files: one file a secret, `SCOPE/name` below a folder, readable by its owner alone.

So they are delivered: by a person, by systemd, by a container engine. `secret_store` seals them.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from providers.base import ProviderError, Reveal, Secret

_PREFIX = "secret://"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
VALUE_LIMIT = 64 * 1024
"""Bytes of one secret: a chain of certificates has some thousands."""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that holds one secret. `set_at`: when it was written, UTC seconds."""

    scope: str
    name: str
    path: Path
    set_at: float


def secrets_of(root: Path, scope: str) -> Reveal:
    """Reveals `secret://name` from `root/SCOPE/name`: one scope never sees another's."""

    def reveal(reference: str) -> Secret:
        name = name_in(reference)
        value = read_file(root, scope, name)
        if value is None:
            raise ProviderError(
                f"The secret {reference} of scope {scope} is missing. Put it into secrets/{scope}/{name} "
                "of the data directory, with mode 600.",
                permanent=True,
            )
        return Secret(value)

    return reveal


def name_in(reference: str) -> str:
    """`secret://name` -> `name`. Raises ProviderError."""
    name = reference.removeprefix(_PREFIX)
    if not is_name(name) or not reference.startswith(_PREFIX):
        raise ProviderError(f"{reference!r} is not a secret's reference; write secret://name.", permanent=True)
    return name


def is_name(name: str) -> bool:
    """Whether it names one file in one folder, and stays there."""
    return bool(name) and "/" not in name and "\0" not in name and not name.startswith(".")


def read_file(root: Path, scope: str, name: str) -> str | None:
    """The value in a plain file; None where there is none. Raises ProviderError where it can't be used."""
    path = root / scope / name
    try:
        mode = path.stat().st_mode
        value = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ProviderError(
            f"The secret file secrets/{scope}/{name} can't be read ({type(error).__name__}): give it to the account "
            "of the service, as text, with mode 600.",
            permanent=True,
        ) from error
    if mode & _OTHERS:
        raise ProviderError(
            f"The secret file secrets/{scope}/{name} can be read by others: set its mode to 600.", permanent=True
        )
    return as_value(value)


def as_value(text: str) -> str:
    """A secret as it was written: the line's end that an editor adds is no part of it; a PEM file's is."""
    return text if text.startswith("-----BEGIN") else text.rstrip("\n")


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


def files_in(root: Path) -> list[SecretFile]:
    """Every plain file that is a secret of some scope, by scope and name. Links and folders are none."""
    found = [
        SecretFile(path.parent.name, path.name, path, path.lstat().st_mtime)
        for path in root.glob("*/*")
        if is_name(path.parent.name) and is_name(path.name) and not path.is_symlink() and path.is_file()
    ]
    return sorted(found, key=lambda one: (one.scope, one.name))


def shred(path: Path) -> None:
    """Overwrite, then remove. Disks that move what they write may keep the old blocks. Raises OSError."""
    with path.open("r+b", buffering=0) as file:
        file.write(bytes(path.stat().st_size))
        os.fsync(file.fileno())
    path.unlink()
