"""What the organisation has at the vendors it may lose: read while they answer, kept for when they don't."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator.operations.estate import Estates
from orchestrator.operations.request import NotFound, Paths, RequestError
from orchestrator.store.inventory_files import load_inventories, save_inventory, sources_in
from providers.base import Context, ProviderError, Reveal
from providers.inventory import PARTS, Inventory, Trouble, completed, inventory_from_json
from providers.registry import source_for

LOOK_FOR = 90.0
"""Seconds that each part of a source may take; large buckets are counted as far as they allow."""

log = logging.getLogger("bascule.inventory")


class Inventories:
    def __init__(
        self, estates: Estates, secrets: Callable[[str], Reveal], paths: Paths, clock: Callable[[], float]
    ) -> None:
        self._estates = estates
        self._secrets = secrets
        self._paths = paths
        self._clock = clock

    def take(self, scope: str, source: str | None = None) -> list[Inventory]:
        """Read one source of a scope, or all of them side by side, and keep what was read.

        Changes nothing outside. Raises NotFound when the scope or the source does not exist.
        """
        commit = self._estates.newest()
        names = self._names(commit, scope, source)
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="source") as pool:
            found = list(pool.map(lambda name: self._look(commit, scope, name), names))
        for inventory in found:
            if inventory.read_at:
                self._keep(inventory)
        return found

    def _names(self, commit: str, scope: str, source: str | None) -> list[str]:
        scopes = self._estates.bundle(commit).estate.scopes
        if scope not in scopes:
            raise NotFound(f"The estate has no scope {scope!r}; it has {', '.join(sorted(scopes))}.")
        known = sorted(scopes[scope].sources)
        if not known:
            raise NotFound(f"The scope {scope} has no `sources` to read; add them to bascule.yaml.")
        if source is not None and source not in known:
            raise NotFound(f"The scope {scope} has no source {source!r}; it has {', '.join(known)}.")
        return known if source is None else [source]

    def _look(self, commit: str, scope: str, name: str) -> Inventory:
        """A source whose block or secrets are wrong hides none of the others either."""
        context = Context(
            scope=self._estates.scope(commit, scope),
            reveal=self._secrets(scope),
            workspace=self._paths.workspaces,
            estate=self._estates.checkout(commit),
            deadline=LOOK_FOR,
        )
        block = context.scope["sources"][name]
        try:
            return source_for(context, scope, name).look()
        except ProviderError as error:
            troubles = tuple(Trouble(part, "", error.message) for part in PARTS)
            return Inventory(scope, name, block["driver"], block.get("region") or "", troubles=troubles)

    def _keep(self, inventory: Inventory) -> None:
        """Raises RequestError when the data directory takes nothing: who counts on a copy must know."""
        try:
            save_inventory(
                self._paths.inventories, inventory.scope, inventory.source, self._clock(), inventory.as_json()
            )
        except OSError as error:
            raise RequestError(
                f"The inventory of {inventory.source} was read and could not be kept in {self._paths.inventories} "
                f"({error.strerror}): make room or correct its rights, then read it again."
            ) from error


def last_inventories(root: Path, scope: str, source: str | None = None) -> list[Inventory]:
    """What was last known of a scope's sources, from the files under `root` alone.

    What the newest reading lacks is taken from earlier ones, with its own date.
    Raises NotFound when nothing was ever read.
    """
    names = sources_in(root, scope) if source is None else [source]
    found = [known for name in names if (known := _last(root, scope, name)) is not None]
    if not found:
        what = f"The source {source}" if source else "No source"
        never = "was never read" if source else "was ever read"
        raise NotFound(f"{what} of scope {scope} {never} here: `bascule inventory` reads it while it answers.")
    return found


def _last(root: Path, scope: str, source: str) -> Inventory | None:
    known: Inventory | None = None
    for values in load_inventories(root, scope, source):
        try:
            earlier = inventory_from_json(values)
        except ValueError:
            log.warning("an inventory of %s in scope %s cannot be read and is passed over", source, scope)
            continue
        known = earlier if known is None else completed(known, earlier)
        if _nothing_missing(known):
            break
    return known


def _nothing_missing(known: Inventory) -> bool:
    if any(getattr(known, part) is None for part in PARTS):
        return False
    zones = all(zone.records is not None for zone in known.zones or ())
    return zones and all(bucket.objects is not None for bucket in known.buckets or ())
