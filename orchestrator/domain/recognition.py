"""Whose a host, a mail server, a name server or a certificate is, by the catalogue's signs."""

from collections.abc import Callable, Iterator
from typing import Literal

from orchestrator.domain.catalogue import Catalogue, Recognised

Sign = Literal["host", "mx", "ns", "issuer", "network"]

OwnerOf = Callable[[str], str | None]
"""IP address -> the name of the network that it is in, as `recognised.networks` write it; None when nobody knows."""


def recognised(catalogue: Catalogue, sign: Sign, name: str) -> str | None:
    """The catalogue's name of the product that this sign shows: of several, the one with the closest pattern.

    `name`: a host in any case, with or without its final dot; for `issuer` the organisation, for `network` a name of
    the table of addresses. A target goes before a vendor that is recognised as well.
    """
    wanted = name.casefold() if sign == "issuer" else name.lower().removesuffix(".")
    best, found = 0, None
    for shelf in (catalogue.targets, catalogue.vendors):
        for product_name, product in shelf.items():
            close = max((_closeness(pattern, wanted) for pattern in _patterns(product.recognised, sign)), default=0)
            if close > best:
                best, found = close, product_name
    return found


def _patterns(signs: Recognised, sign: Sign) -> Iterator[str]:
    if sign == "issuer":
        yield from (issuer.casefold() for issuer in signs.issuers)
    elif sign == "network":
        yield from signs.networks
    else:
        yield from {"mx": signs.mx, "ns": signs.ns, "host": signs.cname}[sign]
        yield from signs.hosts


def _closeness(pattern: str, name: str) -> int:
    """How many characters of the name the pattern says; 0 when it does not fit."""
    if pattern.startswith("*."):
        return len(pattern) - 1 if name.endswith(pattern[1:]) and len(name) > len(pattern) - 1 else 0
    return len(pattern) + 1 if pattern == name else 0


def own_hosts(signs: Recognised) -> tuple[str, ...]:
    """The hosts by which a product is recognised, in whose domains it can be seen what the product stands on."""
    patterns = [*signs.mx, *signs.hosts, *signs.spf, *signs.cname, *signs.ns]
    names = [pattern.removeprefix("*.") for pattern in patterns]
    return tuple(dict.fromkeys(name for name in names if "." in name))
