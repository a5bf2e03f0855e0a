"""Where a scope's providers may connect: addresses with ports, and the networks that the scope allows."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from providers.base import JsonMap, ProviderError

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IP address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def endpoint(text: str, default_port: int) -> Endpoint:
    """`192.0.2.1:53`, `[2001:db8::1]:53`, or an address alone -> Endpoint.

    Raises ProviderError(permanent) for a name: looking it up would need a resolver
    that is itself named by an address.
    """
    host, port = _split(text)
    try:
        address = ip_address(host)
        number = default_port if port is None else int(port)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise ProviderError(
            f"{text!r} is not an IP address with a port; write it in bascule.yaml such as 192.0.2.1:53.",
            permanent=True,
        )
    return Endpoint(str(address), number)


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        return (host, rest.removeprefix(":") or None) if closed else (text, None)
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None


def literal(host: str) -> Address | None:
    """The IP address that this text is, or None when it is a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def allowed(scope: JsonMap, address: str) -> bool:
    """Whether the scope's `networks` hold this address; a scope without `networks` reaches everything.

    An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) counts as the IPv4 address that it reaches.
    """
    networks = scope.get("networks")
    if networks is None:
        return True
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in ip_network(network, strict=False) for network in networks)


def require_allowed(scope: JsonMap, address: str) -> None:
    """Raises ProviderError(permanent) when the scope's networks do not hold the address."""
    if not allowed(scope, address):
        raise ProviderError(
            f"{address} is outside the networks of this scope; nothing was sent. "
            "Add its network to `networks` in bascule.yaml if this scope may reach it.",
            permanent=True,
        )
