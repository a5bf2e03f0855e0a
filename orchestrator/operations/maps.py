"""The dependency map: what the organisation stands on, seen from outside and inside, held against its estate."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.dependencies import Proven
from orchestrator.domain.dependency_map import DependencyMap, map_of
from orchestrator.domain.mentions import mentioned_hosts
from orchestrator.operations.estate import Estates
from orchestrator.operations.inventories import last_inventories
from orchestrator.operations.request import NotFound, Paths, RequestError
from orchestrator.store import proven
from orchestrator.store.database import Database
from orchestrator.store.map_files import load_discoveries, save_discovery
from providers.base import Context, ProviderError, Reveal
from providers.discovery.discover import discover
from providers.discovery.network_files import network_table
from providers.discovery.sign import Discovery, Sign, discovery_from_json
from providers.inventory import PARTS, Inventory

LOOK_FOR = 100.0
"""Seconds that one discovery may take in all."""

log = logging.getLogger("bascule.map")


class Maps:
    def __init__(
        self,
        database: Database,
        estates: Estates,
        secrets: Callable[[str], Reveal],
        paths: Paths,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._estates = estates
        self._secrets = secrets
        self._paths = paths
        self._clock = clock

    def make(self, scope: str, domains: Sequence[str] = ()) -> DependencyMap:
        """Look at these domains now, keep what was seen, and map it; without domains, at the scope's zones.

        Changes nothing outside. Raises NotFound when the scope does not exist, RequestError
        when a domain is none or nothing can be asked.
        """
        commit = self._estates.newest()
        bundle = self._bundle(scope)
        asked = list(domains) or sorted(bundle.estate.scopes[scope].dns.zones)
        if not asked:
            raise RequestError(f"The scope {scope} has no zones: name the organisation's domains.")
        names: dict[str, list[str]] = {}
        for host in mentioned_hosts(bundle, asked):
            for domain in asked:
                if host.endswith(f".{domain}"):
                    names.setdefault(domain, []).append(host)
        context = Context(
            scope=self._estates.scope(commit, scope),
            reveal=self._secrets(scope),
            workspace=self._paths.workspaces,
            estate=self._estates.checkout(commit),
            deadline=LOOK_FOR,
            clock=self._clock,
        )
        try:
            found = discover(context, scope, asked, names, network_table(self._paths.data))
        except ProviderError as error:
            raise RequestError(error.message) from error
        self._keep(found)
        return self._mapped(bundle, found)

    def owner_of(self, address: str) -> str | None:
        """Whose network an address is in, by the table of prefixes; None when nobody knows."""
        return network_table(self._paths.data).owner_of(address)

    def last(self, scope: str) -> DependencyMap:
        """What was seen last, held against the estate of today. Raises NotFound when nothing was ever mapped."""
        bundle = self._bundle(scope)
        for values in load_discoveries(self._paths.maps, scope):
            try:
                return self._mapped(bundle, discovery_from_json(values))
            except ValueError:
                log.warning("a map of scope %s cannot be read and is passed over", scope)
        raise NotFound(f"No map of scope {scope} was ever made here: `bascule map DOMAIN…` makes one.")

    def _bundle(self, scope: str) -> Bundle:
        bundle = self._estates.bundle(self._estates.newest())
        if scope not in bundle.estate.scopes:
            raise NotFound(f"The estate has no scope {scope!r}; it has {', '.join(sorted(bundle.estate.scopes))}.")
        return bundle

    def _keep(self, found: Discovery) -> None:
        try:
            save_discovery(self._paths.maps, found.scope, found.read_at, found.as_json())
        except OSError as error:
            raise RequestError(
                f"The map was made and could not be kept in {self._paths.maps} ({error.strerror}): "
                "make room or correct its rights, then make it again."
            ) from error

    def _mapped(self, bundle: Bundle, found: Discovery) -> DependencyMap:
        inventories = self._inventories(found.scope)
        whole = replace(found, signs=(*found.signs, *_inside(inventories)))
        return map_of(
            whole,
            bundle.estate.services,
            bundle.catalogue,
            mentioned_hosts(bundle, found.domains),
            self._proven(bundle, inventories),
            self._clock(),
        )

    def _inventories(self, scope: str) -> list[Inventory]:
        try:
            return last_inventories(self._paths.inventories, scope)
        except NotFound:
            return []

    def _proven(self, bundle: Bundle, inventories: Sequence[Inventory]) -> Mapping[str, Proven]:
        """What counts as a service's copy: its data, or else the inventory of the vendor that it is at."""
        with self._database.read() as conn:
            tests, copies = proven.last_tests(conn), proven.last_copies(conn)
        read = {one.driver: max(one.read_at.values()) for one in inventories if one.read_at}
        made = {}
        for name, service in bundle.estate.services.items():
            known = [at for at in (copies.get(name), read.get(service.vendor)) if at is not None]
            made[name] = Proven(tests.get(name), max(known, default=None))
        return made


def _inside(inventories: Sequence[Inventory]) -> Iterator[Sign]:
    """That things are there at a vendor shows that it is depended on, whatever is seen from outside."""
    for one in inventories:
        counts = [(part, len(getattr(one, part) or ())) for part in PARTS]
        there = [f"{part.replace('_', ' ')} {number}" for part, number in counts if number]
        if there:
            yield Sign("", "inside", one.source, one.driver, f"inventory of {one.source}: {', '.join(there)}")
