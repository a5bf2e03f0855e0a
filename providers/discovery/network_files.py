"""The table of prefixes as files: the small one that comes with Bascule, and the one that was refreshed here."""

import json
import os
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from providers.base import ProviderError
from providers.discovery.networks import NetworkOwner, NetworkTable

SHIPPED = Path(__file__).parent.parent / "catalogue" / "networks.yaml"
REFRESHED = "networks.json"
"""The file in the data directory."""


@cache
def shipped_owners() -> tuple[NetworkOwner, ...]:
    """Raises ValueError when the file that came with Bascule is damaged."""
    return tuple(_owners(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")), SHIPPED.name))


def refreshed_owners(data: Path) -> tuple[NetworkOwner, ...]:
    """What was refreshed here; nothing when it never was. Raises ProviderError(permanent) when it can't be read."""
    file = data / REFRESHED
    try:
        return tuple(_owners(json.loads(file.read_text(encoding="utf-8")), str(file)))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise ProviderError(
            f"The table of addresses in {file} can't be read; remove the file, or write it anew with "
            "`bascule map --refresh-networks`.",
            permanent=True,
        ) from error


def network_table(data: Path) -> NetworkTable:
    """What is known here: a company's refreshed prefixes stand in place of its shipped ones.

    Kept in memory until it is refreshed again. Raises ProviderError(permanent).
    """
    try:
        changed = (data / REFRESHED).stat().st_mtime_ns
    except OSError:
        changed = 0
    return _table(data, changed)


@lru_cache(maxsize=4)
def _table(data: Path, _changed: int) -> NetworkTable:
    owners = {one.name: one for one in shipped_owners()}
    owners |= {one.name: one for one in refreshed_owners(data)}
    return NetworkTable(owners.values())


def save_owners(data: Path, owners: Iterable[NetworkOwner]) -> Path:
    """Keep these besides the others that were refreshed, each in place of its earlier self. Raises OSError."""
    kept = {one.name: one for one in refreshed_owners(data)}
    kept |= {one.name: one for one in owners}
    file, part = data / REFRESHED, data / f".{REFRESHED}.{os.getpid()}.part"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = {"networks": {name: _written(one) for name, one in sorted(kept.items())}}
    with part.open("w", encoding="utf-8") as opened:
        json.dump(written, opened)
        opened.flush()
        os.fsync(opened.fileno())
    part.replace(file)
    return file


def _owners(data: Any, place: str) -> Iterable[NetworkOwner]:
    networks = data.get("networks") if isinstance(data, Mapping) else None
    if not isinstance(networks, Mapping):
        raise ValueError(f"{place} has no `networks`")
    for name, one in networks.items():
        try:
            prefixes = tuple(str(one["prefixes"]).split())
            source, date = str(one["source"]), str(one["date"])
            yield NetworkOwner(str(name), str(one["title"]), source, date, bool(one["verified"]), prefixes)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{place}: `{name}` is incomplete") from error


def _written(one: NetworkOwner) -> dict[str, Any]:
    head = {"title": one.title, "source": one.source, "date": one.date, "verified": one.verified}
    return {**head, "prefixes": " ".join(one.prefixes)}
