"""An account at Amazon Web Services as a source: EC2 in one region, S3, Route 53.

Every part has a thread, a driver and a deadline of its own, so that one API
that is refused or silent delays and hides none of the others.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from providers.base import Context, ProviderError
from providers.inventory import PARTS, Inventory, Part, Trouble
from providers.sources.aws_account import Account, Reader
from providers.sources.aws_buckets import read_buckets
from providers.sources.aws_servers import read_security_groups, read_servers, read_volumes
from providers.sources.aws_zones import read_zones

READERS: Mapping[Part, Reader] = {
    "servers": read_servers,
    "volumes": read_volumes,
    "security_groups": read_security_groups,
    "buckets": read_buckets,
    "zones": read_zones,
}


@dataclass(slots=True)
class _Reading:
    part: Part
    at: float
    items: tuple[Any, ...] | None = None
    troubles: list[Trouble] = field(default_factory=list)


class AwsSource:
    """`sources.NAME` of the scope with `driver: aws`."""

    def __init__(self, context: Context, scope: str, name: str, now: Callable[[], float] = time.time) -> None:
        self._context = context
        self._scope = scope
        self._name = name
        self._now = now

    def look(self) -> Inventory:
        account = Account.of(self._context, self._name, self._now)
        with ThreadPoolExecutor(max_workers=len(PARTS), thread_name_prefix="inventory") as pool:
            readings = list(pool.map(lambda part: self._read(account, part), PARTS))
        read = [reading for reading in readings if reading.items is not None]
        parts: dict[str, Any] = {reading.part: reading.items for reading in read}
        return Inventory(
            scope=self._scope,
            source=self._name,
            driver="aws",
            region=account.region,
            read_at={reading.part: reading.at for reading in read},
            troubles=tuple(trouble for reading in readings for trouble in reading.troubles),
            **parts,
        )

    def _read(self, account: Account, part: Part) -> _Reading:
        reading = _Reading(part, self._now())

        def tell(about: str, message: str) -> None:
            reading.troubles.append(Trouble(part, about, message))

        try:
            reading.items = tuple(READERS[part](account, tell))
        except ProviderError as error:
            tell("", error.message)
        return reading
