"""Whose a host, a mail server, a certificate or any other sign is, by the patterns of the catalogue's files. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from orchestrator.domain.catalogue import Catalogue, Product, Recognised, matches
from providers.discovery.sign import Kind
from providers.discovery.sign import Sign as SeenSign

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
            close = max((closeness(pattern, wanted) for pattern in _patterns(product.recognised, sign)), default=0)
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


def closeness(pattern: str, name: str) -> int:
    """How many characters of the name the pattern says, one more when it says all; 0 when it does not fit."""
    if "*" not in pattern:
        return len(pattern) + 1 if pattern == name else 0
    return len(pattern) - pattern.count("*") if matches(pattern, name) else 0


def own_hosts(signs: Recognised) -> tuple[str, ...]:
    """The hosts by which a product is recognised, in whose domains it can be seen what the product stands on."""
    patterns = [*signs.mx, *signs.hosts, *signs.spf, *signs.cname, *signs.ns]
    names = [pattern.removeprefix("*.") for pattern in patterns]
    return tuple(dict.fromkeys(name for name in names if "." in name and "*" not in name))


_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "mx": ("mx", "hosts"),
    "mta-sts": ("mx", "hosts"),
    "spf": ("spf", "hosts"),
    "ns": ("ns", "hosts"),
    "caa": ("caa",),
    "cname": ("cname", "hosts", "mx"),
    "srv": ("hosts", "cname", "mx"),
}
"""Which patterns a sign's host is held against; those of pages against hosts and CNAMEs."""

_OF_PAGES = ("hosts", "cname")
_OF_HOSTS = ("mx", "spf", "ns", "cname", "hosts")

Names = tuple[str, ...]


class Recogniser:
    """Answers names of products, in order. The most exact pattern decides; products that share it are all named."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._hosts: dict[tuple[str, str], set[str]] = {}
        self._words: dict[tuple[str, str], set[str]] = {}
        self._loose: list[tuple[str, str]] = []
        self._products = {**catalogue.targets, **catalogue.vendors}
        for name, product in self._products.items():
            self._learn(name, product.recognised)

    def products(self, sign: SeenSign) -> Names:
        match sign.kind:
            case "inside":
                return (sign.value,) if sign.value in self._products else ()
            case "txt":
                return self._begins("txt", sign.value.lower())
            case "issuer":
                return self._begins("issuers", sign.value.casefold())
            case "network":
                return tuple(sorted(self._words.get(("networks", sign.value), ())))
            case kind:
                return self.hosts(sign.value, _FIELDS.get(kind, _OF_PAGES))

    def hosts(self, host: str, fields: Iterable[str] = _OF_HOSTS) -> Names:
        """The products whose patterns of these fields a host fits; the first field that knows it decides."""
        for field in fields:
            fitting = [pattern for pattern in self._patterns(field, host) if (field, pattern) in self._hosts]
            if fitting:
                closest = max(fitting, key=lambda pattern: closeness(pattern, host))
                return tuple(sorted(self._hosts[field, closest]))
        return ()

    def _patterns(self, field: str, host: str) -> Iterator[str]:
        """What a host fits: itself and its ends, which are looked up, and the few other patterns one by one."""
        labels = host.split(".")
        yield host
        yield from (f"*.{'.'.join(labels[at:])}" for at in range(1, len(labels)))
        yield from (pattern for known, pattern in self._loose if known == field and matches(pattern, host))

    def recognisable(self, name: str) -> bool:
        """Whether the catalogue says how this product shows at all."""
        product: Product | None = self._products.get(name)
        return product is not None and any(product.recognised.model_dump().values())

    def _learn(self, name: str, recognised: Recognised) -> None:
        for field in (*_OF_HOSTS, "caa"):
            for pattern in getattr(recognised, field):
                self._hosts.setdefault((field, pattern), set()).add(name)
                if "*" in pattern.removeprefix("*."):
                    self._loose.append((field, pattern))
        for field, words in (
            ("txt", [text.lower() for text in recognised.txt]),
            ("issuers", [text.casefold() for text in recognised.issuers]),
            ("networks", list(recognised.networks)),
        ):
            for word in words:
                self._words.setdefault((field, word), set()).add(name)

    def _begins(self, field: str, text: str) -> Names:
        """The longest of the beginnings that fit."""
        fitting = [word for known, word in self._words if known == field and text.startswith(word)]
        return tuple(sorted(self._words[field, max(fitting, key=len)])) if fitting else ()
