"""Which addresses a scope may reach: the one owner of that question, for every connection that Bascule makes.

A scope's `networks` are all that it reaches. A scope without `networks` reaches the world, but never the addresses that
mean this machine, its link, or the metadata service of the cloud that it runs in: whoever may name a URL could
otherwise make Bascule read the machine's own credentials (server-side request forgery). Those are reached only where
`networks` lists them by a network that lies within them: `0.0.0.0/0` opens no loopback, `127.0.0.0/8` does.

Names are looked up once, each address is judged, and the connection goes to the address that was judged: a name that
resolves to something else a moment later (DNS rebinding) leads nowhere new.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from sys import addaudithook
from typing import Any

from providers.base import JsonMap, ProviderError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this machine, by Linux's reading of RFC 1122 §3.2.1.3
        "127.0.0.0/8",
        "169.254.0.0/16",  # the link, and the metadata service of most clouds
        "224.0.0.0/4",
        "255.255.255.255/32",
        "100.100.100.200/32",  # metadata: Alibaba Cloud
        "168.63.129.16/32",  # metadata: Azure's wire server
        "192.0.0.192/32",  # metadata: Oracle Cloud
        "::/128",
        "::1/128",
        "fe80::/10",
        "ff00::/8",
        "fd00:42::42/128",  # metadata: Scaleway
        "fd00:ec2::/32",  # metadata, names and time: AWS
        "fd20:ce::254/128",  # metadata: Google Cloud
    )
)
"""Never reached unless they are listed. RFC 6890, and the vendors' documentation of their metadata services."""

_IPV4_WITHIN: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped, RFC 4291 §2.5.5.2
    (IPv6Network("::ffff:0:0:0/96"), 0),  # translated, RFC 2765
    (IPv6Network("::/96"), 0),  # compatible, RFC 4291 §2.5.5.1
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)
"""Networks of IPv6 addresses that stand for an IPv4 address, and how many bits lie behind it."""
_ALONE = (IPv6Address("::"), IPv6Address("::1"))


@dataclass(frozen=True, slots=True)
class Reach:
    """`networks`: what a scope lists; None where it lists nothing."""

    networks: tuple[Network, ...] | None = None

    @classmethod
    def of(cls, scope: JsonMap) -> "Reach":
        listed = scope.get("networks")
        return cls() if listed is None else _reach_of(tuple(listed))

    def holds(self, address: str) -> bool:
        """Whether this address may be connected to; what is no address may not.

        An IPv6 address that stands for an IPv4 address (`::ffff:192.0.2.1`, NAT64) counts as the address it reaches.
        """
        try:
            found = _meant(ip_address(address))
        except ValueError:
            return False
        special = next((one for one in _SPECIAL if found in one), None)
        if special is None:
            return self.networks is None or any(found in one for one in self.networks)
        return any(found in one and _lies_within(one, special) for one in self.networks or ())

    def require(self, address: str) -> None:
        """Raises ProviderError(permanent) when the address is out of reach."""
        if not self.holds(address):
            listed = "outside the networks of this scope"
            special = "this machine's own, its link's, or a cloud's metadata service"
            raise ProviderError(
                f"{address} is {listed if self.networks is not None else special}; nothing was sent. "
                "Add its network to `networks` in bascule.yaml if this scope may reach it.",
                permanent=True,
            )

    def look_up(self, host: str, port: int) -> list[tuple[int, Any]]:
        """What the machine's resolver says of a host, as far as it may be reached: families and socket addresses.

        The one look-up of a connection, which goes to one of these. A host that is an address in whatever spelling
        (`2130706433`, `0x7f.1`) is judged as what connecting would make of it. Raises OSError (socket.gaierror) when
        there is no such name; ProviderError(permanent) when all of its addresses are out of reach.
        """
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # a label that is empty, or longer than DNS has them
            raise socket.gaierror(socket.EAI_NONAME, f"{host[:80]} is no name") from error
        reached = [(int(family), place) for family, _, _, _, place in found if self.holds(str(place[0]))]
        if not reached:
            self.require(str(found[0][4][0]))
        return reached

    def connected(self, host: str, port: int, seconds: float, options: Iterable[tuple[Any, ...]] = ()) -> socket.socket:
        """A connection to the first of its addresses that takes one. Raises OSError, ProviderError(permanent)."""
        failure = OSError(f"{host} has no address")
        for family, place in self.look_up(host, port):
            line = socket.socket(family, socket.SOCK_STREAM)
            try:
                for option in options:
                    line.setsockopt(*option)
                line.settimeout(seconds)
                line.connect(place)
            except OSError as error:
                line.close()
                failure = error
            else:
                return line
        raise failure


@lru_cache(maxsize=256)
def _reach_of(listed: tuple[str, ...]) -> Reach:
    return Reach(tuple(ip_network(one, strict=False) for one in listed))


def allowed(scope: JsonMap, address: str) -> bool:
    """Whether a scope may reach this address."""
    return Reach.of(scope).holds(address)


def require_allowed(scope: JsonMap, address: str) -> None:
    """Raises ProviderError(permanent) when the scope may not reach the address."""
    Reach.of(scope).require(address)


def literal(host: str) -> Address | None:
    """The IP address that this text is, or None when it is a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _meant(address: Address) -> Address:
    """The address that a packet to this one arrives at."""
    if isinstance(address, IPv4Address):
        return address
    plain = IPv6Address(int(address))  # without the zone (`%eth0`)
    if plain in _ALONE:
        return plain
    for network, bits in _IPV4_WITHIN:
        if plain in network:
            return IPv4Address(int(plain) >> bits & 0xFFFFFFFF)
    return plain


def _lies_within(network: Network, outer: Network) -> bool:
    return network.version == outer.version and network.subnet_of(outer)  # type: ignore[arg-type]  # same version


@dataclass(slots=True)
class Held:
    """What came of the connections within `held_to`: how many were let through, and the address of one that was not."""

    reach: Reach
    passed: int = 0
    refused: str = ""

    def judge(self, address: str) -> None:
        """Raises ProviderError(permanent)."""
        if not self.reach.holds(address):
            self.refused = address
        self.reach.require(address)
        self.passed += 1


_held: ContextVar[Held | None] = ContextVar("held", default=None)


@contextmanager
def held_to(reach: Reach) -> Iterator[Held]:
    """Within the block, this thread, and those that are given its context, connect only where `reach` allows.

    For libraries that connect by themselves. Every single connection is judged by the address that it goes to, also
    those that a redirect or a second look-up leads to. A refused one raises ProviderError(permanent) inside the
    library, which may swallow it.
    """
    _watch()
    held = Held(reach)
    token = _held.set(held)
    try:
        yield held
    finally:
        _held.reset(token)


@lru_cache(maxsize=1)
def _watch() -> None:
    """An audit hook (PEP 578) can't be taken away again: it is set once, and asks for `socket.connect` alone."""
    addaudithook(_on_event)


def _on_event(event: str, arguments: Iterable[Any]) -> None:
    if event != "socket.connect":
        return
    held = _held.get()
    if held is None:
        return
    line, address = arguments
    if line.family in (socket.AF_INET, socket.AF_INET6):
        held.judge(str(address[0]))
