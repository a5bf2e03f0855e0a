"""Secrets by reference: one file a secret, in the data directory, readable by its owner alone."""

import stat
from pathlib import Path

from providers.base import ProviderError, Reveal, Secret

_PREFIX = "secret://"


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
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ProviderError(
                f"The secret file secrets/{scope}/{name} can be read by others: set its mode to 600.", permanent=True
            )
        return Secret(value if value.startswith("-----BEGIN") else value.rstrip("\n"))

    return reveal
