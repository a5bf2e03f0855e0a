"""Where a server of a scope is: an address with its port."""

from dataclasses import dataclass
from ipaddress import ip_address

from providers.base import ProviderError


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
