"""What all authoritative servers of a zone hold of some record sets at one time."""

from collections.abc import Callable
from typing import Self

from providers.base import JsonMap, ProviderError
from providers.dns.authority import read, servers_of
from providers.dns.deadline import Deadline
from providers.dns.endpoint import Endpoint
from providers.dns.record_sets import RecordSets, differences, rivals


class View:
    """The record sets of the same keys at each server, the primary first; never empty.

    `origin`: what the place that takes the changes holds, where that is none of the servers but a host's API.
    """

    def __init__(
        self, zone: str, held: tuple[tuple[Endpoint, RecordSets], ...], origin: RecordSets | None = None
    ) -> None:
        self._zone = zone
        self._held = held
        self.origin = origin

    @classmethod
    def taken(
        cls, scope: JsonMap, zone: str, of: RecordSets, deadline: Deadline, origin: RecordSets | None = None
    ) -> Self:
        """Ask every server for the keys of these record sets. Raises ProviderError when one does not answer."""
        keys = tuple(one.key for one in of)
        held = tuple((server, read(zone, server, keys, deadline)) for server in servers_of(scope, zone))
        return cls(zone, held, origin)

    @staticmethod
    def in_the_way(
        scope: JsonMap, zone: str, wanted: RecordSets, current: RecordSets, deadline: Deadline
    ) -> RecordSets:
        """What the primary holds that can't be there beside the wanted record sets, of which it holds the current."""
        held = read(zone, servers_of(scope, zone)[0], rivals(wanted, current), deadline)
        return tuple(one for one in held if one.values)

    @property
    def primary(self) -> RecordSets:
        """What the place that takes the changes holds."""
        return self._held[0][1] if self.origin is None else self.origin

    def everywhere(self, sets: RecordSets) -> bool:
        return all(held == sets for _, held in self._held)

    def all(self, test: Callable[[RecordSets], bool]) -> bool:
        """Whether the test holds for what each server holds."""
        return all(test(held) for _, held in self._held)

    def on_the_way(self, wanted: RecordSets, possible: Callable[[RecordSets], bool]) -> bool:
        """The primary has what is wanted, and another server still has what was there on the way to it."""
        return self.primary == wanted and not self.everywhere(wanted) and self.all(possible)

    def agreed(self) -> RecordSets:
        """What they all hold. Raises ProviderError, not permanent, that says where they differ."""
        who = f"The DNS server {self._held[0][0]}" if self.origin is None else "The host's API"
        for server, held in self._held:
            if held != self.primary:
                raise ProviderError(
                    f"{who} and the DNS server {server} disagree: on {server}, "
                    f"{differences(self.primary, held, self._zone)}; wait until it has taken over, or mend it.",
                    permanent=False,
                )
        return self.primary
