"""What all authoritative servers of a zone hold of some record sets at one time."""

from typing import Self

from providers.base import JsonMap, ProviderError
from providers.dns.authority import read, servers_of
from providers.dns.deadline import Deadline
from providers.dns.endpoint import Endpoint
from providers.dns.record_sets import RecordSets, differences, rivals


class View:
    """The record sets of the same keys at each server, the primary first; never empty."""

    def __init__(self, zone: str, held: tuple[tuple[Endpoint, RecordSets], ...]) -> None:
        self._zone = zone
        self._held = held

    @classmethod
    def taken(cls, scope: JsonMap, zone: str, of: RecordSets, deadline: Deadline) -> Self:
        """Ask every server for the keys of these record sets. Raises ProviderError when one does not answer."""
        keys = tuple(one.key for one in of)
        return cls(zone, tuple((server, read(zone, server, keys, deadline)) for server in servers_of(scope, zone)))

    @staticmethod
    def in_the_way(
        scope: JsonMap, zone: str, wanted: RecordSets, current: RecordSets, deadline: Deadline
    ) -> RecordSets:
        """What the primary holds that can't be there beside the wanted record sets, of which it holds the current."""
        held = read(zone, servers_of(scope, zone)[0], rivals(wanted, current), deadline)
        return tuple(one for one in held if one.values)

    @property
    def primary(self) -> RecordSets:
        """What the server that takes the changes holds."""
        return self._held[0][1]

    def everywhere(self, sets: RecordSets) -> bool:
        return all(held == sets for _, held in self._held)

    def on_the_way(self, expected: RecordSets, wanted: RecordSets) -> bool:
        """The primary has what is wanted, and a secondary still has what was there before."""
        return (
            self.primary == wanted
            and not self.everywhere(wanted)
            and all(held in (expected, wanted) for _, held in self._held)
        )

    def agreed(self) -> RecordSets:
        """What they all hold. Raises ProviderError, not permanent, that says where they differ."""
        first = self._held[0][0]
        for server, held in self._held[1:]:
            if held != self.primary:
                raise ProviderError(
                    f"The DNS servers {first} and {server} disagree: on {server}, "
                    f"{differences(self.primary, held, self._zone)}; wait for the zone transfer, or mend it.",
                    permanent=False,
                )
        return self.primary
