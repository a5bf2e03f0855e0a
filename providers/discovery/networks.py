"""Whose an address is, from a table of prefixes on this machine: nobody is asked."""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class NetworkOwner:
    """A company's prefixes. `source`: where they were published; `date`: when (ISO 8601)."""

    name: str
    title: str
    source: str
    date: str
    verified: bool
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """The longest prefix that holds an address, and its owner's name."""

    owner: str
    prefix: str


class NetworkTable:
    """Finds an address's owner by binary search; where prefixes lie in each other, the longest wins.

    Prefixes are nested or apart, so that they fall into ranges that do not overlap,
    each with the innermost prefix that covers it. Invariant: starts rise strictly.
    """

    def __init__(self, owners: Iterable[NetworkOwner]) -> None:
        """Raises ValueError when a prefix is none."""
        self.owners: Mapping[str, NetworkOwner] = {one.name: one for one in owners}
        held: dict[int, list[tuple[Network, str]]] = {4: [], 6: []}
        for owner in self.owners.values():
            for prefix in owner.prefixes:
                network = ipaddress.ip_network(prefix)
                held[network.version].append((network, owner.name))
        self._ranges = {version: _ranges(found) for version, found in held.items()}

    def find(self, address: str) -> Held | None:
        """None when no prefix of the table holds the address, or it is none."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return None
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        starts, holders = self._ranges[ip.version]
        at = bisect_right(starts, int(ip)) - 1
        return holders[at] if at >= 0 else None

    def owner_of(self, address: str) -> str | None:
        """The name of the company whose address this is, as a catalogue file's `recognised.networks` has it."""
        held = self.find(address)
        return held.owner if held is not None else None


Ranges = tuple[Sequence[int], Sequence[Held | None]]


def _ranges(found: list[tuple[Network, str]]) -> Ranges:
    """Where each range begins, and what holds it until the next one begins."""
    starts: list[int] = []
    holders: list[Held | None] = []
    open_: list[tuple[int, Held]] = []

    def begin(at: int, holder: Held | None) -> None:
        if starts and starts[-1] == at:
            holders[-1] = holder
        else:
            starts.append(at)
            holders.append(holder)

    def close(before: int | None) -> None:
        """End every open prefix that ends before this address; without one, all."""
        while open_ and (before is None or open_[-1][0] < before):
            end, _ = open_.pop()
            begin(end + 1, open_[-1][1] if open_ else None)

    for network, owner in sorted(found, key=lambda one: (int(one[0].network_address), one[0].prefixlen)):
        first = int(network.network_address)
        close(first)
        holder = Held(owner, str(network))
        open_.append((int(network.broadcast_address), holder))
        begin(first, holder)
    close(None)
    return starts, holders
