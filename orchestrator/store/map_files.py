"""What was seen of an organisation's domains: one file a discovery, kept as inventories are.

What follows from it is not kept: it is decided anew against the estate as it is when somebody looks.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.store.inventory_files import load_inventories, save_inventory

_NAME = "map"


def save_discovery(root: Path, scope: str, at: float, values: Mapping[str, Any]) -> Path:
    """Keep one discovery; `at` is seconds since the epoch, UTC. Raises OSError."""
    return save_inventory(root, scope, _NAME, at, values)


def load_discoveries(root: Path, scope: str) -> Iterator[dict[str, Any]]:
    """All that are kept, the newest first; one that cannot be read is passed over."""
    return load_inventories(root, scope, _NAME)
